package localmeta

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// thing is what the model keeps of a path.
type thing struct {
	Local  bool
	Mode   uint32
	Data   string
	Xattrs map[string]string
}

// model is a store as a map.
type model map[string]*thing

func (m model) at(path string) *thing {
	if m[path] == nil {
		m[path] = &thing{Xattrs: map[string]string{}}
	}
	return m[path]
}

func under(p, dir string) bool { return p == dir || strings.HasPrefix(p, dir+"/") }

func (m model) remove(path string) {
	maps.DeleteFunc(m, func(p string, _ *thing) bool { return under(p, path) })
}

func (m model) rename(from, to string) {
	if from == to || under(to, from) {
		return
	}
	m.remove(to)
	for p, t := range maps.Clone(m) {
		if under(p, from) {
			delete(m, p)
			m[to+p[len(from):]] = t
		}
	}
}

// tidy drops what is kept of nothing, as a store does.
func (m model) tidy() {
	maps.DeleteFunc(m, func(_ string, t *thing) bool { return !t.Local && len(t.Xattrs) == 0 })
}

// dump reads a store as a model, through nothing but its methods and the paths
// that may be in it.
func dump(t *testing.T, s *Store, paths []string) model {
	t.Helper()
	out := model{}
	for _, p := range paths {
		got := &thing{Xattrs: map[string]string{}}
		if info, ok := s.Lookup(p); ok {
			got.Local, got.Mode = true, info.Mode
			buf := make([]byte, info.Size+10)
			n, err := s.ReadAt(info.ID, buf, 0)
			if err != nil || uint64(n) != info.Size {
				t.Fatalf("read %s: %d of %d, %v", p, n, info.Size, err)
			}
			got.Data = string(buf[:n])
		}
		for _, name := range s.Xattrs(p) {
			v, _ := s.Xattr(p, name)
			got.Xattrs[name] = string(v)
		}
		if got.Local || len(got.Xattrs) > 0 {
			out[p] = got
		}
	}
	return out
}

// allPaths are three levels of three names, one of them a prefix of another.
func allPaths() []string {
	var out []string
	names := []string{"a", "ab", "a b"}
	for _, x := range names {
		out = append(out, x)
		for _, y := range names {
			out = append(out, x+"/"+y)
			for _, z := range names {
				out = append(out, x+"/"+y+"/"+z)
			}
		}
	}
	return out
}

// step does one random operation to both.
func step(t *testing.T, r *rand.Rand, s *Store, m model, paths []string) string {
	t.Helper()
	pick := func() string { return paths[r.IntN(len(paths))] }
	p := pick()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	info, local := s.Lookup(p)
	switch op := r.IntN(9); {
	case op == 0:
		must(s.Remove(p, nil))
		m.remove(p)
		return "remove " + p
	case op == 1:
		to := pick()
		if under(to, p) || strings.Count(to, "/") > strings.Count(p, "/") {
			return "nothing" // nothing may get out of paths
		}
		must(s.Rename(p, to, nil))
		m.rename(p, to)
		return "rename " + p + " " + to
	case op <= 3:
		name, v := fmt.Sprintf("user.%d", r.IntN(3)), strings.Repeat("v", r.IntN(5000))
		must(s.SetXattr(p, name, []byte(v), 0))
		m.at(p).Xattrs[name] = v
		return "setxattr " + p
	case op == 4:
		for _, name := range s.Xattrs(p) {
			must(s.RemoveXattr(p, name))
			delete(m[p].Xattrs, name)
			break
		}
		m.tidy()
		return "removexattr " + p
	case !local:
		_, err := s.Create(p, 0o100644, 1)
		must(err)
		m.at(p).Local, m.at(p).Mode = true, 0o100644
		return "create " + p
	case op == 5:
		size := uint64(r.IntN(3 * chunkSize))
		must(s.SetAttrs(info.ID, SetAttr{Size: &size}, 2))
		d := m[p].Data
		m[p].Data = (d + strings.Repeat("\x00", max(0, int(size)-len(d))))[:size]
		return "truncate " + p
	default:
		off, data := r.IntN(2*chunkSize), strings.Repeat(string(rune('a'+r.IntN(26))), r.IntN(2*chunkSize))
		must(s.WriteAt(info.ID, []byte(data), int64(off), 3))
		d := m[p].Data
		if data != "" {
			d += strings.Repeat("\x00", max(0, off+len(data)-len(d)))
			m[p].Data = d[:off] + data + d[off+len(data):]
		}
		return "write " + p
	}
}

func openAt(t *testing.T, dir string, o Options) *Store {
	t.Helper()
	var err error
	if o.Files, err = OpenFiles(dir); err != nil {
		t.Fatal(err)
	}
	s, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// copyStore copies a store's files as they are now, as a kill would leave them.
func copyStore(t *testing.T, from string) string {
	t.Helper()
	to := t.TempDir()
	for _, name := range []string{dbFile, journalFile} {
		b, err := os.ReadFile(filepath.Join(from, name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(to, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return to
}

// A store is what a map would be, and so is what is left of it when its process
// ends after any operation.
func TestModel(t *testing.T) {
	paths := allPaths()
	for seed := range uint64(4) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			s := openAt(t, dir, Options{CommitEvery: time.Hour})
			r, m := rand.New(rand.NewPCG(seed, 1)), model{}
			for i := range 400 {
				what := step(t, r, s, m, paths)
				if diff := cmp.Diff(m, dump(t, s, paths)); diff != "" {
					t.Fatalf("after step %d (%s): %s", i, what, diff)
				}
				if r.IntN(40) == 0 {
					if err := s.Sync(); err != nil {
						t.Fatal(err)
					}
				}
				if r.IntN(20) == 0 {
					left := openAt(t, copyStore(t, dir), Options{})
					if diff := cmp.Diff(m, dump(t, left, paths)); diff != "" {
						t.Fatalf("what is left after step %d (%s): %s", i, what, diff)
					}
					checkBytes(t, left)
					left.Close()
				}
			}
			checkBytes(t, s)
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(m, dump(t, openAt(t, dir, Options{}), paths)); diff != "" {
				t.Errorf("after a restart: %s", diff)
			}
		})
	}
}

// checkBytes says whether the bytes were counted as they are, and nothing is left
// of what was removed.
func checkBytes(t *testing.T, s *Store) {
	t.Helper()
	counted, _ := s.Usage()
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.t.check(); err != nil {
		t.Fatal(err)
	}
	if s.t.used != counted {
		t.Fatalf("%d bytes counted, %d are there", counted, s.t.used)
	}
}

// A journal that ends anywhere gives the state after one of its operations.
func TestTornJournal(t *testing.T) {
	paths := allPaths()
	dir := t.TempDir()
	s := openAt(t, dir, Options{CommitEvery: time.Hour})
	r, m := rand.New(rand.NewPCG(9, 9)), model{}
	var states []model
	var ends []int64
	for range 60 {
		step(t, r, s, m, paths)
		states, ends = append(states, dump(t, s, paths)), append(ends, s.journal.size)
	}
	for range 40 {
		cut := r.Int64N(ends[len(ends)-1])
		left := copyStore(t, dir)
		if err := os.Truncate(filepath.Join(left, journalFile), cut); err != nil {
			t.Fatal(err)
		}
		want := model{}
		if i, _ := slices.BinarySearch(ends, cut+1); i > 0 {
			want = states[i-1]
		}
		again := openAt(t, left, Options{})
		if diff := cmp.Diff(want, dump(t, again, paths)); diff != "" {
			t.Fatalf("cut at %d: %s", cut, diff)
		}
		again.Close()
	}
}

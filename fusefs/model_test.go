package fusefs

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"sshfs-bridge/fusefs/vfs"
)

var (
	modelSeed  = flag.Uint64("model.seed", 0, "seed of the random operations (0: from the clock)")
	modelSteps = flag.Int("model.steps", 400, "how many random operations")
)

// TestModel makes the same random operations on a mount and on a local directory,
// step by step: results, contents and the whole tree must be the same. A failure
// prints its seed and its last steps.
func TestModel(t *testing.T) {
	for _, spec := range []serveSpec{
		{Server: "count", Options: fixed(vfs.CacheDefault)},
		{Server: "pkg", Options: fixed(vfs.CacheDefault)},
		{Server: "count", Options: fixed(vfs.CacheStrict)},
		{Server: "pkg", Options: fixed(vfs.CacheOff)},
	} {
		t.Run(fmt.Sprintf("%s/%s", spec.Options.Cache, spec.Server), func(t *testing.T) {
			t.Parallel()
			seed := *modelSeed
			if seed == 0 {
				seed = uint64(time.Now().UnixNano())
			}
			t.Logf("seed %d", seed)
			spec.Options.Symlinks = vfs.SymlinksRaw // as a local directory has them
			m := mountDir(t, spec)
			x := &model{
				t: t, rnd: rand.New(rand.NewPCG(seed, 1)),
				a: side{root: m.mnt}, b: side{root: t.TempDir()}, server: m.dir, seed: seed,
				// pkg/sftp's server makes the targets of links absolute.
				links: spec.Server != "pkg",
			}
			defer func() {
				for _, f := range x.a.open {
					f.Close()
				}
			}()
			for i := range *modelSteps {
				x.step()
				if t.Failed() {
					x.report()
					return
				}
				if i%100 == 99 {
					x.compare(x.a.root, "the mount")
				}
			}
			x.closeAll()
			x.compare(x.a.root, "the mount")
			x.compare(x.server, "the server")
			if t.Failed() {
				x.report()
			}
		})
	}
}

// side is one of the two trees, with the files that are open in it.
type side struct {
	root string
	open []*os.File
}

type model struct {
	t      *testing.T
	rnd    *rand.Rand
	a, b   side
	server string
	seed   uint64
	links  bool
	log    []string
}

func (x *model) report() {
	for _, line := range x.log[max(0, len(x.log)-25):] {
		x.t.Log(line)
	}
	x.t.Logf("run again with -model.seed=%d", x.seed)
}

var modelNames = []string{"a", "b", "c", "dir", "long name with spaces", "ü", "x.txt"}

// path gives one of few paths, so that operations meet.
func (x *model) path() string {
	p := modelNames[x.rnd.IntN(len(modelNames))]
	for x.rnd.IntN(3) == 0 {
		p = filepath.Join(p, modelNames[x.rnd.IntN(len(modelNames))])
	}
	return p
}

func (x *model) bytes() []byte {
	b := make([]byte, x.rnd.IntN([]int{10, 5000, 300_000}[x.rnd.IntN(3)])+1)
	for i := range b {
		b[i] = byte(x.rnd.Uint32())
	}
	return b
}

// both does something on both sides and compares what comes of it.
func (x *model) both(what string, do func(s *side) (string, error)) {
	x.log = append(x.log, what)
	ra, ea := do(&x.a)
	rb, eb := do(&x.b)
	if na, nb := errnoName(ea), errnoName(eb); na != nb {
		x.t.Errorf("%s: the mount says %v, a local directory %v", what, ea, eb)
		return
	}
	if ra != rb {
		x.t.Errorf("%s: the mount gives %.80q, a local directory %.80q", what, ra, rb)
	}
	if ea == nil {
		x.log[len(x.log)-1] += " ok"
	}
}

func errnoName(err error) string {
	var e syscall.Errno
	switch {
	case err == nil:
		return ""
	case errors.As(err, &e):
		if e == syscall.EEXIST {
			e = syscall.ENOTEMPTY // either may be said of a directory
		}
		return e.Error()
	}
	return err.Error()
}

func (x *model) step() {
	p, q := x.path(), x.path()
	switch x.rnd.IntN(18) {
	case 0:
		x.both("mkdir "+p, func(s *side) (string, error) { return "", os.Mkdir(filepath.Join(s.root, p), 0o755) })
	case 1, 2:
		data := x.bytes()
		x.both(fmt.Sprintf("write file %s (%d)", p, len(data)), func(s *side) (string, error) {
			return "", os.WriteFile(filepath.Join(s.root, p), data, 0o644)
		})
	case 3:
		x.both("remove "+p, func(s *side) (string, error) { return "", syscall.Unlink(filepath.Join(s.root, p)) })
	case 4:
		x.both("rmdir "+p, func(s *side) (string, error) { return "", syscall.Rmdir(filepath.Join(s.root, p)) })
	case 5, 6:
		x.both("rename "+p+" to "+q, func(s *side) (string, error) {
			return "", os.Rename(filepath.Join(s.root, p), filepath.Join(s.root, q))
		})
	case 7:
		x.both("read "+p, func(s *side) (string, error) {
			b, err := os.ReadFile(filepath.Join(s.root, p))
			return string(b), err
		})
	case 8:
		x.both("list "+p, func(s *side) (string, error) {
			entries, err := os.ReadDir(filepath.Join(s.root, p))
			return fmt.Sprint(entries), err
		})
	case 9:
		x.both("stat "+p, func(s *side) (string, error) { return statText(filepath.Join(s.root, p)) })
	case 10:
		size := x.rnd.Int64N(400_000)
		x.both(fmt.Sprintf("truncate %s to %d", p, size), func(s *side) (string, error) {
			return "", os.Truncate(filepath.Join(s.root, p), size)
		})
	case 11:
		mode := fs.FileMode(0o600 | x.rnd.Uint32N(0o100))
		x.both(fmt.Sprintf("chmod %s %o", p, mode), func(s *side) (string, error) {
			full := filepath.Join(s.root, p)
			if st, err := os.Stat(full); err == nil && st.IsDir() {
				return "", nil
			}
			return "", os.Chmod(full, mode)
		})
	case 12:
		at := time.Unix(1_500_000_000+x.rnd.Int64N(1000), 0)
		x.both("utimes "+p, func(s *side) (string, error) {
			full := filepath.Join(s.root, p)
			if err := os.Chtimes(full, at, at); err != nil {
				return "", err
			}
			st, err := os.Stat(full)
			if err != nil {
				return "", err
			}
			return st.ModTime().String(), nil
		})
	case 13:
		if !x.links {
			return
		}
		x.both("symlink "+q+" to "+p, func(s *side) (string, error) {
			return "", os.Symlink("target-"+filepath.Base(p), filepath.Join(s.root, q))
		})
	case 14:
		x.both("open "+p, func(s *side) (string, error) {
			f, err := os.OpenFile(filepath.Join(s.root, p), os.O_RDWR|os.O_CREATE, 0o644)
			if err == nil {
				s.open = append(s.open, f)
			}
			return "", err
		})
	case 15, 16:
		x.onOpen()
	case 17:
		if len(x.a.open) > 4 {
			x.closeAll()
		}
	}
}

// onOpen does something with an open file.
func (x *model) onOpen() {
	if len(x.a.open) == 0 || len(x.a.open) != len(x.b.open) {
		return
	}
	i := x.rnd.IntN(len(x.a.open))
	off := x.rnd.Int64N(200_000)
	switch x.rnd.IntN(4) {
	case 0:
		data := x.bytes()
		x.both(fmt.Sprintf("write %d at %d into %s", len(data), off, x.b.open[i].Name()), func(s *side) (string, error) {
			_, err := s.open[i].WriteAt(data, off)
			return "", err
		})
	case 1:
		x.both(fmt.Sprintf("read at %d from %s", off, x.b.open[i].Name()), func(s *side) (string, error) {
			buf := make([]byte, 50_000)
			n, err := s.open[i].ReadAt(buf, off)
			if n > 0 {
				err = nil
			}
			return string(buf[:n]), err
		})
	case 2:
		x.both(fmt.Sprintf("truncate to %d the open %s", off, x.b.open[i].Name()), func(s *side) (string, error) {
			return "", s.open[i].Truncate(off)
		})
	case 3:
		x.both("fstat "+x.b.open[i].Name(), func(s *side) (string, error) {
			st, err := s.open[i].Stat()
			if err != nil {
				return "", err
			}
			return fmt.Sprint(st.Size(), st.Mode()), nil
		})
	}
}

func (x *model) closeAll() {
	x.both("close all", func(s *side) (string, error) {
		var first error
		for _, f := range s.open {
			if err := f.Close(); err != nil && first == nil {
				first = err
			}
		}
		s.open = nil
		return "", first
	})
}

func statText(path string) (string, error) {
	st, err := os.Lstat(path)
	if err != nil {
		return "", err
	}
	if st.IsDir() || st.Mode()&fs.ModeSymlink != 0 {
		return st.Mode().Type().String(), nil
	}
	return fmt.Sprint(st.Mode(), st.Size()), nil
}

// compare holds a whole tree against the local directory's.
func (x *model) compare(root, what string) {
	x.t.Helper()
	got, want := treeOf(x.t, root), treeOf(x.t, x.b.root)
	for name, w := range want {
		if g, ok := got[name]; !ok {
			x.t.Errorf("%s lacks %q", what, name)
		} else if !bytes.Equal(g, w) {
			x.t.Errorf("%s has another %q (%d bytes, want %d)", what, name, len(g), len(w))
		}
	}
	for name := range got {
		if _, ok := want[name]; !ok {
			x.t.Errorf("%s has %q too many", what, name)
		}
	}
}

func treeOf(t testing.TB, root string) map[string][]byte {
	t.Helper()
	tree := map[string][]byte{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		switch {
		case d.IsDir():
			tree[rel] = []byte("dir")
		case d.Type()&fs.ModeSymlink != 0:
			target, err := os.Readlink(path)
			tree[rel] = []byte("link " + target)
			return err
		default:
			b, err := os.ReadFile(path)
			tree[rel] = b
			return err
		}
		return nil
	})
	if err != nil {
		t.Errorf("walk %s: %v", root, err)
	}
	return tree
}

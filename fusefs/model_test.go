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
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sshfs-bridge/fusefs/vfs"
)

var (
	modelSeed  = flag.Uint64("model.seed", 0, "seed of the random operations (0: from the clock)")
	modelSteps = flag.Int("model.steps", 400, "how many random operations")
)

// TestModel makes the same random operations on a mount and on a local directory,
// step by step: results, contents and the whole tree must be the same. A failure
// prints its seed and the fewest operations that show it.
func TestModel(t *testing.T) {
	for _, c := range []struct {
		kind   mountKind
		mode   vfs.CacheMode
		server string
	}{
		{kindFixed, vfs.CacheDefault, "count"},
		{kindFixed, vfs.CacheDefault, "pkg"},
		{kindFixed, vfs.CacheStrict, "openssh"},
		{kindFixed, vfs.CacheOff, "pkg"},
		{kindShare, vfs.CacheDefault, "openssh"},
		{kindPosix, vfs.CacheDefault, "openssh"},
	} {
		t.Run(fmt.Sprintf("%s/%s/%s", c.kind, c.mode, c.server), func(t *testing.T) {
			t.Parallel()
			seed := *modelSeed
			if seed == 0 {
				seed = uint64(time.Now().UnixNano())
			}
			t.Logf("seed %d", seed)
			m := mountDir(t, serveSpec{Server: c.server, Options: c.kind.options(c.mode)})
			// pkg/sftp makes targets absolute, and a share shows no links.
			g := modelGen{rnd: rand.New(rand.NewPCG(seed, 1)), links: c.server != "pkg" && c.kind != kindShare}
			var steps []modelStep
			for range *modelSteps {
				steps = append(steps, g.step())
			}
			runs, local := 0, t.TempDir()
			run := func(steps []modelStep) string {
				runs++
				name := fmt.Sprint("run", runs)
				return runModel(steps, filepath.Join(m.mnt, name), filepath.Join(local, name), filepath.Join(m.dir, name))
			}
			if what := run(steps); what != "" {
				t.Errorf("%s\nrun again with -model.seed=%d; what shows it in a tree of its own:", what, seed)
				few := shrink(steps, time.Now().Add(30*time.Second), func(s []modelStep) bool { return run(s) != "" })
				t.Log(run(few))
				for _, step := range few {
					t.Log("  ", step.what)
				}
			}
		})
	}
}

// side is one of the two trees, with the files that are open in it.
type side struct {
	root  string
	mount bool
	open  []*os.File
}

// modelStep does something on one side; what comes of it depends on the side alone.
type modelStep struct {
	what string
	do   func(s *side) (string, error)
}

// runModel makes the steps in two new directories and tells the first difference,
// "" when there is none; server is where the mount's directory is on the server.
func runModel(steps []modelStep, mount, local, server string) string {
	a, b := &side{root: mount, mount: true}, &side{root: local}
	defer a.close()
	defer b.close()
	for _, s := range []*side{a, b} {
		if err := os.Mkdir(s.root, 0o755); err != nil {
			return err.Error()
		}
	}
	for i, step := range steps {
		ra, ea := step.do(a)
		rb, eb := step.do(b)
		if errnoName(ea) != errnoName(eb) {
			return fmt.Sprintf("step %d, %s: the mount says %v, a local directory %v", i, step.what, ea, eb)
		}
		if ra != rb {
			return fmt.Sprintf("step %d, %s: the mount gives %.80q, a local directory %.80q", i, step.what, ra, rb)
		}
		if i%100 == 99 {
			if what := sameTree(mount, local, "the mount", true); what != "" {
				return fmt.Sprintf("after step %d: %s", i, what)
			}
		}
	}
	if ea, eb := a.close(), b.close(); errnoName(ea) != errnoName(eb) {
		return fmt.Sprintf("close: the mount says %v, a local directory %v", ea, eb)
	}
	if what := sameTree(mount, local, "the mount", true); what != "" {
		return what
	}
	return sameTree(server, local, "the server", false)
}

func (s *side) close() error {
	var first error
	for _, f := range s.open {
		if err := f.Close(); err != nil && first == nil {
			first = err
		}
	}
	s.open = nil
	return first
}

// shrink gives the fewest steps that it finds, until the time is over, for which
// fails holds, as it does for steps.
func shrink(steps []modelStep, until time.Time, fails func([]modelStep) bool) []modelStep {
	for size := len(steps) / 2; size > 0; {
		smaller := false
		for at := 0; at < len(steps) && time.Now().Before(until); {
			less := append(append([]modelStep(nil), steps[:at]...), steps[min(at+size, len(steps)):]...)
			if fails(less) {
				steps, smaller = less, true
			} else {
				at += size
			}
		}
		if size > 1 || !smaller {
			size /= 2
		}
	}
	return steps
}

// What the model finds it also shrinks to what matters.
func TestModelShrinks(t *testing.T) {
	g := modelGen{rnd: rand.New(rand.NewPCG(7, 1)), links: true}
	var steps []modelStep
	for i := range 100 {
		steps = append(steps, g.step())
		switch i {
		case 20:
			steps = append(steps, modelStep{"write marked", func(s *side) (string, error) {
				return "", os.WriteFile(filepath.Join(s.root, "marked"), []byte("content"), 0o644)
			}})
		case 80:
			// A mount with a fault: it loses the last byte.
			steps = append(steps, modelStep{"truncate marked", func(s *side) (string, error) {
				size := int64(5)
				if s.mount {
					size--
				}
				err := os.Truncate(filepath.Join(s.root, "marked"), size)
				return "", err
			}})
		}
	}
	dir, runs := t.TempDir(), 0
	run := func(steps []modelStep) string {
		runs++
		a, b := fmt.Sprintf("%s/a%d", dir, runs), fmt.Sprintf("%s/b%d", dir, runs)
		return runModel(steps, a, b, a)
	}
	if what := run(steps); !strings.Contains(what, "marked") {
		t.Fatalf("found %q", what)
	}
	few := shrink(steps, time.Now().Add(time.Minute), func(s []modelStep) bool { return run(s) != "" })
	if len(few) != 2 || few[0].what != "write marked" || few[1].what != "truncate marked" {
		t.Errorf("%d steps are left: %v", len(few), few)
	}
	if what := run(g.steps(100)); what != "" {
		t.Errorf("two local directories differ: %s", what)
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

// sameTree tells the first difference between a tree and the local one, also in extended
// attributes with xattrs.
func sameTree(root, local, what string, xattrs bool) string {
	got, err := treeOf(root, xattrs)
	if err != nil {
		return fmt.Sprintf("%s: %v", what, err)
	}
	want, err := treeOf(local, xattrs)
	if err != nil {
		return err.Error()
	}
	for name, w := range want {
		if g, ok := got[name]; !ok {
			return fmt.Sprintf("%s lacks %q", what, name)
		} else if !bytes.Equal(g, w) {
			return fmt.Sprintf("%s has another %q (%d bytes, want %d): ...%q, want ...%q", what, name, len(g), len(w), g[max(0, len(g)-50):], w[max(0, len(w)-50):])
		}
	}
	for name := range got {
		if _, ok := want[name]; !ok {
			return fmt.Sprintf("%s has %q too many", what, name)
		}
	}
	return ""
}

// modelNow is later than all times that files are given, and earlier than when they are
// made.
var modelNow = time.Unix(1_600_000_000, 0)

// treeOf gives the content of each file, with its mode and, where it was set, its time.
func treeOf(root string, xattrs bool) (map[string][]byte, error) {
	tree := map[string][]byte{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		when := "of now"
		if info.ModTime().Before(modelNow) {
			when = info.ModTime().String()
		}
		switch {
		case d.IsDir():
			tree[rel] = fmt.Append(nil, info.Mode())
		case d.Type()&fs.ModeSymlink != 0:
			target, err := os.Readlink(path)
			tree[rel] = []byte("link " + target)
			return err
		default:
			b, err := os.ReadFile(path)
			tree[rel] = fmt.Append(b, "\n", info.Mode(), " ", when)
			if value := make([]byte, 1000); xattrs {
				if n, err := unix.Getxattr(path, modelXattr, value); err == nil {
					tree[rel] = append(tree[rel], value[:n]...)
				}
			}
			return err
		}
		return nil
	})
	return tree, err
}

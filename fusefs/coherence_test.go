package fusefs

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"testing"
	"time"

	"sshfs-bridge/e2e/testenv"
	"sshfs-bridge/fusefs/vfs"
)

// What each cache mode promises of changes that are made on the server behind our
// back: strict and off see them at the next look, default within its time, and an
// open sees the file's latest content in every mode.
func TestChangesOnTheServer(t *testing.T) {
	for _, mode := range cacheModes {
		t.Run(string(mode), func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			old := time.Now().Add(-time.Hour)
			put := func(name, content string, at time.Time) {
				t.Helper()
				must(t, os.WriteFile(dir+"/"+name, []byte(content), 0o644))
				must(t, os.Chtimes(dir+"/"+name, at, at))
			}
			for i := range 5 {
				put(fmt.Sprintf("f%d", i), "first", old)
			}
			o := fixed(mode)
			o.AttrTTL = 3 * time.Second
			m := mountDir(t, serveSpec{Dir: dir, Options: o})
			list := func() int {
				t.Helper()
				entries, err := os.ReadDir(m.mnt)
				must(t, err)
				return len(entries)
			}
			if n := list(); n != 5 {
				t.Fatalf("%d names", n)
			}
			wantFile(t, m.path("f0"), "first")
			if _, err := os.Stat(m.path("new")); !errors.Is(err, syscall.ENOENT) {
				t.Errorf("new: %v", err)
			}

			put("f0", "second, longer", old.Add(time.Minute))
			put("new", "new", old)
			must(t, os.Remove(dir+"/f1"))
			must(t, os.Remove(dir+"/f2"))
			must(t, os.Mkdir(dir+"/f2", 0o755))

			seen := func() error {
				st, err := os.Stat(m.path("f0"))
				if err != nil || st.Size() != 14 {
					return fmt.Errorf("f0: %v %v", st, err)
				}
				if _, err := os.Stat(m.path("new")); err != nil {
					return err
				}
				if _, err := os.Stat(m.path("f1")); !errors.Is(err, syscall.ENOENT) {
					return fmt.Errorf("f1: %v", err)
				}
				if st, err := os.Stat(m.path("f2")); err != nil || !st.IsDir() {
					return fmt.Errorf("f2: %v %v", st, err)
				}
				if n := list(); n != 5 {
					return fmt.Errorf("%d names", n)
				}
				wantFile(t, m.path("f0"), "second, longer")
				return nil
			}
			if mode != vfs.CacheDefault {
				must(t, seen())
				return
			}
			waitFor(t, "the changes", func() bool { return seen() == nil })
		})
	}
}

// An open sees what the server has, also while attributes are cached.
func TestOpenSeesTheLatest(t *testing.T) {
	for _, mode := range cacheModes {
		t.Run(string(mode), func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			m := mountDir(t, serveSpec{Dir: dir, Options: fixed(mode)})
			old := time.Now().Add(-time.Hour)
			write := func(i int) string {
				s := fmt.Sprintf("content number %d, of a size of its own%*s", i, i, "")
				must(t, os.WriteFile(dir+"/f", []byte(s), 0o644))
				must(t, os.Chtimes(dir+"/f", old, old.Add(time.Duration(i)*time.Second)))
				return s
			}
			want := write(0)
			wantFile(t, m.path("f"), want)
			time.Sleep(2100 * time.Millisecond) // real time: an open trusts attributes for two seconds
			for i := 1; i < 3; i++ {
				want = write(i)
				got := readFile(t, m.path("f"))
				if mode == vfs.CacheDefault && i > 1 && string(got) != want {
					// The latest open was less than two seconds ago.
					waitFor(t, "the latest content", func() bool { return string(readFile(t, m.path("f"))) == want })
					continue
				}
				if string(got) != want {
					t.Errorf("read %q, want %q", got, want)
				}
			}
		})
	}
}

// Two mounts of one remote: what one has closed, the other one opens.
func TestTwoMounts(t *testing.T) {
	for _, mode := range cacheModes {
		t.Run(string(mode), func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			o := fixed(mode)
			o.AttrTTL = time.Second
			a := mountDir(t, serveSpec{Dir: dir, Options: o})
			b := mountDir(t, serveSpec{Dir: dir, Options: o})
			see := func(what string, seen func() bool) {
				t.Helper()
				if mode == vfs.CacheDefault {
					waitFor(t, what, seen)
				} else if !seen() {
					t.Errorf("%s is not seen at once", what)
				}
			}
			for i := range 2 {
				want := fmt.Sprintf("round %d", i)
				must(t, os.WriteFile(a.path("f"), []byte(want), 0o644))
				see("the other mount", func() bool {
					got, err := os.ReadFile(b.path("f"))
					return err == nil && string(got) == want
				})
				must(t, os.Rename(b.path("f"), b.path("g")))
				see("the rename", func() bool {
					_, err := os.Stat(a.path("f"))
					return errors.Is(err, syscall.ENOENT)
				})
				must(t, os.Remove(a.path("g")))
				see("the removal", func() bool {
					_, err := os.Stat(b.path("g"))
					return errors.Is(err, syscall.ENOENT)
				})
			}
		})
	}
}

// A directory in use is looked at again in the background, and the kernel is made to
// forget what it knew: programs see what others changed before it is too old to be shown.
func TestKernelForgetsWhatChanged(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	old := time.Now().Add(-time.Hour)
	put := func(name, content string, at time.Time) {
		t.Helper()
		must(t, os.WriteFile(dir+"/"+name, []byte(content), 0o644))
		must(t, os.Chtimes(dir+"/"+name, at, at))
	}
	put("attr", "first", old)
	put("gone", "first", old)
	put("data", "first", old)
	o := fixed(vfs.CacheDefault)
	o.AttrTTL = 12 * time.Second
	m := mountDir(t, serveSpec{Dir: dir, Options: o})
	known := time.Now()
	_, err := os.ReadDir(m.mnt)
	must(t, err)
	held, err := os.Open(m.path("data"))
	must(t, err)
	defer held.Close()
	looks := map[string]func() bool{
		"the size of a file":  func() bool { st, err := os.Stat(m.path("attr")); return err == nil && st.Size() == 14 },
		"a new name":          func() bool { _, err := os.Stat(m.path("new")); return err == nil },
		"a name that is gone": func() bool { _, err := os.Stat(m.path("gone")); return errors.Is(err, syscall.ENOENT) },
		"the data of an open file": func() bool {
			// Whether it is still the file of that name is found out by a look at it.
			_, err := os.Stat(m.path("data"))
			must(t, err)
			b := make([]byte, 5)
			_, err = held.ReadAt(b, 0)
			return err == nil && string(b) == "later"
		},
	}
	for what, seen := range looks {
		if seen() {
			t.Errorf("%s is seen before it changed", what)
		}
	}
	put("attr", "second, longer", old.Add(time.Minute))
	put("new", "new", old)
	must(t, os.Remove(dir+"/gone"))
	put("data", "later", old.Add(time.Minute))
	for what, seen := range looks {
		if seen() {
			t.Errorf("%s is seen at once: the server is asked each time", what)
		}
	}
	// The kernel's own memory ends with the AttrTTL: well before that it was told.
	testenv.Poll(time.Until(known.Add(o.AttrTTL*5/6)), func() bool {
		for what, seen := range looks {
			if seen() {
				t.Logf("%s was seen after %v", what, time.Since(known))
				delete(looks, what)
			}
		}
		return len(looks) == 0
	})
	for what := range looks {
		t.Errorf("%s was not seen before all of it was asked for again", what)
	}
}

// Refresh shows the server's state at once.
func TestRefresh(t *testing.T) {
	dir := t.TempDir()
	m := mountDir(t, serveSpec{Dir: dir, Options: fixed(vfs.CacheDefault)})
	_, err := os.ReadDir(m.mnt)
	must(t, err)
	if _, err := os.Stat(m.path("f")); !os.IsNotExist(err) {
		t.Fatal(err)
	}
	must(t, os.WriteFile(dir+"/f", nil, 0o644))
	m.ask("refresh", nil)
	waitFor(t, "the new file", func() bool {
		_, err := os.Stat(m.path("f"))
		return err == nil
	})
}

package vfs

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"sshfs-bridge/e2e/testenv"
)

// The tests of this file run in virtual time: what may be how old is exact.

// view is what a user sees of a tree in which another program changes f0 (its
// content), f1 (removed), f2 (a directory now) and new (made).
type view struct{ f0, f1, f2, added, names string }

var (
	viewBefore = view{f0: "5 bytes", f1: "file", f2: "file", added: "absent", names: "[f0 f1 f2]"}
	viewAfter  = view{f0: "14 bytes", f1: "absent", f2: "dir", added: "file", names: "[f0 f2 new]"}
)

func (g *rig) setView() {
	for _, name := range []string{"f0", "f1", "f2"} {
		g.file(name, "first")
	}
}

func (g *rig) changeView() {
	g.t.Helper()
	g.file("f0", "second, longer")
	g.file("new", "first")
	g.must(os.Remove(filepath.Join(g.dir, "f1")))
	g.must(os.Remove(filepath.Join(g.dir, "f2")))
	g.must(os.Mkdir(filepath.Join(g.dir, "f2"), 0o755))
}

// look is what a program sees that looks at each name, and at the directory.
func (g *rig) look() view {
	g.t.Helper()
	kind := func(name string) string {
		n, err := g.Lookup(g.ctx, g.root, name)
		switch {
		case err == syscall.ENOENT:
			return "absent"
		case err != nil:
			g.t.Fatal(err)
		case n.Attr.Mode&modeType == modeDir:
			return "dir"
		}
		a, _, err := g.GetAttr(g.ctx, n.Ino)
		g.must(err)
		if name == "f0" {
			return fmt.Sprint(a.Size, " bytes")
		}
		return "file"
	}
	v := view{f0: kind("f0"), f1: kind("f1"), f2: kind("f2"), added: kind("new")}
	v.names = fmt.Sprint(g.list(g.root))
	return v
}

// bubble runs fn in virtual time, with a filesystem whose link has a delay.
func bubble(t *testing.T, o Options, fn func(g *rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		fn(newRig(t, o, testenv.CountOptions{Delay: 5 * time.Millisecond}))
	})
}

// strict and off see a change at the next look.
func TestFreshness_strictSeesChangesAtOnce(t *testing.T) {
	for _, mode := range []CacheMode{CacheStrict, CacheOff} {
		t.Run(string(mode), func(t *testing.T) {
			bubble(t, Options{Cache: mode}, func(g *rig) {
				g.setView()
				if got := g.look(); got != viewBefore {
					t.Fatalf("at first: %+v", got)
				}
				g.changeView()
				if got := g.look(); got != viewAfter {
					t.Errorf("after the change: %+v", got)
				}
			})
		})
	}
}

// default answers for AttrTTL from memory, asks nobody meanwhile, and is never
// older than that: neither itself nor by what it tells the kernel to remember.
func TestFreshness_defaultIsAsOldAsItsSetting(t *testing.T) {
	for _, ttl := range []time.Duration{3 * time.Second, 20 * time.Second, 5 * time.Minute} {
		t.Run(ttl.String(), func(t *testing.T) {
			bubble(t, Options{AttrTTL: ttl, NoBackgroundCheck: true}, func(g *rig) {
				g.setView()
				asked := time.Now()
				if got := g.look(); got != viewBefore {
					t.Fatalf("at first: %+v", got)
				}
				g.changeView()
				time.Sleep(ttl - 500*time.Millisecond)
				r := g.srv.Rounds(func() {
					if got := g.look(); got != viewBefore {
						t.Errorf("%v later, asking nobody: %+v", time.Since(asked), got)
					}
				})
				if r.Total() != 0 {
					t.Errorf("asked within the time: %v", r.Requests)
				}
				// The kernel's memory ends with ours.
				n, err := g.Lookup(g.ctx, g.root, "f0")
				g.must(err)
				gone, err := g.Lookup(g.ctx, g.root, "new")
				if err != syscall.ENOENT {
					t.Errorf("new: %v", err)
				}
				_, attrTTL, err := g.GetAttr(g.ctx, n.Ino)
				g.must(err)
				left := ttl - time.Since(asked) + 100*time.Millisecond // the first look took a while
				for what, d := range map[string]time.Duration{"name": n.EntryTTL, "attributes": n.AttrTTL, "stat": attrTTL, "absence": gone.EntryTTL} {
					if d <= 0 || d > left {
						t.Errorf("the kernel may keep the %s for %v, %v are left", what, d, left)
					}
				}
				time.Sleep(600 * time.Millisecond)
				if got := g.look(); got != viewAfter {
					t.Errorf("%v later: %+v", time.Since(asked), got)
				}
			})
		})
	}
}

// What is only guessed of a directory that was just made is no older than the rest.
func TestFreshness_ofWhatWasMade(t *testing.T) {
	bubble(t, Options{AttrTTL: time.Second, NoBackgroundCheck: true}, func(g *rig) {
		n, err := g.Mkdir(g.ctx, g.root, "d", 0o755)
		g.must(err)
		if n.AttrTTL <= 0 || n.AttrTTL > time.Second {
			t.Errorf("the kernel may keep the attributes for %v", n.AttrTTL)
		}
		g.must(os.Chmod(g.dir+"/d", 0o700))
		time.Sleep(1100 * time.Millisecond)
		a, _, err := g.GetAttr(g.ctx, n.Ino)
		g.must(err)
		if a.Mode&0o777 != 0o700 {
			t.Errorf("mode %o", a.Mode)
		}
	})
}

// An open sees the file as it is, unless it was looked at less than two seconds
// ago; in strict and off always.
func TestFreshness_openSeesTheContent(t *testing.T) {
	for _, mode := range []CacheMode{CacheDefault, CacheStrict, CacheOff} {
		t.Run(string(mode), func(t *testing.T) {
			bubble(t, Options{Cache: mode, AttrTTL: time.Hour, NoBackgroundCheck: true}, func(g *rig) {
				g.file("f", "first")
				open := func() string {
					n, err := g.Lookup(g.ctx, g.root, "f")
					g.must(err)
					o, err := g.Open(g.ctx, n.Ino, syscall.O_RDONLY)
					g.must(err)
					defer g.Release(o.FH)
					return string(g.readAll(o.FH, 100))
				}
				if got := open(); got != "first" {
					t.Fatalf("read %q", got)
				}
				g.file("f", "second")
				if got := open(); mode != CacheDefault && got != "second" {
					t.Errorf("at once: %q", got)
				}
				time.Sleep(openTTL)
				if got := open(); got != "second" {
					t.Errorf("after %v: %q", openTTL, got)
				}
			})
		})
	}
}

// kernelLog is a Kernel that notes what it must forget.
type kernelLog struct {
	mu  sync.Mutex
	log []string
}

func (k *kernelLog) note(what string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !slices.Contains(k.log, what) {
		k.log = append(k.log, what)
	}
}

func (k *kernelLog) sorted() []string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.Sorted(slices.Values(k.log))
}

func (k *kernelLog) InvalAttr(ino uint64)                  { k.note(fmt.Sprint("attributes of ", ino)) }
func (k *kernelLog) InvalData(ino uint64)                  { k.note(fmt.Sprint("data of ", ino)) }
func (k *kernelLog) InvalEntry(parent uint64, name string) { k.note("name " + name) }
func (k *kernelLog) Prune(inos []uint64) bool              { return true }

// A directory that was looked at is looked at again in the background, at half of
// the time, and the kernel is told what is no longer so; it ends when nobody has
// used the directory for a minute.
func TestFreshness_listingsInUseAreCheckedInTheBackground(t *testing.T) {
	bubble(t, Options{AttrTTL: 10 * time.Second}, func(g *rig) {
		k := &kernelLog{}
		g.SetKernel(k)
		g.setView()
		if got := g.look(); got != viewBefore {
			t.Fatalf("at first: %+v", got)
		}
		f0 := g.lookup(g.root, "f0")
		g.read(f0)
		g.changeView()
		// Half the time, and a second until somebody looks whether it is over.
		time.Sleep(7 * time.Second)
		r := g.srv.Rounds(func() {
			if got := g.look(); got != viewAfter {
				t.Errorf("after half the time: %+v", got)
			}
		})
		if r.Requests["readdir"]+r.Requests["lstat"] != 0 {
			t.Errorf("looking cost %v", r.Requests)
		}
		for _, want := range []string{"name f1", "name f2", "name new", fmt.Sprint("attributes of ", f0), fmt.Sprint("data of ", f0)} {
			if !slices.Contains(k.sorted(), want) {
				t.Errorf("the kernel was not told to forget the %s: %q", want, k.sorted())
			}
		}
		time.Sleep(checkFor + 10*time.Second)
		if r := g.srv.Rounds(func() { time.Sleep(5 * time.Minute) }); r.Total() != 0 {
			t.Errorf("in five minutes without a user: %v", r.Requests)
		}
	})
}

// Two mounts of one remote: what each shows of the other's changes is as old as
// what it shows of anybody's.
func TestFreshness_twoMounts(t *testing.T) {
	for _, mode := range []CacheMode{CacheDefault, CacheStrict, CacheOff} {
		t.Run(string(mode), func(t *testing.T) {
			bubble(t, Options{Cache: mode, NoBackgroundCheck: true}, func(a *rig) {
				b := *a
				b.FS = New(FromRemote(a.r), Options{Cache: mode, NoBackgroundCheck: true, UID: a.opts.UID, GID: a.opts.GID})
				defer b.FS.Close()
				a.list(a.root)
				b.list(b.root)
				pause := func() {
					if mode == CacheDefault {
						time.Sleep(20 * time.Second) // the default
					}
				}
				_, o, err := a.Create(a.ctx, a.root, "f", syscall.O_WRONLY, 0o644)
				a.must(err)
				a.must(a.Write(a.ctx, o.FH, []byte("by one"), 0, 0))
				a.must(a.Flush(a.ctx, o.FH))
				a.Release(o.FH)
				pause()
				if got := b.read(b.lookup(b.root, "f")); got != "by one" {
					t.Errorf("the other reads %q", got)
				}
				b.must(b.Rename(b.ctx, b.root, "f", b.root, "g", 0))
				pause()
				if _, err := a.Lookup(a.ctx, a.root, "f"); err != syscall.ENOENT {
					t.Errorf("the old name: %v", err)
				}
				if got := a.read(a.lookup(a.root, "g")); got != "by one" {
					t.Errorf("under the new name: %q", got)
				}
				a.must(a.Unlink(a.ctx, a.root, "g"))
				pause()
				if names := b.list(b.root); len(names) != 0 {
					t.Errorf("the other lists %q", names)
				}
			})
		})
	}
}

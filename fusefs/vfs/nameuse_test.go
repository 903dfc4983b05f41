package vfs

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"sshfs-bridge/e2e/testenv"
)

func (l *late) Rename(ctx context.Context, from, to string) error {
	err := l.Remote.Rename(ctx, from, to)
	l.wait("rename")
	return err
}

// lateRig is a rig with "f" and another file, and answers that can be held back.
func lateRig(g *rig) *late {
	g.file("f", "first")
	g.file("other", "another one's")
	l := &late{Remote: FromRemote(g.r)}
	g.FS.Close()
	g.FS = New(l, g.opts)
	g.list(g.root)
	return l
}

func (g *rig) start(fn func()) (done chan struct{}) {
	done = make(chan struct{})
	go func() {
		defer close(done)
		fn()
	}()
	synctest.Wait()
	time.Sleep(time.Second)
	return done
}

func ended(done chan struct{}) bool {
	select {
	case <-done:
		return true
	default:
		return false
	}
}

// A file that is being opened is not replaced meanwhile: what is opened is the file
// that was asked for.
func TestOpenAndRenameDoNotMeet(t *testing.T) {
	bubble(t, Options{NoBackgroundCheck: true}, func(g *rig) {
		l := lateRig(g)
		f := g.lookup(g.root, "f")
		release := l.holdNext("open")
		var o Opened
		var err error
		opened := g.start(func() { o, err = g.Open(g.ctx, f, syscall.O_RDONLY) })
		renamed := g.start(func() { g.must(g.Rename(g.ctx, g.root, "other", g.root, "f", 0)) })
		if ended(opened) || ended(renamed) || g.onServer("f") != "first" {
			t.Fatal("the rename did not wait for the open")
		}
		release()
		<-opened
		<-renamed
		g.must(err)
		if got := string(g.readAll(o.FH, 100)); got != "first" {
			t.Errorf("the open file has %q", got)
		}
		g.Release(o.FH)
		if got := g.read(g.lookup(g.root, "f")); got != "another one's" {
			t.Errorf("under the name is %q", got)
		}
	})
}

// While a file is being replaced, what the server tells under its name belongs to
// nobody: who asks waits, and the old file keeps its size.
func TestAnswersDuringARenameAreNobodys(t *testing.T) {
	for _, mode := range []CacheMode{CacheDefault, CacheStrict} {
		t.Run(string(mode), func(t *testing.T) {
			bubble(t, Options{Cache: mode, NoBackgroundCheck: true}, func(g *rig) {
				l := lateRig(g)
				f := g.lookup(g.root, "f")
				old, err := g.Open(g.ctx, f, syscall.O_RDONLY)
				g.must(err)
				release := l.holdNext("rename")
				renamed := g.start(func() { g.must(g.Rename(g.ctx, g.root, "other", g.root, "f", 0)) })
				if g.onServer("f") != "another one's" || ended(renamed) {
					t.Fatal("the rename's answer was not held")
				}
				g.Refresh()
				opened := g.start(func() { _, err = g.Open(g.ctx, f, syscall.O_RDONLY) })
				looked := g.start(func() {
					if n, err := g.Lookup(g.ctx, g.root, "f"); err != nil || n.Attr.Size != 13 {
						t.Errorf("looked up: %+v, %v", n, err)
					}
				})
				listed := g.start(func() { g.list(g.root) })
				release()
				<-renamed
				<-opened
				<-looked
				<-listed
				if !errors.Is(err, syscall.ESTALE) {
					t.Errorf("open of the replaced file: %v", err)
				}
				if a, _, err := g.GetAttr(g.ctx, f); err != nil || a.Size != 5 || a.Nlink != 0 {
					t.Errorf("the replaced file is %+v, %v", a, err)
				}
				if got := string(g.readAll(old.FH, 100)); got != "first" {
					t.Errorf("and has %q", got)
				}
				g.Release(old.FH)
				if got := g.list(g.root); len(got) != 1 || got[0] != "f" {
					t.Errorf("listed %q", got)
				}
			})
		})
	}
}

// A file that was opened from memory, without asking the server, is all there also
// when its name goes and memory forgets it.
func TestOpenedFromMemoryAndUnlinked(t *testing.T) {
	for what, remove := range map[string]func(g *rig) error{
		"unlink":      func(g *rig) error { return g.Unlink(g.ctx, g.root, "f") },
		"rename over": func(g *rig) error { return g.Rename(g.ctx, g.root, "other", g.root, "f", 0) },
	} {
		t.Run(what, func(t *testing.T) {
			bubble(t, Options{NoBackgroundCheck: true}, func(g *rig) {
				g.file("f", "content")
				g.file("other", "another one's")
				g.list(g.root)
				f := g.lookup(g.root, "f")
				g.read(f)
				var o Opened
				if r := g.srv.Rounds(func() {
					var err error
					o, err = g.Open(g.ctx, f, syscall.O_RDONLY)
					g.must(err)
				}); r.Total() != 0 {
					t.Fatalf("it was not opened from memory: %v", r.Requests)
				}
				g.must(remove(g))
				g.mu.Lock()
				g.spans.dropAll(g.nodes[f])
				g.mu.Unlock()
				if got := string(g.readAll(o.FH, 100)); got != "content" {
					t.Errorf("read %q", got)
				}
				g.Release(o.FH)
			})
		})
	}
}

// A file that somebody has open for writing, and does not write, is looked at again
// by an open like any other: after two seconds, at once in strict mode and by who
// appends.
func TestOpenBesideAnIdleWriter(t *testing.T) {
	for _, c := range []struct {
		name  string
		mode  CacheMode
		flags uint32
		after time.Duration
	}{
		{"read", CacheDefault, syscall.O_RDONLY, openTTL},
		{"write", CacheDefault, syscall.O_RDWR, openTTL},
		{"append", CacheDefault, syscall.O_WRONLY | syscall.O_APPEND, 0},
		{"read, strict", CacheStrict, syscall.O_RDONLY, 0},
		{"write, strict", CacheStrict, syscall.O_WRONLY, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, Options{Cache: c.mode, NoBackgroundCheck: true}, func(g *rig) {
				g.file("f", "first")
				f := g.lookup(g.root, "f")
				idle, err := g.Open(g.ctx, f, syscall.O_RDWR)
				g.must(err)
				defer g.Release(idle.FH)
				g.readAll(idle.FH, 5)
				g.file("f", "grown on the server")
				time.Sleep(c.after)
				o, err := g.Open(g.ctx, f, c.flags)
				g.must(err)
				if o.KeepCache {
					t.Error("the kernel keeps its pages")
				}
				if c.flags&syscall.O_APPEND != 0 {
					g.must(g.Write(g.ctx, o.FH, []byte("+"), 5, WriteAppend))
					g.must(g.Flush(g.ctx, o.FH))
					if got := g.onServer("f"); got != "grown on the server+" {
						t.Errorf("on the server: %q", got)
					}
				} else if got := string(g.readAll(idle.FH, 19)); got != "grown on the server" {
					t.Errorf("read %q", got)
				}
				g.Release(o.FH)
			})
		})
	}
}

// A file that others removed on the server is still what it was to who has it open.
func TestOpenFileRemovedOnTheServer(t *testing.T) {
	for _, mode := range []CacheMode{CacheDefault, CacheStrict, CacheOff} {
		t.Run(string(mode), func(t *testing.T) {
			bubble(t, Options{Cache: mode, NoBackgroundCheck: true}, func(g *rig) {
				g.file("f", "content")
				f := g.lookup(g.root, "f")
				o, err := g.Open(g.ctx, f, syscall.O_RDONLY)
				g.must(err)
				defer g.Release(o.FH)
				g.must(os.Remove(g.dir + "/f"))
				time.Sleep(time.Minute)
				for range 2 {
					if a, _, err := g.GetAttr(g.ctx, f); err != nil || a.Size != 7 {
						t.Errorf("%+v, %v", a, err)
					}
				}
				if got := string(g.readAll(o.FH, 7)); got != "content" {
					t.Errorf("read %q", got)
				}
				if _, err := g.Lookup(g.ctx, g.root, "f"); !errors.Is(err, fs.ErrNotExist) {
					t.Errorf("looked up: %v", err)
				}
			})
		})
	}
}

// An attribute that is set while the file's directory is being renamed follows it.
func TestXattrSetDuringARename(t *testing.T) {
	g := newRig(t, Options{NoBackgroundCheck: true}, testenv.CountOptions{})
	g.file("d/x", "content")
	x := g.lookup(g.lookup(g.root, "d"), "x")
	g.must(g.SetXattr(x, "user.a", []byte("a"), 0))
	for i := range 200 {
		from, to := "d", "e"
		if i%2 == 1 {
			from, to = to, from
		}
		renamed := make(chan struct{})
		go func() {
			defer close(renamed)
			g.must(g.Rename(g.ctx, g.root, from, g.root, to, 0))
		}()
		var value string
		for set := 0; set == 0 || !ended(renamed); set++ {
			value = fmt.Sprint("set ", set)
			g.must(g.SetXattr(x, "user.b", []byte(value), 0))
		}
		if got, err := g.GetXattr(x, "user.b"); err != nil || string(got) != value {
			t.Fatalf("%q, %v; set was %q", got, err, value)
		}
	}
}

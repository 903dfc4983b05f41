package vfs

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// late holds the server's answers back: they were true when they were given, and
// arrive when our own change is long done.
type late struct {
	Remote
	mu   sync.Mutex
	hold chan struct{} // nil: nothing is held
	op   string
}

func (l *late) holdNext(op string) (release func()) {
	c := make(chan struct{})
	l.mu.Lock()
	defer l.mu.Unlock()
	l.hold, l.op = c, op
	return func() { close(c) }
}

func (l *late) wait(op string) {
	l.mu.Lock()
	c := l.hold
	if op != l.op {
		c = nil
	} else {
		l.hold, l.op = nil, ""
	}
	l.mu.Unlock()
	if c != nil {
		<-c
	}
}

func (l *late) Lstat(ctx context.Context, path string) (Attrs, error) {
	a, err := l.Remote.Lstat(ctx, path)
	l.wait("lstat")
	return a, err
}

func (l *late) ReadDir(ctx context.Context, path string) ([]Entry, error) {
	e, err := l.Remote.ReadDir(ctx, path)
	l.wait("readdir")
	return e, err
}

func (l *late) Open(ctx context.Context, path string, flags OpenFlags, mode uint32) (File, Attrs, error) {
	f, a, err := l.Remote.Open(ctx, path, flags, mode)
	if flags == (OpenFlags{Read: true}) {
		l.wait("open")
	}
	if flags.Create {
		l.wait("create")
	}
	return f, a, err
}

// ownChanges are changes of our own, each with what must hold from then on,
// whatever answers of an earlier time arrive. They may leave an open file.
var ownChanges = map[string]struct {
	do   func(g *rig)
	want func(g *rig) string
}{
	"write": {func(g *rig) {
		o, err := g.Open(g.ctx, g.lookup(g.root, "f"), syscall.O_WRONLY)
		g.must(err)
		g.must(g.Write(g.ctx, o.FH, []byte("longer than it was"), 0, 0))
		g.must(g.Flush(g.ctx, o.FH))
		g.Release(o.FH)
	}, func(g *rig) string { return g.wantSize("f", 18) }},
	"write, not flushed": {func(g *rig) {
		o, err := g.Open(g.ctx, g.lookup(g.root, "f"), syscall.O_WRONLY)
		g.must(err)
		g.must(g.Write(g.ctx, o.FH, []byte("longer than it was"), 0, 0))
		g.t.Cleanup(func() { g.Release(o.FH) })
	}, func(g *rig) string { return g.wantSize("f", 18) }},
	"truncate": {func(g *rig) {
		size := uint64(1)
		_, _, err := g.SetAttrs(g.ctx, g.lookup(g.root, "f"), SetAttr{Size: &size})
		g.must(err)
	}, func(g *rig) string { return g.wantSize("f", 1) }},
	"chmod": {func(g *rig) {
		mode := uint32(0o751)
		_, _, err := g.SetAttrs(g.ctx, g.lookup(g.root, "f"), SetAttr{Mode: &mode})
		g.must(err)
	}, func(g *rig) string {
		return g.wantNode("f", func(a Attr) bool { return a.Mode&modePerm == 0o751 })
	}},
	"utimes": {func(g *rig) {
		at := time.Unix(1_500_000_000, 0)
		_, _, err := g.SetAttrs(g.ctx, g.lookup(g.root, "f"), SetAttr{Atime: &at, Mtime: &at})
		g.must(err)
	}, func(g *rig) string {
		return g.wantNode("f", func(a Attr) bool { return a.Mtime == 1_500_000_000 })
	}},
	"create": {func(g *rig) {
		_, o, err := g.Create(g.ctx, g.root, "new", syscall.O_WRONLY|syscall.O_EXCL, 0o644)
		g.must(err)
		g.Release(o.FH)
	}, func(g *rig) string { return g.wantSize("new", 0) }},
	"mkdir": {func(g *rig) {
		_, err := g.Mkdir(g.ctx, g.root, "new", 0o755)
		g.must(err)
	}, func(g *rig) string {
		return g.wantNode("new", func(a Attr) bool { return a.Mode&modeType == modeDir })
	}},
	"symlink": {func(g *rig) {
		_, err := g.Symlink(g.ctx, g.root, "new", "f")
		g.must(err)
	}, func(g *rig) string {
		return g.wantNode("new", func(a Attr) bool { return a.Mode&modeType == modeLink })
	}},
	"link": {func(g *rig) {
		_, err := g.Link(g.ctx, g.lookup(g.root, "f"), g.root, "new")
		g.must(err)
	}, func(g *rig) string { return g.wantSize("new", 5) }},
	"unlink": {func(g *rig) { g.must(g.Unlink(g.ctx, g.root, "f")) }, func(g *rig) string { return g.wantAbsent("f") }},
	"rmdir":  {func(g *rig) { g.must(g.Rmdir(g.ctx, g.root, "d")) }, func(g *rig) string { return g.wantAbsent("d") }},
	"rename away": {func(g *rig) { g.must(g.Rename(g.ctx, g.root, "f", g.root, "new", 0)) }, func(g *rig) string {
		return g.wantAbsent("f") + g.wantSize("new", 5)
	}},
	"rename over": {func(g *rig) { g.must(g.Rename(g.ctx, g.root, "other", g.root, "f", 0)) }, func(g *rig) string {
		return g.wantAbsent("other") + g.wantSize("f", 13)
	}},
	"unlink and make anew": {func(g *rig) {
		g.must(g.Unlink(g.ctx, g.root, "f"))
		_, err := g.Mkdir(g.ctx, g.root, "f", 0o755)
		g.must(err)
	}, func(g *rig) string {
		return g.wantNode("f", func(a Attr) bool { return a.Mode&modeType == modeDir })
	}},
}

func (g *rig) wantNode(name string, ok func(Attr) bool) string {
	n, err := g.Lookup(g.ctx, g.root, name)
	if err != nil {
		return fmt.Sprintf("%s: %v; ", name, err)
	}
	a, _, err := g.GetAttr(g.ctx, n.Ino)
	if err != nil || !ok(a) || !ok(n.Attr) {
		return fmt.Sprintf("%s is %+v, %+v, %v; ", name, n.Attr, a, err)
	}
	if !slices.Contains(g.list(g.root), name) {
		return name + " is not listed; "
	}
	return ""
}

func (g *rig) wantSize(name string, size uint64) string {
	return g.wantNode(name, func(a Attr) bool { return a.Size == size })
}

func (g *rig) wantAbsent(name string) string {
	if _, err := g.Lookup(g.ctx, g.root, name); !errors.Is(err, fs.ErrNotExist) {
		return fmt.Sprintf("%s: %v; ", name, err)
	}
	if slices.Contains(g.list(g.root), name) {
		return name + " is listed; "
	}
	return ""
}

// Attributes, names and listings never go back in time: an answer that was asked
// for before a change of our own says nothing of what we changed, whatever was asked.
func TestAttributesNeverGoBackInTime(t *testing.T) {
	asks := map[string]struct {
		op  string
		ask func(g *rig)
	}{
		"stat": {"lstat", func(g *rig) {
			n, err := g.Lookup(g.ctx, g.root, "f")
			if err == nil {
				g.GetAttr(g.ctx, n.Ino)
			}
		}},
		"stat of the new name": {"lstat", func(g *rig) { g.Lookup(g.ctx, g.root, "new") }},
		"list":                 {"readdir", func(g *rig) { g.list(g.root) }},
		"open": {"open", func(g *rig) {
			n, err := g.Lookup(g.ctx, g.root, "f")
			if err != nil {
				return
			}
			if o, err := g.Open(g.ctx, n.Ino, syscall.O_RDONLY); err == nil {
				g.Read(g.ctx, o.FH, make([]byte, 100), 0)
				g.Release(o.FH)
			}
		}},
	}
	for askName, ask := range asks {
		for changeName, change := range ownChanges {
			for _, mode := range []CacheMode{CacheDefault, CacheStrict} {
				t.Run(fmt.Sprintf("%s/%s/%s", askName, changeName, mode), func(t *testing.T) {
					bubble(t, Options{Cache: mode, NoBackgroundCheck: true}, func(g *rig) {
						g.file("f", "first")
						g.file("other", "another one's")
						g.must(os.Mkdir(filepath.Join(g.dir, "d"), 0o755))
						l := &late{Remote: FromRemote(g.r)}
						g.FS.Close()
						g.FS = New(l, g.opts)
						g.list(g.root)
						g.lookup(g.root, "f")
						g.lookup(g.root, "other")
						g.Refresh()
						release := l.holdNext(ask.op)
						done := make(chan struct{})
						go func() {
							defer close(done)
							ask.ask(g)
						}()
						synctest.Wait()
						time.Sleep(time.Second) // the answer is here, and held
						l.mu.Lock()
						held := l.hold == nil
						l.mu.Unlock()
						if !held {
							t.Fatalf("nothing asked the server by %s", ask.op)
						}
						changed := make(chan struct{})
						go func() {
							defer close(changed)
							change.do(g)
						}()
						// A change may have to wait for the answer, but never for ever.
						time.Sleep(time.Second)
						release()
						<-changed
						<-done
						if got := change.want(g); got != "" {
							t.Error("after the late answer: " + got)
						}
						time.Sleep(30 * time.Second) // longer than anything is trusted
						if got := change.want(g); got != "" {
							t.Error("later: " + got)
						}
					})
				})
			}
		}
	}
}

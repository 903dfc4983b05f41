package vfs

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"sshfs-bridge/e2e/testenv"
)

// idleUses are what a file that is open for writing, and was not written, goes through.
var idleUses = map[string]func(g *rig, f, fh uint64){
	"fsync": func(g *rig, _, fh uint64) { g.must(g.Fsync(g.ctx, fh)) },
	"link": func(g *rig, f, _ uint64) {
		_, err := g.Link(g.ctx, f, g.root, "l")
		g.must(err)
	},
	"refused copy": func(g *rig, _, fh uint64) {
		s, err := g.Open(g.ctx, g.lookup(g.root, "source"), syscall.O_RDONLY)
		g.must(err)
		defer g.Release(s.FH)
		if _, err := g.CopyRange(g.ctx, s.FH, 0, fh, 0, 6); !errors.Is(err, syscall.EOPNOTSUPP) {
			g.t.Fatalf("copy: %v", err)
		}
		g.must(g.Flush(g.ctx, fh))
	},
}

// What others made of a file is not undone by what concerns a writer that wrote nothing.
func TestIdleWriterBringsNothingBack(t *testing.T) {
	for what, use := range idleUses {
		t.Run(what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := newRig(t, Options{NoBackgroundCheck: true}, testenv.CountOptions{Without: []string{"copy-data"}})
				g.file("f", "first")
				g.file("source", "source")
				f := g.lookup(g.root, "f")
				o, err := g.Open(g.ctx, f, syscall.O_RDWR)
				g.must(err)
				defer g.Release(o.FH)
				g.file("f", "grown on the server")
				time.Sleep(time.Minute)
				want, _, err := g.GetAttr(g.ctx, f)
				g.must(err)
				use(g, f, o.FH)
				if a, _, err := g.GetAttr(g.ctx, f); err != nil || a.Size != want.Size || a.Mtime != want.Mtime {
					t.Errorf("%+v, %v; was %+v", a, err, want)
				}
			})
		})
	}
}

// Times that were set by name, after a rename, are not undone by an fsync.
func TestTimesByNameStay(t *testing.T) {
	bubble(t, Options{NoBackgroundCheck: true}, func(g *rig) {
		n, o, err := g.Create(g.ctx, g.root, "f", syscall.O_RDWR|syscall.O_EXCL, 0o644)
		g.must(err)
		defer g.Release(o.FH)
		g.must(g.Write(g.ctx, o.FH, []byte("content"), 0, 0))
		g.must(g.Flush(g.ctx, o.FH))
		g.must(g.Rename(g.ctx, g.root, "f", g.root, "g", 0))
		at := time.Unix(1_500_000_000, 0)
		_, _, err = g.SetAttrs(g.ctx, n.Ino, SetAttr{Atime: &at, Mtime: &at})
		g.must(err)
		g.must(g.Fsync(g.ctx, o.FH))
		if a, _, err := g.GetAttr(g.ctx, n.Ino); err != nil || a.Mtime != at.Unix() {
			t.Errorf("%+v, %v", a, err)
		}
	})
}

// The server's clock is learnt from what was just written and from nothing else: here
// that clock is years ahead, as the bubble's stands still in 2000.
func TestServersClock(t *testing.T) {
	for _, c := range []struct {
		what   string
		write  bool
		pause  time.Duration
		learnt bool
	}{
		{"written", true, 0, true},
		{"written a while ago", true, 2 * time.Second, false},
		{"not written", false, 0, false},
	} {
		t.Run(c.what, func(t *testing.T) {
			bubble(t, Options{NoBackgroundCheck: true}, func(g *rig) {
				g.file("f", "content")
				at := time.Now().Add(24 * time.Hour)
				g.must(os.Chtimes(filepath.Join(g.dir, "f"), at, at))
				o, err := g.Open(g.ctx, g.lookup(g.root, "f"), syscall.O_RDWR)
				g.must(err)
				defer g.Release(o.FH)
				if c.write {
					g.must(g.Write(g.ctx, o.FH, []byte("x"), 0, 0))
				}
				time.Sleep(c.pause)
				g.must(g.Fsync(g.ctx, o.FH))
				d, err := g.Mkdir(g.ctx, g.root, "d", 0o755)
				g.must(err)
				if learnt := time.Unix(d.Attr.Mtime, 0).Sub(time.Now()).Abs() > time.Minute; learnt != c.learnt {
					t.Errorf("a new directory is of %v, now is %v", time.Unix(d.Attr.Mtime, 0), time.Now())
				}
			})
		})
	}
}

package vfs

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"sshfs-bridge/e2e/testenv"
	"sshfs-bridge/fusefs/sftp"
)

// usesOfADirectory are what goes by names in the directory d, which has the file x.
var usesOfADirectory = map[string]struct {
	answer string // of the server, that is held back
	do     func(g *rig, d, x uint64) error
}{
	"list": {"readdir", func(g *rig, d, _ uint64) error {
		fh, err := g.OpenDir(g.ctx, d)
		if err == nil {
			g.Release(fh)
		}
		return err
	}},
	"look up": {"lstat", func(g *rig, d, _ uint64) error {
		_, err := g.Lookup(g.ctx, d, "y")
		return err
	}},
	"create": {"create", func(g *rig, d, _ uint64) error {
		_, o, err := g.Create(g.ctx, d, "new", syscall.O_WRONLY|syscall.O_EXCL, 0o644)
		if err == nil {
			g.Release(o.FH)
		}
		return err
	}},
	"mkdir": {"", func(g *rig, d, _ uint64) error {
		_, err := g.Mkdir(g.ctx, d, "new", 0o755)
		return err
	}},
	"symlink": {"", func(g *rig, d, _ uint64) error {
		_, err := g.Symlink(g.ctx, d, "new", "x")
		return err
	}},
	"link": {"", func(g *rig, d, x uint64) error {
		_, err := g.Link(g.ctx, x, d, "new")
		return err
	}},
	"rename": {"", func(g *rig, d, _ uint64) error { return g.Rename(g.ctx, d, "x", d, "new", 0) }},
	"unlink": {"", func(g *rig, d, _ uint64) error { return g.Unlink(g.ctx, d, "y") }},
	"chmod": {"", func(g *rig, _, x uint64) error {
		mode := uint32(0o600)
		_, _, err := g.SetAttrs(g.ctx, x, SetAttr{Mode: &mode})
		return err
	}},
}

// A directory that is being renamed is used as if the rename had been before or after
// it, from either side: it never fails, and the directory never seems to be gone.
func TestDirectoryUsedWhileRenamed(t *testing.T) {
	for what, use := range usesOfADirectory {
		for _, first := range []string{"rename", use.answer} {
			if first == "" {
				continue
			}
			t.Run(what+", "+first+" first", func(t *testing.T) {
				bubble(t, Options{NoBackgroundCheck: true, NoPrefetch: true}, func(g *rig) {
					g.file("d/x", "first")
					g.file("d/y", "second")
					l := lateRig(g)
					d := g.lookup(g.root, "d")
					x := g.lookup(d, "x")
					var rerr, uerr error
					rename := func() { rerr = g.Rename(g.ctx, g.root, "d", g.root, "e", 0) }
					useIt := func() { uerr = use.do(g, d, x) }
					if first != "rename" {
						rename, useIt = useIt, rename
					}
					release := l.holdNext(first)
					a := g.start(rename)
					b := g.start(useIt)
					if ended(a) || ended(b) {
						t.Error("the second did not wait for the first")
					}
					release()
					<-a
					<-b
					if rerr != nil || uerr != nil {
						t.Errorf("rename: %v; %s: %v", rerr, what, uerr)
					}
					if a, _, err := g.GetAttr(g.ctx, d); err != nil || a.Nlink == 0 {
						t.Errorf("the directory is %+v, %v", a, err)
					}
					if got := g.read(x); got != "first" {
						t.Errorf("the file in it has %q", got)
					}
				})
			})
		}
	}
}

// A directory is replaced by another one where it is empty, also by a server that
// replaces none; one that is not empty stays.
func TestRenameOverADirectory(t *testing.T) {
	g := newRig(t, Options{NoBackgroundCheck: true}, testenv.CountOptions{})
	g.file("full/x", "content")
	g.file("moved/y", "content")
	g.must(os.Mkdir(filepath.Join(g.dir, "empty"), 0o755))
	g.list(g.root)
	_, remove := g.srv.Inject(testenv.Fault{Kind: testenv.FaultStatus, Op: "posix-rename", Times: 1, Status: sftp.StatusFailure})
	defer remove()
	g.must(g.Rename(g.ctx, g.root, "moved", g.root, "empty", 0))
	if err := g.Rename(g.ctx, g.root, "empty", g.root, "full", 0); err != syscall.ENOTEMPTY {
		t.Errorf("upon a directory that is not empty: %v", err)
	}
	g.wantServer("empty", "empty/y", "full", "full/x")
}

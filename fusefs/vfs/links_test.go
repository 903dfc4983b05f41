package vfs

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"sshfs-bridge/e2e/testenv"
)

// A share shows links as the files that a Mac takes for links, and makes links of
// such files: removing one never touches what it leads to.
func TestXSymLinks(t *testing.T) {
	g := newRig(t, Options{Symlinks: SymlinksXSym}, testenv.CountOptions{})
	g.file("dir/target", "the target")
	g.must(os.Symlink("dir/target", filepath.Join(g.dir, "link")))
	g.must(os.Symlink(filepath.Join(g.dir, "dir"), filepath.Join(g.dir, "dir/abs")))
	g.must(os.Symlink("/etc/passwd", filepath.Join(g.dir, "out")))
	g.list(g.root)

	ino := g.lookup(g.root, "link")
	a, _, err := g.GetAttr(g.ctx, ino)
	g.must(err)
	if a.Mode&modeType != modeRegular || a.Size != xsymSize {
		t.Errorf("shown as %o, %d bytes", a.Mode, a.Size)
	}
	for name, want := range map[string]string{"link": "dir/target", "out": "/etc/passwd"} {
		if got, ok := decodeXSym([]byte(g.read(g.lookup(g.root, name)))); !ok || got != want {
			t.Errorf("%s leads to %q, want %q", name, got, want)
		}
	}
	if got, ok := decodeXSym([]byte(g.read(g.lookup(g.lookup(g.root, "dir"), "abs")))); !ok || got != "../dir" {
		t.Errorf("an absolute target in the tree is %q", got)
	}
	if _, err := g.Open(g.ctx, ino, syscall.O_RDWR); err != syscall.EACCES {
		t.Errorf("open for writing: %v", err)
	}
	g.must(g.Unlink(g.ctx, g.root, "link"))
	if g.onServer("dir/target") != "the target" {
		t.Error("the target is gone")
	}

	// As a Mac makes one: a file, written, closed, and renamed.
	n, o, err := g.Create(g.ctx, g.root, "made", syscall.O_RDWR|syscall.O_EXCL, 0o644)
	g.must(err)
	g.must(g.Write(g.ctx, o.FH, encodeXSym("dir/target"), 0, 0))
	g.must(g.Flush(g.ctx, o.FH))
	g.Release(o.FH)
	if target, err := os.Readlink(filepath.Join(g.dir, "made")); err != nil || target != "dir/target" {
		t.Errorf("on the server: %q, %v", target, err)
	}
	a, _, err = g.GetAttr(g.ctx, n.Ino)
	g.must(err)
	if a.Size != xsymSize || a.Mode&modeType != modeRegular {
		t.Errorf("shown as %o, %d bytes", a.Mode, a.Size)
	}
	g.must(g.Rename(g.ctx, g.root, "made", g.root, "renamed", 0))
	if got, ok := decodeXSym([]byte(g.read(g.lookup(g.root, "renamed")))); !ok || got != "dir/target" {
		t.Errorf("leads to %q", got)
	}
}

// A resolved link shows its target inside the tree, found step by step on the
// server, and what is below it is not removed through it.
func TestResolvedLinks(t *testing.T) {
	g := newRig(t, Options{Symlinks: SymlinksResolve}, testenv.CountOptions{})
	g.file("dir/sub/file", "content")
	for name, target := range map[string]string{
		"inside": "dir/sub", "abs": filepath.Join(g.dir, "dir/sub/file"), "chain": "inside/file",
		"out": "/etc", "up": "../..", "loop": "loop", "dangling": "nowhere", "dir/self": "..", "tricky": "inside/../file",
	} {
		g.must(os.Symlink(target, filepath.Join(g.dir, name)))
	}
	for name, want := range map[string]uint32{
		"inside": modeDir, "abs": modeRegular, "chain": modeRegular,
		"out": modeLink, "up": modeLink, "loop": modeLink, "dangling": modeLink,
		"tricky": modeLink, // dir/file, which does not exist; by text it would be file
	} {
		n, err := g.Lookup(g.ctx, g.root, name)
		g.must(err)
		if n.Attr.Mode&modeType != want {
			t.Errorf("%s is shown as %o", name, n.Attr.Mode)
		}
	}
	if got := g.read(g.lookup(g.root, "chain")); got != "content" {
		t.Errorf("read %q", got)
	}
	inside := g.lookup(g.root, "inside")
	if names := g.list(inside); len(names) != 1 {
		t.Errorf("listed %q", names)
	}
	if err := g.Unlink(g.ctx, inside, "file"); err != syscall.EPERM {
		t.Errorf("unlink below a link: %v", err)
	}
	if err := g.Rename(g.ctx, inside, "file", g.root, "moved", 0); err != syscall.EPERM {
		t.Errorf("rename below a link: %v", err)
	}
	g.must(g.Unlink(g.ctx, g.root, "abs"))
	g.missing("abs")
	if g.onServer("dir/sub/file") != "content" {
		t.Error("the target is gone")
	}
}

package vfs

import (
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"sshfs-bridge/e2e/testenv"
)

// tagged is what a Mac does to a file that it shows: mode, times and a tag.
func (g *rig) tagged(ino uint64, at time.Time) {
	g.t.Helper()
	mode := uint32(0o600)
	_, _, err := g.SetAttrs(g.ctx, ino, SetAttr{Mode: &mode})
	g.must(err)
	_, _, err = g.SetAttrs(g.ctx, ino, SetAttr{Atime: &at, Mtime: &at})
	g.must(err)
	g.must(g.SetXattr(ino, "user.tag", []byte("red"), 0))
}

// wantTags fails the test where the name has other tags.
func (g *rig) wantTags(name string, want ...string) {
	g.t.Helper()
	if got, err := g.ListXattr(g.lookup(g.root, name)); err != nil || !slices.Equal(got, want) {
		g.t.Errorf("%q has %q, %v, want %q", name, got, err, want)
	}
}

// What a Mac does to a link is done to the link, and never to what it leads to.
func TestChangesOfALinkStayThere(t *testing.T) {
	g := newRig(t, Options{Symlinks: SymlinksXSym, NoBackgroundCheck: true}, testenv.CountOptions{})
	g.file("target", "the target")
	g.must(os.Mkdir(filepath.Join(g.dir, "folder"), 0o755))
	links := map[string]string{"link": "target", "folderlink": "folder", "dangling": "nowhere"}
	for name, target := range links {
		g.must(os.Symlink(target, filepath.Join(g.dir, name)))
	}
	for name, target := range links {
		before, _ := os.Stat(filepath.Join(g.dir, target))
		ino := g.lookup(g.root, name)
		at := time.Unix(1_500_000_000, 0)
		g.tagged(ino, at)
		size := uint64(0)
		if _, _, err := g.SetAttrs(g.ctx, ino, SetAttr{Size: &size}); err != syscall.EINVAL {
			t.Errorf("%s: truncation: %v", name, err)
		}
		if fi, err := os.Lstat(filepath.Join(g.dir, name)); err != nil || !fi.ModTime().Equal(at) {
			t.Errorf("%s is of %v, %v", name, fi.ModTime(), err)
		}
		g.must(g.Rename(g.ctx, g.root, name, g.root, name+" renamed", 0))
		g.wantTags(name+" renamed", "user.tag")
		if to, err := os.Readlink(filepath.Join(g.dir, name+" renamed")); err != nil || to != target {
			t.Errorf("%s leads to %q, %v", name, to, err)
		}
		g.must(g.Unlink(g.ctx, g.root, name+" renamed"))
		g.make(g.root, name+" renamed", "new")
		g.wantTags(name + " renamed")
		if before == nil {
			g.missing(target)
			continue
		}
		after, err := os.Stat(filepath.Join(g.dir, target))
		g.must(err)
		if after.Mode() != before.Mode() || !after.ModTime().Equal(before.ModTime()) {
			t.Errorf("%s was %v of %v, and is %v of %v", target, before.Mode(), before.ModTime(), after.Mode(), after.ModTime())
		}
		g.wantTags(target)
	}
	if got := g.onServer("target"); got != "the target" {
		t.Errorf("the target is %q", got)
	}
}

// A file whose name a Mac sees in another form is changed, renamed and removed on the
// server under its own name, and keeps what is kept of it here.
func TestMappedNamesKeepTheirMetadata(t *testing.T) {
	for _, name := range []string{"caf\xe9", "dot.", "space ", "caf%E9", "\uf022", nfdName} {
		g := newRig(t, Options{SMBNames: true, NoBackgroundCheck: true}, testenv.CountOptions{})
		g.file(name, "content")
		g.file("x"+name, "another")
		shown := g.names.show(name)
		at := time.Unix(1_500_000_000, 0)
		g.tagged(g.lookup(g.root, shown), at)
		fi, err := os.Stat(filepath.Join(g.dir, name))
		if err != nil || fi.Mode().Perm() != 0o600 || !fi.ModTime().Equal(at) {
			t.Errorf("%q: %v, %v", name, fi, err)
		}
		over := g.names.show("x" + name)
		g.must(g.Rename(g.ctx, g.root, shown, g.root, over, 0))
		g.wantServer("x" + name)
		g.wantTags(over, "user.tag")
		if got := g.onServer("x" + name); got != "content" {
			t.Errorf("%q is %q", "x"+name, got)
		}
		g.must(g.Unlink(g.ctx, g.root, over))
		g.wantServer()
		g.make(g.root, over, "new")
		g.wantTags(over)
		g.wantServer("x" + name)
	}
}

// A Mac's own file that becomes an ordinary one, by its name or by what is written into
// it, keeps its attributes.
func TestAttributesFollowToTheServer(t *testing.T) {
	g := newLocalRig(t, "", Options{NoBackgroundCheck: true}, testenv.CountOptions{})
	g.file("plain", "another's")
	g.list(g.root)
	g.must(g.SetXattr(g.lookup(g.root, "plain"), "user.old", nil, 0))
	for _, name := range []string{".DS_Store", "._text"} {
		g.must(g.SetXattr(g.make(g.root, name, appleDoubleHead), "user.tag", []byte("red"), 0))
	}
	g.must(g.Rename(g.ctx, g.root, ".DS_Store", g.root, "plain", 0))
	o, err := g.Open(g.ctx, g.lookup(g.root, "._text"), syscall.O_WRONLY|syscall.O_TRUNC)
	g.must(err)
	g.must(g.Write(g.ctx, o.FH, []byte("text"), 0, 0))
	g.must(g.Flush(g.ctx, o.FH))
	g.Release(o.FH)
	g.wantServer("._text", "plain")
	for _, name := range []string{"._text", "plain"} {
		g.wantTags(name, "user.tag")
		if v, err := g.GetXattr(g.lookup(g.root, name), "user.tag"); err != nil || string(v) != "red" {
			t.Errorf("%s: %q, %v", name, v, err)
		}
	}
	g.absent(g.root, ".DS_Store")
}

// An attribute that is removed is gone, and one that is not there is not removed.
func TestRemovedAttribute(t *testing.T) {
	g := newRig(t, Options{NoBackgroundCheck: true}, testenv.CountOptions{})
	g.file("f", "content")
	f := g.lookup(g.root, "f")
	g.must(g.SetXattr(f, "user.tag", []byte("red"), 0))
	g.must(g.SetXattr(f, "user.other", nil, 0))
	g.must(g.RemoveXattr(f, "user.tag"))
	g.wantTags("f", "user.other")
	if err := g.RemoveXattr(f, "user.tag"); err != syscall.ENODATA {
		t.Errorf("again: %v", err)
	}
}

// What is made is shown at once as the server has it, also in a directory that hands its
// group on.
func TestMadeInASetgidDirectory(t *testing.T) {
	g := newRig(t, Options{NoBackgroundCheck: true}, testenv.CountOptions{})
	g.must(os.Mkdir(filepath.Join(g.dir, "d"), 0o755))
	g.must(os.Chmod(filepath.Join(g.dir, "d"), 0o755|os.ModeSetgid))
	d := g.lookup(g.root, "d")
	made, err := g.Mkdir(g.ctx, d, "sub", 0o755)
	g.must(err)
	g.Refresh()
	a, _, err := g.GetAttr(g.ctx, made.Ino)
	g.must(err)
	if made.Attr.Mode != a.Mode || a.Mode&syscall.S_ISGID == 0 {
		t.Errorf("shown as %o, and is %o", made.Attr.Mode, a.Mode)
	}
}

package vfs

import (
	"slices"
	"syscall"
	"testing"

	"sshfs-bridge/e2e/testenv"
)

// Names move between here and the server as between two disks, but for what a
// program would not expect.
func TestLocalRenames(t *testing.T) {
	g := newLocalRig(t, "", Options{}, testenv.CountOptions{})
	g.file("a", "user's")
	g.file("d/x", "in d")
	g.list(g.root)
	d := g.lookup(g.root, "d")
	g.list(d)
	g.make(g.root, "._a", appleDoubleHead)
	g.make(g.root, ".DS_Store", "Bud1")
	a := g.lookup(g.root, "a")
	g.must(g.SetXattr(a, "user.tag", []byte("red"), 0))

	if err := g.Rename(g.ctx, g.root, "a", g.root, ".DS_Store", 0); err != syscall.EXDEV {
		t.Errorf("a file of the server into a local name: %v", err)
	}
	if err := g.Rename(g.ctx, g.root, "a", g.root, ".Trashes", 0); err != syscall.EACCES {
		t.Errorf("into the trash: %v", err)
	}
	if err := g.Rename(g.ctx, g.root, ".DS_Store", g.root, "a", RenameNoReplace); err != syscall.EEXIST {
		t.Errorf("upon a file that shall stay: %v", err)
	}
	// Out of the store: on the server, synced, when it returns.
	got := g.srv.Rounds(func() { g.must(g.Rename(g.ctx, g.root, ".DS_Store", d, "saved", 0)) })
	if got.Requests["fsync"] != 1 {
		t.Errorf("not synced: %v", got.Requests)
	}
	if s := g.onServer("d/saved"); s != "Bud1" {
		t.Errorf("uploaded %q", s)
	}
	if s := g.read(g.lookup(d, "saved")); s != "Bud1" {
		t.Errorf("read %q", s)
	}
	g.absent(g.root, ".DS_Store")
	// Onto "._x" from the server: ordinary, and what was local there is gone.
	g.make(g.root, "staged", "rsync's")
	g.must(g.Rename(g.ctx, g.root, "staged", g.root, "._a", 0))
	if s := g.onServer("._a"); s != "rsync's" {
		t.Errorf("on the server: %q", s)
	}
	if s := g.read(g.lookup(g.root, "._a")); s != "rsync's" {
		t.Errorf("here: %q", s)
	}
	// A local one replaces what is on the server.
	g.make(g.root, "._b", appleDoubleHead)
	g.must(g.Rename(g.ctx, g.root, "._b", g.root, "._a", 0))
	g.missing("._a")
	if s := g.read(g.lookup(g.root, "._a")); s != appleDoubleHead {
		t.Errorf("here: %q", s)
	}
	// A directory takes what is in it along; the attributes follow their file.
	g.make(d, ".DS_Store", "view")
	g.make(d, "._x", appleDoubleHead+"fork")
	g.must(g.SetXattr(g.lookup(d, "x"), "user.tag", []byte("blue"), 0))
	g.must(g.Rename(g.ctx, g.root, "d", g.root, "e", 0))
	e := g.lookup(g.root, "e")
	if names := g.list(e); !slices.Equal(names, []string{".DS_Store", "saved", "x"}) {
		t.Errorf("listed: %q", names)
	}
	if v, err := g.GetXattr(g.lookup(e, "x"), "user.tag"); err != nil || string(v) != "blue" {
		t.Errorf("attribute: %q, %v", v, err)
	}
	if s := g.read(g.lookup(e, "._x")); s != appleDoubleHead+"fork" {
		t.Errorf("read %q", s)
	}
	// With the file goes all that was kept of it.
	g.must(g.Unlink(g.ctx, g.root, "a"))
	a = g.make(g.root, "a", "another")
	if names, err := g.ListXattr(a); err != nil || len(names) > 0 {
		t.Errorf("another file of that name has %q, %v", names, err)
	}
	g.wantServer("a", "e", "e/saved", "e/x")
}

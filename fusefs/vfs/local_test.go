package vfs

import (
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"sshfs-bridge/e2e/testenv"
	"sshfs-bridge/fusefs/vfs/localmeta"
)

const appleDoubleHead = "\x00\x05\x16\x07\x00\x02\x00\x00Mac OS X        "

func newLocalRig(t *testing.T, dir string, o Options, c testenv.CountOptions) *rig {
	t.Helper()
	o.LocalNames, o.Symlinks = true, SymlinksXSym
	if dir != "" {
		f, err := localmeta.OpenFiles(dir)
		if err != nil {
			t.Fatal(err)
		}
		if o.Local, err = localmeta.Open(localmeta.Options{Files: f}); err != nil {
			t.Fatal(err)
		}
	}
	return newRig(t, o, c)
}

// make creates a file, writes to it and closes it, as the kernel does.
func (g *rig) make(parent uint64, name, content string) uint64 {
	g.t.Helper()
	n, o, err := g.Create(g.ctx, parent, name, syscall.O_RDWR, 0o644)
	g.must(err)
	if content != "" {
		g.must(g.Write(g.ctx, o.FH, []byte(content), 0, 0))
	}
	g.must(g.Flush(g.ctx, o.FH))
	g.Release(o.FH)
	return n.Ino
}

// server lists all that is on the server.
func (g *rig) server() []string {
	g.t.Helper()
	var all []string
	g.must(filepath.WalkDir(g.dir, func(p string, _ fs.DirEntry, err error) error {
		if p != g.dir {
			all = append(all, strings.TrimPrefix(p, g.dir+"/"))
		}
		return err
	}))
	return all
}

func (g *rig) wantServer(want ...string) {
	g.t.Helper()
	if got := g.server(); !slices.Equal(got, want) {
		g.t.Errorf("on the server are %q, want %q", got, want)
	}
}

func (g *rig) absent(parent uint64, name string) {
	g.t.Helper()
	if _, err := g.Lookup(g.ctx, parent, name); err != syscall.ENOENT {
		g.t.Errorf("lookup of %s: %v", name, err)
	}
}

// What a Mac does with its own files costs no round trip, and none of it reaches
// the server.
func TestLocalNamesCostNothing(t *testing.T) {
	g := newLocalRig(t, "", Options{}, testenv.CountOptions{})
	g.file("a", "user's")
	g.list(g.root)
	got := g.srv.Rounds(func() {
		g.absent(g.root, ".DS_Store")
		g.absent(g.root, "._a")
		ds := g.make(g.root, ".DS_Store", "Bud1")
		fork := g.make(g.root, "._a", appleDoubleHead)
		for ino, want := range map[uint64]string{ds: "Bud1", fork: appleDoubleHead} {
			if got := g.read(ino); got != want {
				t.Errorf("read %q, want %q", got, want)
			}
		}
		if ino := g.lookup(g.root, ".DS_Store"); ino != ds {
			t.Errorf("number %d became %d", ds, ino)
		}
		spot, err := g.Mkdir(g.ctx, g.root, ".Spotlight-V100", 0o700)
		g.must(err)
		g.make(spot.Ino, "Store.db", "index")
		if names := g.list(spot.Ino); !slices.Equal(names, []string{"Store.db"}) {
			t.Errorf("in .Spotlight-V100: %q", names)
		}
		a := g.lookup(g.root, "a")
		g.must(g.SetXattr(a, "user.com.apple.FinderInfo", []byte("tag"), 0))
		if v, err := g.GetXattr(a, "user.com.apple.FinderInfo"); err != nil || string(v) != "tag" {
			t.Errorf("attribute: %q, %v", v, err)
		}
		if _, err := g.Mkdir(g.ctx, g.root, ".Trashes", 0o700); err != syscall.EACCES {
			t.Errorf("mkdir .Trashes: %v", err)
		}
		if names := g.list(g.root); !slices.Equal(names, []string{".DS_Store", ".Spotlight-V100", "a"}) {
			t.Errorf("listed beside its file: %q", names)
		}
		g.must(g.Rename(g.ctx, g.root, "._a", g.root, "._b", 0))
		g.must(g.Unlink(g.ctx, g.root, ".DS_Store"))
		g.absent(g.root, ".DS_Store")
		if err := g.Rmdir(g.ctx, g.root, ".Spotlight-V100"); err != syscall.ENOTEMPTY {
			t.Errorf("rmdir of a local directory with a file in it: %v", err)
		}
		g.must(g.Unlink(g.ctx, spot.Ino, "Store.db"))
		g.must(g.Rmdir(g.ctx, g.root, ".Spotlight-V100"))
		if names := g.list(g.root); !slices.Equal(names, []string{"._b", "a"}) {
			t.Errorf("listed: %q", names)
		}
	})
	delete(got.Requests, "close") // of the listing: nobody waits for it
	if len(got.Requests) > 0 {
		t.Errorf("requests: %v", got.Requests)
	}
	g.wantServer("a")
}

// What does not begin as AppleDouble does is the user's.
func TestOrdinaryFilesOnServer(t *testing.T) {
	g := newLocalRig(t, "", Options{}, testenv.CountOptions{})
	g.list(g.root)
	g.make(g.root, "._text", "only text")
	g.make(g.root, "._short", "\x00\x05")
	g.make(g.root, "._empty", "")
	g.make(g.root, "._foo.AbC123", "what rsync stages")
	tmp, err := g.Mkdir(g.ctx, g.root, ".TemporaryItems", 0o700)
	g.must(err)
	g.make(tmp.Ino, "staged", "x")
	if _, err := g.Mknod(g.ctx, g.root, "._node", 0o100644); err != nil {
		t.Error(err)
	}
	_, err = g.Mkdir(g.ctx, g.root, "._dir", 0o755)
	g.must(err)

	// Byte by byte, backwards, and grown first.
	_, o, err := g.Create(g.ctx, g.root, "._bytes", syscall.O_RDWR, 0o644)
	g.must(err)
	for i, b := range []byte("\x00\x05\x16x") {
		g.must(g.Write(g.ctx, o.FH, []byte{b}, int64(i), 0))
	}
	g.must(g.Flush(g.ctx, o.FH))
	g.Release(o.FH)
	_, o, err = g.Create(g.ctx, g.root, "._back", syscall.O_RDWR, 0o644)
	g.must(err)
	g.must(g.Write(g.ctx, o.FH, []byte("end"), 10, 0))
	g.must(g.Write(g.ctx, o.FH, []byte("start"), 0, 0))
	if got := string(g.readAll(o.FH, 13)); got != "start\x00\x00\x00\x00\x00end" {
		t.Errorf("read back %q", got)
	}
	g.must(g.Flush(g.ctx, o.FH))
	g.Release(o.FH)

	// Written again in part, before anything is decided.
	_, o, err = g.Create(g.ctx, g.root, "._again", syscall.O_RDWR, 0o644)
	g.must(err)
	g.must(g.Write(g.ctx, o.FH, []byte("\x00\x05\x16"), 0, 0))
	g.must(g.Write(g.ctx, o.FH, []byte("\x00"), 0, 0))
	g.must(g.Flush(g.ctx, o.FH))
	g.Release(o.FH)

	for name, want := range map[string]string{
		"._text": "only text", "._short": "\x00\x05", "._empty": "", "._foo.AbC123": "what rsync stages",
		"._node": "", "._again": "\x00\x05\x16", "._bytes": "\x00\x05\x16x", "._back": "start\x00\x00\x00\x00\x00end", ".TemporaryItems/staged": "x",
	} {
		if got := g.onServer(name); got != want {
			t.Errorf("%s on the server: %q, want %q", name, got, want)
		}
	}
	if got := g.read(g.lookup(g.root, "._text")); got != "only text" {
		t.Errorf("here: %q", got)
	}
	// AppleDouble that comes in small pieces, into a size that was set first.
	n, o, err := g.Create(g.ctx, g.root, "._double", syscall.O_RDWR, 0o644)
	g.must(err)
	size := uint64(100)
	_, _, err = g.SetAttrs(g.ctx, n.Ino, SetAttr{Size: &size, FH: o.FH})
	g.must(err)
	for i, b := range []byte(appleDoubleHead) {
		g.must(g.Write(g.ctx, o.FH, []byte{b}, int64(i), 0))
	}
	g.must(g.Flush(g.ctx, o.FH))
	g.Release(o.FH)
	if got := g.read(n.Ino); got != appleDoubleHead+strings.Repeat("\x00", 100-len(appleDoubleHead)) {
		t.Errorf("read %q", got)
	}
	g.missing("._double")
	// Emptied and written anew it is what it is then.
	_, o, err = g.Create(g.ctx, g.root, "._double", syscall.O_WRONLY|syscall.O_TRUNC, 0o644)
	g.must(err)
	g.must(g.Write(g.ctx, o.FH, []byte("now text"), 0, 0))
	g.must(g.Flush(g.ctx, o.FH))
	g.Release(o.FH)
	if got := g.onServer("._double"); got != "now text" {
		t.Errorf("on the server: %q", got)
	}
	if used, _ := g.local.Usage(); used != 0 {
		t.Errorf("%d bytes are left in the store", used)
	}
}

// A directory with nothing but a Mac's files in it is empty.
func TestLocalOnlyDirectoryIsRemoved(t *testing.T) {
	g := newLocalRig(t, "", Options{}, testenv.CountOptions{})
	d, err := g.Mkdir(g.ctx, g.root, "d", 0o755)
	g.must(err)
	g.make(d.Ino, ".DS_Store", "view")
	g.make(d.Ino, "._x", appleDoubleHead)
	_, open, err := g.Create(g.ctx, d.Ino, ".apdisk", syscall.O_RDWR, 0o644)
	g.must(err)
	g.must(g.Write(g.ctx, open.FH, []byte("still open"), 0, 0))
	g.must(g.Rmdir(g.ctx, g.root, "d"))
	g.wantServer()
	if s := string(g.readAll(open.FH, 10)); s != "still open" {
		t.Errorf("what is open reads %q", s)
	}
	g.Release(open.FH)
	testenv.Eventually(t, 10*time.Second, "nothing left in the store", func() bool {
		used, _ := g.local.Usage()
		return used == 0
	})
	d, err = g.Mkdir(g.ctx, g.root, "d", 0o755)
	g.must(err)
	if names := g.list(d.Ino); len(names) > 0 {
		t.Errorf("the new directory has %q", names)
	}
}

// Litter that is on the server is seen, used and removed there.
func TestLitterOnTheServer(t *testing.T) {
	g := newLocalRig(t, "", Options{}, testenv.CountOptions{})
	g.file(".DS_Store", "old view")
	g.file("._a", appleDoubleHead)
	g.file(".Trashes/501/gone", "x")
	if names := g.list(g.root); !slices.Equal(names, []string{".DS_Store", ".Trashes", "._a"}) {
		t.Errorf("listed: %q", names)
	}
	if s := g.read(g.lookup(g.root, ".DS_Store")); s != "old view" {
		t.Errorf("read %q", s)
	}
	g.make(g.root, ".DS_Store", "NEW view")
	if s := g.onServer(".DS_Store"); s != "NEW view" {
		t.Errorf("written to %q", s)
	}
	g.list(g.lookup(g.root, ".Trashes"))
	g.must(g.Rename(g.ctx, g.root, "._a", g.root, "._b", 0))
	g.must(g.Unlink(g.ctx, g.root, "._b"))
	g.must(g.Unlink(g.ctx, g.root, ".DS_Store"))
	g.make(g.root, ".DS_Store", "view")
	g.wantServer(".Trashes", ".Trashes/501", ".Trashes/501/gone")
	// One that appears on the server behind ours is seen when ours is gone.
	g.file(".DS_Store", "of another")
	g.Refresh()
	g.list(g.root)
	if s := g.read(g.lookup(g.root, ".DS_Store")); s != "view" {
		t.Errorf("read %q", s)
	}
	g.must(g.Unlink(g.ctx, g.root, ".DS_Store"))
	g.Refresh()
	g.list(g.root)
	if s := g.read(g.lookup(g.root, ".DS_Store")); s != "of another" {
		t.Errorf("read %q", s)
	}
}

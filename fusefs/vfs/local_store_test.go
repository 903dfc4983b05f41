package vfs

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"sshfs-bridge/e2e/testenv"
	"sshfs-bridge/fusefs/vfs/localmeta"
)

// All of it is there for the next worker, with the same numbers, also where the
// directory was not listed yet.
func TestLocalFilesLast(t *testing.T) {
	store := t.TempDir()
	g := newLocalRig(t, store, Options{}, testenv.CountOptions{})
	g.file("d/x", "user's")
	d := g.lookup(g.root, "d")
	ds := g.make(d, ".DS_Store", "view")
	g.must(g.SetXattr(g.lookup(d, "x"), "user.tag", []byte("red"), 0))
	mode := uint32(0o600)
	_, _, err := g.SetAttrs(g.ctx, ds, SetAttr{Mode: &mode})
	g.must(err)
	g.FS.Close()

	f, err := localmeta.OpenFiles(store)
	g.must(err)
	local, err := localmeta.Open(localmeta.Options{Files: f})
	g.must(err)
	g.FS = New(FromRemote(g.r), Options{Local: local, LocalNames: true})
	t.Cleanup(g.FS.Close)
	d = g.lookup(g.root, "d")
	got := g.srv.Rounds(func() {
		n, err := g.Lookup(g.ctx, d, ".DS_Store")
		g.must(err)
		if n.Ino != ds || n.Attr.Mode != 0o100600 || n.Attr.Size != 4 {
			t.Errorf("%+v, was number %d", n, ds)
		}
		if s := g.read(n.Ino); s != "view" {
			t.Errorf("read %q", s)
		}
	})
	if got.Depth != 0 {
		t.Errorf("%d round trips", got.Depth)
	}
	if v, err := g.GetXattr(g.lookup(d, "x"), "user.tag"); err != nil || string(v) != "red" {
		t.Errorf("attribute: %q, %v", v, err)
	}
	if names := g.list(d); !slices.Equal(names, []string{".DS_Store", "x"}) {
		t.Errorf("listed: %q", names)
	}
	g.wantServer("d", "d/x")
}

// A fork is not listed beside its file under whatever name that is shown, or asked for:
// a Mac asks for the composed form, and smbd for "._" and the name that it was given.
func TestForkOfAnOddName(t *testing.T) {
	for what, c := range map[string]struct {
		server []string
		asked  string
	}{
		"decomposed, asked for composed": {[]string{"cafe\u0301"}, "caf\u00e9"},
		"the second of two equal names":  {[]string{"cafe\u0301", "caf\u00e9"}, "caf\u00e9 (2)"},
		"a byte that is no UTF-8":        {[]string{"latin\xe9"}, "latin%E9"},
		"escaped, and too long then":     {[]string{strings.Repeat("\xe9", 100)}, shortened(strings.Repeat("%E9", 100), strings.Repeat("\xe9", 100))},
	} {
		t.Run(what, func(t *testing.T) {
			g := newLocalRig(t, "", Options{SMBNames: true}, testenv.CountOptions{})
			for _, name := range c.server {
				g.file(name, "user's")
			}
			before := g.list(g.root)
			g.lookup(g.root, c.asked)
			fork := g.make(g.root, "._"+c.asked, appleDoubleHead)
			if names := g.list(g.root); !slices.Equal(names, before) {
				t.Errorf("listed: %+q, before its fork was made %+q", names, before)
			}
			if ino := g.lookup(g.root, "._"+c.asked); ino != fork {
				t.Errorf("the fork is number %d, was %d", ino, fork)
			}
			g.must(g.Unlink(g.ctx, g.root, c.asked))
			if names := g.list(g.root); !slices.Contains(names, "._"+c.asked) {
				t.Errorf("listed: %+q, without the fork of a file that is gone", names)
			}
		})
	}
}

// What is kept here has a bound, and what is on the server has none here.
func TestLocalBounds(t *testing.T) {
	g := newLocalRig(t, "", Options{MaxXattrBytes: 64 << 10}, testenv.CountOptions{})
	_, o, err := g.Create(g.ctx, g.root, ".DS_Store", syscall.O_RDWR, 0o644)
	g.must(err)
	defer g.Release(o.FH)
	if err := g.Write(g.ctx, o.FH, make([]byte, 80<<10), 0, 0); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("beyond the bound: %v", err)
	}
	g.must(g.Write(g.ctx, o.FH, make([]byte, 20<<10), 0, 0))
	g.make(g.root, "user's", fmt.Sprint("is not bounded", strings.Repeat("x", 100<<10)))
}

// What is kept of files that others removed on the server goes when room is
// needed, and not before.
func TestRoomIsMade(t *testing.T) {
	g := newLocalRig(t, "", Options{MaxXattrBytes: 64 << 10}, testenv.CountOptions{})
	g.file("stays", "x")
	g.file("d/goes", "x")
	d := g.lookup(g.root, "d")
	big := make([]byte, 30<<10)
	g.must(g.SetXattr(g.lookup(d, "goes"), "user.fork", big, 0))
	g.must(g.SetXattr(g.lookup(g.root, "stays"), "user.tag", []byte("red"), 0))
	g.make(g.root, ".DS_Store", "view")
	g.must(removeAll(g.dir, "d"))
	g.Refresh()
	g.list(g.root)
	if !g.local.Has("d/goes") {
		t.Error("dropped while there was room")
	}
	stays := g.lookup(g.root, "stays")
	g.must(g.SetXattr(stays, "user.fork", big, 0))
	g.must(g.SetXattr(stays, "user.more", big, 0))
	if g.local.Has("d/goes") {
		t.Error("what is kept of a removed file is in the way")
	}
	if err := g.SetXattr(stays, "user.toomuch", big, 0); err != syscall.ENOSPC {
		t.Errorf("beyond the bound: %v", err)
	}
	if v, err := g.GetXattr(stays, "user.tag"); err != nil || string(v) != "red" {
		t.Errorf("attribute: %q, %v", v, err)
	}
	if s := g.read(g.lookup(g.root, ".DS_Store")); s != "view" {
		t.Errorf("read %q", s)
	}
}

// A file that is removed before it is known what it is goes on as one without a
// name.
func TestUndecidedFileIsRemoved(t *testing.T) {
	g := newLocalRig(t, "", Options{}, testenv.CountOptions{})
	_, o, err := g.Create(g.ctx, g.root, "._tmp", syscall.O_RDWR, 0o644)
	g.must(err)
	g.must(g.Unlink(g.ctx, g.root, "._tmp"))
	g.must(g.Write(g.ctx, o.FH, []byte("some text"), 0, 0))
	if s := string(g.readAll(o.FH, 9)); s != "some text" {
		t.Errorf("read %q", s)
	}
	g.must(g.Flush(g.ctx, o.FH))
	g.Release(o.FH)
	testenv.Eventually(t, 10*time.Second, "nothing left in the store", func() bool {
		used, _ := g.local.Usage()
		return used == 0
	})
	g.wantServer()
}

// Everybody at once on a few local names: nothing hangs, and what is left is whole.
func TestLocalNamesInParallel(t *testing.T) {
	g := newLocalRig(t, "", Options{}, testenv.CountOptions{})
	g.file("a", "user's")
	var all sync.WaitGroup
	var dir sync.Mutex // the kernel's, of a directory whose names change
	named := func(do func()) {
		dir.Lock()
		defer dir.Unlock()
		do()
	}
	for i := range 6 {
		all.Go(func() {
			for round := range 40 {
				name := []string{".DS_Store", "._a", "._b"}[(i+round)%3]
				content := []string{appleDoubleHead, "text"}[round%2]
				var o Opened
				var err error
				named(func() { _, o, err = g.Create(g.ctx, g.root, name, syscall.O_RDWR|syscall.O_TRUNC, 0o644) })
				if err != nil {
					t.Errorf("create %s: %v", name, err)
					continue
				}
				if err := g.Write(g.ctx, o.FH, []byte(content), 0, 0); err != nil && err != syscall.ESTALE {
					t.Errorf("write %s: %v", name, err)
				}
				g.Flush(g.ctx, o.FH)
				g.Release(o.FH)
				switch round % 5 {
				case 0:
					named(func() { g.Rename(g.ctx, g.root, "._a", g.root, "._b", 0) })
				case 1:
					named(func() { g.Unlink(g.ctx, g.root, name) })
				case 2:
					named(func() { g.Rename(g.ctx, g.root, name, g.root, "plain", 0) })
				case 3:
					g.list(g.root)
				}
			}
		})
	}
	all.Wait()
	for _, name := range []string{".DS_Store", "._a", "._b"} {
		n, err := g.Lookup(g.ctx, g.root, name)
		if err != nil {
			continue
		}
		if s := g.read(n.Ino); s != appleDoubleHead && s != "text" && s != "" {
			t.Errorf("%s: %q", name, s)
		}
	}
	if s := g.onServer("a"); s != "user's" {
		t.Errorf("the user's file: %q", s)
	}
}

// Links, special names and copies know that a local file is none of the server's.
func TestLocalFilesAreNoServerFiles(t *testing.T) {
	g := newLocalRig(t, "", Options{}, testenv.CountOptions{})
	g.file("a", "user's")
	g.list(g.root)
	ds := g.make(g.root, ".DS_Store", "view")
	_, lerr := g.Link(g.ctx, ds, g.root, "hard")
	_, terr := g.Link(g.ctx, g.lookup(g.root, "a"), g.root, ".apdisk")
	_, serr := g.Symlink(g.ctx, g.root, ".fseventsd", "a")
	for what, err := range map[string]error{"link of": lerr, "link as": terr, "symlink as": serr} {
		if err != syscall.EPERM {
			t.Errorf("%s a local file: %v", what, err)
		}
	}
	in, err := g.Open(g.ctx, ds, syscall.O_RDONLY)
	g.must(err)
	_, out, err := g.Create(g.ctx, g.root, "copy", syscall.O_WRONLY, 0o644)
	g.must(err)
	if _, err := g.CopyRange(g.ctx, in.FH, 0, out.FH, 0, 4); err != syscall.EOPNOTSUPP {
		t.Errorf("copy within the server: %v", err)
	}
	g.Release(in.FH)
	g.must(g.Flush(g.ctx, out.FH))
	g.Release(out.FH)
	g.wantServer("a", "copy")
}

// What is written before it is known where it belongs is read meanwhile, and is on the
// server when two who have it open have both left that to the other.
func TestUndecidedFileIsRead(t *testing.T) {
	g := newLocalRig(t, "", Options{}, testenv.CountOptions{})
	n, one, err := g.Create(g.ctx, g.root, "._x", syscall.O_RDWR, 0o644)
	g.must(err)
	two, err := g.Open(g.ctx, n.Ino, syscall.O_RDWR)
	g.must(err)
	g.must(g.Write(g.ctx, one.FH, []byte("\x00\x05"), 0, 0))
	size := uint64(5)
	_, _, err = g.SetAttrs(g.ctx, n.Ino, SetAttr{Size: &size, FH: one.FH})
	g.must(err)
	const want = "\x00\x05\x00\x00\x00"
	if got := string(g.readAll(two.FH, 100)); got != want {
		t.Errorf("read %q", got)
	}
	if got := g.part(two.FH, 1, 3); got != want[1:4] {
		t.Errorf("read in part %q", got)
	}
	for _, o := range []Opened{one, two} {
		g.must(g.Flush(g.ctx, o.FH))
	}
	g.wantServer()
	g.Release(one.FH)
	g.Release(two.FH)
	testenv.Eventually(t, 10*time.Second, "the file is on the server", func() bool {
		b, err := os.ReadFile(filepath.Join(g.dir, "._x"))
		return err == nil && string(b) == want
	})
}

package vfs

import (
	"fmt"
	"syscall"
	"testing"
	"time"
)

// TestRoundTrips holds the table of round trips: each line is one operation, what
// was done before it, and what it may cost. Whoever makes an operation wait for
// the server once more breaks the line that names it.
func TestRoundTrips(t *testing.T) {
	type state struct {
		*rig
		ino, fh uint64
	}
	stamp := time.Unix(1_600_000_000, 0)
	listed := func(s *state) { s.list(s.root) }
	opened := func(flags uint32) func(*state) {
		return func(s *state) {
			s.list(s.root)
			s.ino = s.lookup(s.root, "a")
			o, err := s.Open(s.ctx, s.ino, flags)
			s.must(err)
			s.fh = o.FH
		}
	}
	mode := uint32(0o640)
	for _, c := range []struct {
		name   string
		before func(*state)
		do     func(*state)
		want   int
	}{
		{"lookup of a name in a listed directory", listed, func(s *state) { s.lookup(s.root, "a") }, 0},
		{"lookup of an absent name in a listed directory", listed, func(s *state) {
			if _, err := s.Lookup(s.ctx, s.root, "absent"); err != syscall.ENOENT {
				s.t.Errorf("got %v", err)
			}
		}, 0},
		{"lookup in a directory that was not listed", func(*state) {}, func(s *state) { s.lookup(s.root, "a") }, 1},
		{"stat in a listed directory", func(s *state) { listed(s); s.ino = s.lookup(s.root, "a") }, func(s *state) {
			_, _, err := s.GetAttr(s.ctx, s.ino)
			s.must(err)
		}, 0},
		{"access", func(s *state) { listed(s); s.ino = s.lookup(s.root, "a") }, func(s *state) {
			s.must(s.Access(s.ctx, s.ino, 4))
		}, 0},
		{"getxattr and listxattr", func(s *state) { listed(s); s.ino = s.lookup(s.root, "a") }, func(s *state) {
			if _, err := s.GetXattr(s.ino, "user.none"); err != syscall.ENODATA {
				s.t.Errorf("got %v", err)
			}
			_, err := s.ListXattr(s.ino)
			s.must(err)
		}, 0},
		{"statfs", func(s *state) { _, err := s.StatFS(s.ctx); s.must(err) }, func(s *state) {
			_, err := s.StatFS(s.ctx)
			s.must(err)
		}, 0},
		{"list a directory, cold", func(*state) {}, func(s *state) { s.list(s.root) }, 2},
		{"list a directory again", listed, func(s *state) { s.list(s.root) }, 0},
		{"open, read and close a small file, cold", listed, func(s *state) {
			if got := s.read(s.lookup(s.root, "a")); got != "hello" {
				s.t.Errorf("read %q", got)
			}
		}, 2},
		{"open, read and close a small file again at once", func(s *state) { listed(s); s.read(s.lookup(s.root, "a")) }, func(s *state) {
			s.read(s.lookup(s.root, "a"))
		}, 0},
		{"create, write, fchmod, futimens, close", listed, func(s *state) {
			n, o, err := s.Create(s.ctx, s.root, "new", syscall.O_WRONLY|syscall.O_EXCL, 0o644)
			s.must(err)
			for i := range 8 {
				s.must(s.Write(s.ctx, o.FH, make([]byte, 64<<10), int64(i)*64<<10, 0))
			}
			_, _, err = s.SetAttrs(s.ctx, n.Ino, SetAttr{Mode: &mode})
			s.must(err)
			_, _, err = s.SetAttrs(s.ctx, n.Ino, SetAttr{Atime: &stamp, Mtime: &stamp})
			s.must(err)
			s.must(s.Flush(s.ctx, o.FH))
			s.Release(o.FH)
		}, 2},
		{"overwrite in place", listed, func(s *state) {
			o, err := s.Open(s.ctx, s.lookup(s.root, "a"), syscall.O_WRONLY)
			s.must(err)
			s.must(s.Write(s.ctx, o.FH, []byte("HELLO"), 0, 0))
			s.must(s.Flush(s.ctx, o.FH))
			s.Release(o.FH)
		}, 2},
		{"truncate by open and write anew", listed, func(s *state) {
			o, err := s.Open(s.ctx, s.lookup(s.root, "a"), syscall.O_WRONLY|syscall.O_TRUNC)
			s.must(err)
			s.must(s.Write(s.ctx, o.FH, []byte("new"), 0, 0))
			s.must(s.Flush(s.ctx, o.FH))
			s.Release(o.FH)
		}, 2},
		{"append", listed, func(s *state) {
			o, err := s.Open(s.ctx, s.lookup(s.root, "a"), syscall.O_WRONLY|syscall.O_APPEND)
			s.must(err)
			s.must(s.Write(s.ctx, o.FH, []byte(" world"), 5, 0))
			s.must(s.Flush(s.ctx, o.FH))
			s.Release(o.FH)
		}, 2},
		{"mkdir", listed, func(s *state) { _, err := s.Mkdir(s.ctx, s.root, "newdir", 0o755); s.must(err) }, 1},
		{"list a directory just made", func(s *state) {
			listed(s)
			n, err := s.Mkdir(s.ctx, s.root, "newdir", 0o755)
			s.must(err)
			s.ino = n.Ino
		}, func(s *state) { s.list(s.ino) }, 0},
		{"rmdir", listed, func(s *state) { s.must(s.Rmdir(s.ctx, s.root, "empty")) }, 1},
		{"unlink", listed, func(s *state) { s.must(s.Unlink(s.ctx, s.root, "a")) }, 1},
		{"rename over", listed, func(s *state) { s.must(s.Rename(s.ctx, s.root, "a", s.root, "b", 0)) }, 1},
		{"rename to a free name, not replacing", listed, func(s *state) {
			s.must(s.Rename(s.ctx, s.root, "a", s.root, "free", RenameNoReplace))
		}, 1},
		{"symlink", listed, func(s *state) { _, err := s.Symlink(s.ctx, s.root, "link", "a"); s.must(err) }, 1},
		{"link", func(s *state) { listed(s); s.ino = s.lookup(s.root, "a") }, func(s *state) {
			_, err := s.Link(s.ctx, s.ino, s.root, "hard")
			s.must(err)
		}, 1},
		{"chmod by path", func(s *state) { listed(s); s.ino = s.lookup(s.root, "a") }, func(s *state) {
			_, _, err := s.SetAttrs(s.ctx, s.ino, SetAttr{Mode: &mode})
			s.must(err)
		}, 1},
		{"utimes by path", func(s *state) { listed(s); s.ino = s.lookup(s.root, "a") }, func(s *state) {
			_, _, err := s.SetAttrs(s.ctx, s.ino, SetAttr{Atime: &stamp, Mtime: &stamp})
			s.must(err)
		}, 1},
		{"truncate by path", func(s *state) { listed(s); s.ino = s.lookup(s.root, "a") }, func(s *state) {
			size := uint64(2)
			_, _, err := s.SetAttrs(s.ctx, s.ino, SetAttr{Size: &size})
			s.must(err)
		}, 1},
		{"ftruncate of a file open for writing", opened(syscall.O_RDWR), func(s *state) {
			size := uint64(2)
			_, _, err := s.SetAttrs(s.ctx, s.ino, SetAttr{Size: &size, FH: s.fh})
			s.must(err)
		}, 0},
		{"close of a file that was not written", opened(syscall.O_RDWR), func(s *state) {
			s.must(s.Flush(s.ctx, s.fh))
			s.Release(s.fh)
		}, 0},
		{"a second open for reading of a file open for writing", opened(syscall.O_RDWR), func(s *state) {
			_, err := s.Open(s.ctx, s.ino, syscall.O_RDONLY)
			s.must(err)
		}, 0},
		{"duplicate a file in pieces of 1 MiB", listed, func(s *state) {
			in, err := s.Open(s.ctx, s.lookup(s.root, "large"), syscall.O_RDONLY)
			s.must(err)
			_, out, err := s.Create(s.ctx, s.root, "copy", syscall.O_RDWR|syscall.O_EXCL, 0o644)
			s.must(err)
			for off := int64(0); off < 4<<20; off += 1 << 20 {
				n, err := s.CopyRange(s.ctx, in.FH, off, out.FH, off, 1<<20)
				s.must(err)
				if n != 1<<20 {
					s.t.Errorf("copied %d", n)
				}
			}
			s.must(s.Flush(s.ctx, out.FH))
			s.Release(out.FH)
			s.Release(in.FH)
		}, 3},
		{"random reads, one at a time", func(s *state) {
			listed(s)
			s.ino = s.lookup(s.root, "large")
			o, err := s.Open(s.ctx, s.ino, syscall.O_RDONLY)
			s.must(err)
			s.fh = o.FH
		}, func(s *state) {
			for _, off := range []int64{3 << 20, 1 << 20, 2 << 20} {
				_, _, err := s.Read(s.ctx, s.fh, make([]byte, 4096), off)
				s.must(err)
			}
		}, 3},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, Options{}, func(g *rig) {
				g.file("a", "hello")
				g.file("b", "there")
				g.file("empty/x", "")
				g.must(removeAll(g.dir, "empty/x"))
				g.file("large", string(make([]byte, 4<<20)))
				s := &state{rig: g}
				c.before(s)
				got := g.srv.Rounds(func() { c.do(s) })
				g.t.Logf("%d round trips, %v", got.Depth, got.Requests)
				if got.Depth != c.want {
					g.t.Errorf("%d round trips, want %d (%v)", got.Depth, c.want, got.Requests)
				}
			})
		})
	}
}

// A directory of any size takes three round trips.
func TestRoundTripsOfALargeListing(t *testing.T) {
	bubble(t, Options{}, func(g *rig) {
		const files = 10_000
		for i := range files {
			g.must(writeEmpty(g.dir, fmt.Sprintf("f%05d", i)))
		}
		got := g.srv.Rounds(func() {
			if n := len(g.list(g.root)); n != files {
				g.t.Errorf("listed %d", n)
			}
		})
		g.t.Logf("%d round trips, %v", got.Depth, got.Requests)
		want := 3
		if got.Requests["close"] > 0 {
			want++ // its answer may come before we are done, but nobody waits for it
		}
		if got.Depth > want {
			g.t.Errorf("%d round trips", got.Depth)
		}
	})
}

// A walk costs round trips by level, not by directory.
func TestRoundTripsOfAWalk(t *testing.T) {
	bubble(t, Options{}, func(g *rig) {
		for i := range 6 {
			for j := range 6 {
				for k := range 2 {
					g.file(fmt.Sprintf("a%d/b%d/f%d", i, j, k), "x")
				}
			}
		}
		files := 0
		var walk func(ino uint64, depth int)
		walk = func(ino uint64, depth int) {
			for _, name := range g.list(ino) {
				if depth == 2 {
					files++
					continue
				}
				walk(g.lookup(ino, name), depth+1)
			}
		}
		got := g.srv.Rounds(func() { walk(g.root, 0) })
		g.t.Logf("%d round trips for %d files in 43 directories, %v", got.Depth, files, got.Requests)
		if files != 72 {
			g.t.Errorf("found %d files", files)
		}
		if got.Depth > 15 {
			g.t.Errorf("%d round trips for three levels", got.Depth)
		}
	})
}

// Files that are read one after another cost far less than a round trip each.
func TestRoundTripsOfReadingSiblings(t *testing.T) {
	bubble(t, Options{}, func(g *rig) {
		const files = 100
		for i := range files {
			g.file(fmt.Sprintf("f%03d", i), fmt.Sprintf("content %d", i))
		}
		names := g.list(g.root)
		got := g.srv.Rounds(func() {
			for i, name := range names {
				if s := g.read(g.lookup(g.root, name)); s != fmt.Sprintf("content %d", i) {
					g.t.Errorf("%s: %q", name, s)
				}
			}
		})
		g.t.Logf("%d round trips for %d files, %v", got.Depth, files, got.Requests)
		if got.Depth > files/3 {
			g.t.Errorf("%d round trips for %d files", got.Depth, files)
		}
	})
}

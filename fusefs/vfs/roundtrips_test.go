package vfs

import (
	"fmt"
	"syscall"
	"time"
)

var (
	someMode = uint32(0o640)
	someSize = uint64(2)
	someTime = time.Unix(1_600_000_000, 0)
)

// roundTrips is the table of round trips.
var roundTrips = []roundTrip{
	{name: "look a name up", do: func(s *roundsRig) { s.a() }, cold: 1, listed: 0, strict: 1},
	{name: "look up a name that does not exist", do: func(s *roundsRig) { s.absent("absent") }, cold: 1, listed: 0, strict: 1},
	{name: "stat", do: func(s *roundsRig) {
		_, _, err := s.GetAttr(s.ctx, s.a())
		s.must(err)
	}, cold: 1, listed: 0, strict: 2},
	{name: "access", do: func(s *roundsRig) { s.must(s.Access(s.ctx, s.a(), 4)) }, cold: 1, listed: 0, strict: 2},
	{name: "getxattr and listxattr", do: func(s *roundsRig) {
		ino := s.a()
		if _, err := s.GetXattr(ino, "user.none"); err != syscall.ENODATA {
			s.t.Errorf("got %v", err)
		}
		_, err := s.ListXattr(ino)
		s.must(err)
	}, cold: 1, listed: 0, strict: 1},
	{name: "setxattr", do: func(s *roundsRig) { s.must(s.SetXattr(s.a(), "user.x", []byte("v"), 0)) }, cold: 1, listed: 0, strict: 1},
	{name: "readlink", do: func(s *roundsRig) {
		_, err := s.Readlink(s.ctx, s.lookup(s.root, "link"))
		s.must(err)
	}, cold: 2, listed: 1, strict: 2},
	{name: "statfs", do: statFS, cold: 1, listed: 1, strict: 1},
	{name: "statfs again within 10 s", before: statFS, do: statFS, cold: none, listed: 0, strict: 0},
	{name: "list a directory", do: (*roundsRig).listRoot, cold: 2, listed: 0, strict: 2},
	{name: "list a directory of 10,000 files", put: func(s *roundsRig) {
		for i := range 10_000 {
			s.must(writeEmpty(s.dir, fmt.Sprintf("f%05d", i)))
		}
	}, do: func(s *roundsRig) {
		if n := len(s.list(s.root)); n != 10_005 {
			s.t.Errorf("listed %d", n)
		}
	}, cold: 3, listed: 0, strict: 3},
	{name: "walk 7 directories on 2 levels", put: trees(1), do: walk(1), cold: 7, listed: none, strict: 33},
	{name: "walk 43 directories on 3 levels", put: trees(2), do: walk(2), cold: 11, listed: none, strict: 201},
	{name: "open, read and close a small file", do: readA, cold: 3, listed: 2, strict: 4},
	{name: "open, read and close a small file again at once", before: func(s *roundsRig) { s.listRoot(); readA(s) }, do: readA, cold: none, listed: 0, strict: 3, off: 4},
	{name: "open, read and close a small file that was read ahead", put: manyFiles, before: func(s *roundsRig) {
		s.listRoot()
		readFiles(s, 0, 3)
		s.readAhead()
	}, do: func(s *roundsRig) { readFiles(s, 3, 4) }, cold: none, listed: 0, strict: 4},
	{name: "read 100 small files one after another, at most", put: manyFiles, do: func(s *roundsRig) { readFiles(s, 0, 100) }, cold: none, listed: 13, strict: 400, most: true},
	{name: "read three blocks of a large open file at random", before: func(s *roundsRig) { s.open("large", syscall.O_RDONLY) }, do: func(s *roundsRig) {
		for _, off := range []int64{3 << 20, 1 << 20, 2 << 20} {
			_, _, err := s.Read(s.ctx, s.fh, make([]byte, 4096), off)
			s.must(err)
		}
	}, cold: none, listed: 3, strict: 3},
	{name: "create, write, fchmod, futimens and close", do: func(s *roundsRig) {
		s.create("new")
		for i := range 8 {
			s.write(string(make([]byte, 64<<10)), int64(i)*64<<10)
		}
		s.set(s.ino, SetAttr{Mode: &someMode})
		s.set(s.ino, SetAttr{Atime: &someTime, Mtime: &someTime})
		s.shut()
	}, cold: 3, listed: 2, strict: 3},
	{name: "overwrite in place", do: func(s *roundsRig) {
		s.open("a", syscall.O_WRONLY)
		s.write("HELLO", 0)
		s.shut()
	}, cold: 3, listed: 2, strict: 3},
	{name: "truncate by open and write anew", do: func(s *roundsRig) {
		s.open("a", syscall.O_WRONLY|syscall.O_TRUNC)
		s.write("new", 0)
		s.shut()
	}, cold: 3, listed: 2, strict: 3},
	{name: "append", do: func(s *roundsRig) {
		s.open("a", syscall.O_WRONLY|syscall.O_APPEND)
		s.write(" world", 5)
		s.shut()
	}, cold: 3, listed: 2, strict: 3},
	{name: "write to an open file, and fsync", before: openA, do: func(s *roundsRig) {
		s.write("HELLO", 0)
		s.must(s.Fsync(s.ctx, s.fh))
	}, cold: none, listed: 1, strict: 1},
	{name: "ftruncate of a file open for writing", before: openA, do: func(s *roundsRig) {
		s.set(s.ino, SetAttr{Size: &someSize, FH: s.fh})
	}, cold: none, listed: 0, strict: 0},
	{name: "close a file that was not written", before: openA, do: (*roundsRig).shut, cold: none, listed: 0, strict: 0},
	{name: "open a file that is open for writing, to read it", before: openA, do: func(s *roundsRig) {
		s.open("a", syscall.O_RDONLY)
	}, cold: none, listed: 0, strict: 2},
	{name: "mkdir", do: func(s *roundsRig) { s.mkdir("new") }, cold: 2, listed: 1, strict: 2},
	{name: "mkdir with the remote's ids, the first", posix: true, do: func(s *roundsRig) { s.mkdir("new") }, cold: 3, listed: 2, strict: 3},
	{name: "mkdir with the remote's ids, once more", posix: true, before: func(s *roundsRig) { s.listRoot(); s.mkdir("first") }, do: func(s *roundsRig) {
		s.mkdir("new")
	}, cold: none, listed: 1, strict: 2},
	{name: "list a directory just made", before: func(s *roundsRig) { s.listRoot(); s.ino = s.mkdir("new") }, do: func(s *roundsRig) {
		s.list(s.ino)
	}, cold: none, listed: 0, strict: 2},
	{name: "rmdir", do: func(s *roundsRig) {
		s.lookup(s.root, "empty")
		s.must(s.Rmdir(s.ctx, s.root, "empty"))
	}, cold: 2, listed: 1, strict: 2},
	{name: "unlink", do: func(s *roundsRig) {
		s.a()
		s.must(s.Unlink(s.ctx, s.root, "a"))
	}, cold: 2, listed: 1, strict: 2},
	{name: "rename over a file", do: func(s *roundsRig) {
		s.a()
		s.lookup(s.root, "b")
		s.must(s.Rename(s.ctx, s.root, "a", s.root, "b", 0))
	}, cold: 3, listed: 1, strict: 3},
	{name: "rename to a free name, not replacing", do: func(s *roundsRig) {
		s.a()
		s.absent("free")
		s.must(s.Rename(s.ctx, s.root, "a", s.root, "free", RenameNoReplace))
	}, cold: 4, listed: 1, strict: 4},
	{name: "rename a directory", do: func(s *roundsRig) {
		s.lookup(s.root, "empty")
		s.absent("free")
		s.must(s.Rename(s.ctx, s.root, "empty", s.root, "free", 0))
	}, cold: 3, listed: 1, strict: 3},
	{name: "symlink", do: func(s *roundsRig) {
		s.absent("new")
		_, err := s.Symlink(s.ctx, s.root, "new", "a")
		s.must(err)
	}, cold: 2, listed: 1, strict: 2},
	{name: "link", do: func(s *roundsRig) {
		ino := s.a()
		s.absent("hard")
		_, err := s.Link(s.ctx, ino, s.root, "hard")
		s.must(err)
	}, cold: 3, listed: 1, strict: 3},
	{name: "chmod", do: func(s *roundsRig) { s.set(s.a(), SetAttr{Mode: &someMode}) }, cold: 2, listed: 1, strict: 2},
	{name: "utimes", do: func(s *roundsRig) { s.set(s.a(), SetAttr{Atime: &someTime, Mtime: &someTime}) }, cold: 2, listed: 1, strict: 2},
	{name: "chmod and utimes in one", do: func(s *roundsRig) {
		s.set(s.a(), SetAttr{Mode: &someMode, Atime: &someTime, Mtime: &someTime})
	}, cold: 2, listed: 1, strict: 2},
	{name: "truncate", do: func(s *roundsRig) { s.set(s.a(), SetAttr{Size: &someSize}) }, cold: 2, listed: 1, strict: 2},
	{name: "duplicate 4 MiB in pieces of 1 MiB", do: duplicate(1 << 20), cold: 5, listed: 3, strict: 5},
	{name: "duplicate 4 MiB at once", do: duplicate(4 << 20), cold: 5, listed: 3, strict: 5},
}

func duplicate(piece int64) func(*roundsRig) {
	return func(s *roundsRig) {
		s.open("large", syscall.O_RDONLY)
		in := s.fh
		s.create("copy")
		for off := int64(0); off < 4<<20; off += piece {
			n, err := s.CopyRange(s.ctx, in, off, s.fh, off, piece)
			s.must(err)
			if n != piece {
				s.t.Errorf("copied %d", n)
			}
		}
		s.shut()
		s.Release(in)
	}
}

func statFS(s *roundsRig) { _, err := s.StatFS(s.ctx); s.must(err) }

func openA(s *roundsRig) { s.listRoot(); s.open("a", syscall.O_RDWR) }

func readA(s *roundsRig) {
	if got := s.read(s.a()); got != "hello" {
		s.t.Errorf("read %q", got)
	}
}

func manyFiles(s *roundsRig) {
	for i := range 100 {
		s.file(fmt.Sprintf("f%03d", i), fmt.Sprintf("content %d", i))
	}
}

func readFiles(s *roundsRig, from, to int) {
	for i := from; i < to; i++ {
		if got := s.read(s.lookup(s.root, fmt.Sprintf("f%03d", i))); got != fmt.Sprintf("content %d", i) {
			s.t.Errorf("file %d: %q", i, got)
		}
	}
}

// trees makes six directories in each directory, that many levels deep, with two files
// in each of the lowest.
func trees(levels int) func(*roundsRig) {
	return func(s *roundsRig) {
		var grow func(path string, left int)
		grow = func(path string, left int) {
			if left == 0 {
				s.file(path+"f1", "x")
				s.file(path+"f2", "x")
				return
			}
			for i := range 6 {
				grow(fmt.Sprintf("%sd%d/", path, i), left-1)
			}
		}
		grow("t/", levels)
	}
}

// walk lists all that trees has made and looks each name up.
func walk(levels int) func(*roundsRig) {
	return func(s *roundsRig) {
		var dirs, files int
		var into func(ino uint64)
		into = func(ino uint64) {
			dirs++
			for _, name := range s.list(ino) {
				if c := s.lookup(ino, name); name[0] == 'd' {
					into(c)
				} else {
					files++
				}
			}
		}
		into(s.lookup(s.root, "t"))
		if want := map[int]int{1: 7, 2: 43}[levels]; dirs != want || files < want {
			s.t.Errorf("found %d directories and %d files", dirs, files)
		}
	}
}

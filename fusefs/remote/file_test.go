package remote_test

import (
	"errors"
	"io"
	"io/fs"
	"testing"
	"time"

	"sshfs-bridge/e2e/testenv"
	"sshfs-bridge/fusefs/remote"
	"sshfs-bridge/fusefs/sftp"
)

func TestFile_writeAndRead(t *testing.T) {
	g := newRig(t, testenv.CountOptions{}, remote.Options{})
	for _, size := range []int{0, 1, 4096, 255 << 10, 255<<10 + 1, 3<<20 + 17} {
		data := random(uint64(size), size)
		f := g.open("f", forWrite)
		if err := writeAll(t.Context(), f, data, 100_000); err != nil {
			t.Fatal(err)
		}
		a, err := f.Close(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if a.Valid&sftp.AttrSize != 0 && a.Size != uint64(size) {
			t.Errorf("size %d after close, want %d", a.Size, size)
		}
		same(t, "on the server", g.onServer("f"), data)
		f = g.open("f", forRead)
		got, err := readAll(t.Context(), f, size, 128<<10, 8)
		if err != nil {
			t.Fatal(err)
		}
		same(t, "read", got, data)
		n, err := f.ReadAt(t.Context(), make([]byte, 1000), int64(size)-10)
		if size >= 10 && (n != 10 || !errors.Is(err, io.EOF)) {
			t.Errorf("read across the end gave %d, %v", n, err)
		}
		if n, err := f.ReadAt(t.Context(), make([]byte, 1000), int64(size)+10); n != 0 || !errors.Is(err, io.EOF) {
			t.Errorf("read beyond the end gave %d, %v", n, err)
		}
		f.Close(t.Context())
	}
}

func TestFile_roundTrips(t *testing.T) {
	g := newRig(t, testenv.CountOptions{Delay: 10 * time.Millisecond}, remote.Options{})
	g.put("small", random(1, 4096))
	want := func(what string, depth int, f func()) {
		t.Helper()
		if r := g.server.Rounds(f); r.Depth != depth {
			t.Errorf("%s: %d round trips, want %d: %v", what, r.Depth, depth, r.Requests)
		}
	}
	want("open, read and close", 2, func() {
		f := g.open("small", forRead)
		if _, err := f.ReadAt(t.Context(), make([]byte, 4096), 0); err != nil {
			t.Error(err)
		}
		f.Close(t.Context())
	})
	want("create, write, modes, times and close", 2, func() {
		f := g.open("new", remote.OpenFlags{Write: true, Create: true, Exclusive: true})
		f.WriteAt(t.Context(), random(2, 600_000), 0)
		f.Setstat(t.Context(), remote.Attrs{Valid: sftp.AttrMode, Mode: 0o600})
		f.Setstat(t.Context(), remote.Attrs{Valid: sftp.AttrTimes, Mtime: 1e9, Atime: 1e9})
		a, err := f.Close(t.Context())
		if err != nil || a.Size != 600_000 || a.Mtime != 1e9 || a.Mode&0o777 != 0o600 {
			t.Errorf("close gave %+v, %v", a, err)
		}
	})
	want("append", 2, func() {
		f := g.open("new", remote.OpenFlags{Write: true})
		f.WriteAt(t.Context(), random(3, 1000), 600_000)
		if a, err := f.Close(t.Context()); err != nil || a.Size != 601_000 {
			t.Errorf("close gave %+v, %v", a, err)
		}
	})
	want("duplicate", 3, func() {
		src, dst := g.open("new", forRead), g.open("copy", forWrite)
		for off := int64(0); off < 601_000; off += 100_000 {
			if err := src.CopyTo(t.Context(), dst, off, off, min(100_000, 601_000-off)); err != nil {
				t.Error(err)
			}
		}
		src.Close(t.Context())
		if a, err := dst.Close(t.Context()); err != nil || a.Size != 601_000 {
			t.Errorf("close gave %+v, %v", a, err)
		}
	})
	same(t, "duplicate", g.onServer("copy"), g.onServer("new"))
	for name, op := range map[string]func() error{
		"mkdir":   func() error { return g.Mkdir(t.Context(), "d", 0o755) },
		"rename":  func() error { return g.Rename(t.Context(), "copy", "small") },
		"symlink": func() error { return g.Symlink(t.Context(), "x", "s") },
		"link":    func() error { return g.Link(t.Context(), "new", "l") },
		"setstat": func() error {
			return g.Setstat(t.Context(), "new", remote.Attrs{Valid: sftp.AttrMode | sftp.AttrTimes, Mode: 0o644, Mtime: 1, Atime: 1})
		},
	} {
		want(name, 1, func() {
			if err := op(); err != nil {
				t.Error(err)
			}
		})
	}
	want("rmdir", 1, func() { g.Rmdir(t.Context(), "d") })
	want("remove", 1, func() { g.Remove(t.Context(), "l") })
}

func TestFile_errorsOfWritesAreToldOnceAndAtClose(t *testing.T) {
	g := newRig(t, testenv.CountOptions{}, remote.Options{})
	f := g.open("f", forWrite)
	_, remove := g.server.Inject(testenv.Fault{Kind: testenv.FaultStatus, Op: "write", Status: sftp.StatusNoSpace})
	if err := f.WriteAt(t.Context(), make([]byte, 1000), 0); err != nil {
		t.Fatalf("a queued write failed: %v", err)
	}
	var status *sftp.StatusError
	if _, err := f.Flush(t.Context()); !errors.As(err, &status) || status.Code != sftp.StatusNoSpace {
		t.Errorf("flush gave %v", err)
	}
	remove()
	if _, err := f.Flush(t.Context()); err != nil {
		t.Errorf("the second flush told it again: %v", err)
	}
	if err := f.WriteAt(t.Context(), make([]byte, 1000), 0); err != nil {
		t.Error(err)
	}
	if _, err := f.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if err := f.WriteAt(t.Context(), make([]byte, 1000), 0); !errors.Is(err, remote.ErrClosed) {
		t.Errorf("write after close gave %v", err)
	}
}

func TestOpen_errors(t *testing.T) {
	g := newRig(t, testenv.CountOptions{}, remote.Options{})
	g.put("there", nil)
	if _, _, err := g.Open(t.Context(), "missing", forRead, 0); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing file: %v", err)
	}
	_, _, err := g.Open(t.Context(), "there", remote.OpenFlags{Write: true, Create: true, Exclusive: true}, 0o644)
	if !errors.Is(err, fs.ErrExist) {
		t.Errorf("exclusive: %v", err)
	}
	if err := g.Mkdir(t.Context(), "there", 0o755); !errors.Is(err, fs.ErrExist) {
		t.Errorf("mkdir over a file: %v", err)
	}
	if err := g.Symlink(t.Context(), "a", "there"); !errors.Is(err, fs.ErrExist) {
		t.Errorf("symlink over a file: %v", err)
	}
}

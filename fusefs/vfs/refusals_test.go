package vfs

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"sshfs-bridge/e2e/testenv"
	"sshfs-bridge/fusefs/sftp"
)

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

// What is set on an open file that has no name any more is set on it, and not on the one
// that has its name now.
func TestAttributesOfAnUnlinkedFile(t *testing.T) {
	for what, flags := range map[string]uint32{"read": syscall.O_RDONLY, "write": syscall.O_RDWR} {
		t.Run(what, func(t *testing.T) {
			g := newRig(t, Options{NoBackgroundCheck: true}, testenv.CountOptions{})
			g.file("f", "content")
			g.must(os.Link(filepath.Join(g.dir, "f"), filepath.Join(g.dir, "same")))
			f := g.lookup(g.root, "f")
			o, err := g.Open(g.ctx, f, flags)
			g.must(err)
			g.must(g.Unlink(g.ctx, g.root, "f"))
			g.file("f", "another")
			mode, at := uint32(0o600), time.Unix(1_500_000_000, 0)
			_, _, err = g.SetAttrs(g.ctx, f, SetAttr{Mode: &mode, Atime: &at, Mtime: &at})
			g.must(err)
			g.must(g.Flush(g.ctx, o.FH))
			g.Release(o.FH)
			fi, err := os.Stat(filepath.Join(g.dir, "same"))
			if err != nil || fi.Mode().Perm() != 0o600 || !fi.ModTime().Equal(at) {
				t.Errorf("the unlinked file: %v, %v", fi, err)
			}
			if fi, err = os.Stat(filepath.Join(g.dir, "f")); err != nil || fi.Mode().Perm() != 0o644 || fi.ModTime().Equal(at) {
				t.Errorf("the other one: %v, %v", fi, err)
			}
		})
	}
}

// When what an unflushed file left behind cannot be written, the next look finds what is
// on the server.
func TestWriterLeftBehindFails(t *testing.T) {
	g := newRig(t, Options{NoBackgroundCheck: true}, testenv.CountOptions{})
	g.file("f", "content")
	f := g.lookup(g.root, "f")
	o, err := g.Open(g.ctx, f, syscall.O_RDWR)
	g.must(err)
	_, remove := g.srv.Inject(testenv.Fault{Kind: testenv.FaultStatus, Op: "write", Status: sftp.StatusPermissionDenied})
	g.must(g.Write(g.ctx, o.FH, []byte(strings.Repeat("x", 100)), 0, 0))
	g.Release(o.FH) // as the end of a mapping
	if err := g.Drain(g.ctx); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("drained: %v", err)
	}
	remove()
	if a, _, err := g.GetAttr(g.ctx, f); err != nil || a.Size != 7 {
		t.Errorf("it has %d bytes, %v", a.Size, err)
	}
	if got := g.read(f); got != "content" {
		t.Errorf("read %q", got)
	}
}

// A copy within one file is left to the caller: the server cannot.
func TestCopyWithinAFile(t *testing.T) {
	g := newRig(t, Options{NoBackgroundCheck: true}, testenv.CountOptions{})
	g.file("f", "0123456789")
	o, err := g.Open(g.ctx, g.lookup(g.root, "f"), syscall.O_RDWR)
	g.must(err)
	defer g.Release(o.FH)
	if _, err := g.CopyRange(g.ctx, o.FH, 0, o.FH, 5, 5); err != syscall.EOPNOTSUPP {
		t.Errorf("%v", err)
	}
	if _, err := g.CopyRange(g.ctx, o.FH, 0, o.FH, 2, 5); err != syscall.EINVAL {
		t.Errorf("overlapping: %v", err)
	}
	g.must(g.Flush(g.ctx, o.FH))
	if got := g.onServer("f"); got != "0123456789" {
		t.Errorf("the file is %q", got)
	}
}

package vfs

import (
	"bytes"
	"errors"
	"io/fs"
	"strings"
	"syscall"
	"testing"

	"sshfs-bridge/e2e/testenv"
	"sshfs-bridge/fusefs/sftp"
)

// writeLong writes so much that most of it is still queued afterwards.
func (g *rig) writeLong(fh uint64) (size int) {
	g.t.Helper()
	const piece, pieces = 1 << 20, 12
	for i := range int64(pieces) {
		g.must(g.Write(g.ctx, fh, bytes.Repeat([]byte{'o'}, piece), i*piece, 0))
	}
	return piece * pieces
}

// What is queued when a file's last writer goes, as that of a mapping does without a
// flush, comes before everything that is done to the file after that.
func TestWriterLeavesWritesBehind(t *testing.T) {
	t.Run("truncate by name", func(t *testing.T) {
		g := newRig(t, Options{}, testenv.CountOptions{Delay: testDelay})
		n, o, err := g.Create(g.ctx, g.root, "f", syscall.O_RDWR, 0o644)
		g.must(err)
		g.writeLong(o.FH)
		g.Release(o.FH)
		size := uint64(3)
		_, _, err = g.SetAttrs(g.ctx, n.Ino, SetAttr{Size: &size})
		g.must(err)
		g.must(g.Drain(g.ctx))
		if got := g.onServer("f"); got != "ooo" {
			t.Errorf("truncated to 3, and the server has %d", len(got))
		}
	})
	for _, wait := range []string{"fsync", "drain"} {
		t.Run(wait, func(t *testing.T) {
			g := newRig(t, Options{}, testenv.CountOptions{Delay: testDelay})
			g.file("f", "")
			ino := g.lookup(g.root, "f")
			reader, err := g.Open(g.ctx, ino, syscall.O_RDONLY)
			g.must(err)
			o, err := g.Open(g.ctx, ino, syscall.O_RDWR)
			g.must(err)
			size := g.writeLong(o.FH)
			g.Release(o.FH)
			if wait == "fsync" {
				g.must(g.Fsync(g.ctx, reader.FH))
			} else {
				g.must(g.Drain(g.ctx))
			}
			if got := len(g.onServer("f")); got != size {
				t.Errorf("it returned, and the server has %d of %d", got, size)
			}
			g.Release(reader.FH)
		})
	}
}

// Whoever empties a file while another has it open for writing alone, empties it
// behind what that one has written, as seen here, and not past it.
func TestTruncatingOpenBesideAWriter(t *testing.T) {
	g := newRig(t, Options{}, testenv.CountOptions{Delay: testDelay})
	n, a, err := g.Create(g.ctx, g.root, "f", syscall.O_WRONLY, 0o644)
	g.must(err)
	g.writeLong(a.FH)
	b, err := g.Open(g.ctx, n.Ino, syscall.O_RDWR|syscall.O_TRUNC)
	g.must(err)
	g.must(g.Write(g.ctx, b.FH, []byte("new"), 0, 0))
	if got := strings.TrimRight(string(g.readAll(b.FH, 3)), "\x00"); got != "new" {
		t.Errorf("read back %q", got)
	}
	g.must(g.Flush(g.ctx, b.FH))
	g.must(g.Flush(g.ctx, a.FH))
	if got := g.onServer("f"); got != "new" {
		t.Errorf("on the server are %d bytes: %.5q", len(got), got)
	}
	g.Release(a.FH)
	g.Release(b.FH)
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

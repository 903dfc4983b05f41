package vfs

import (
	"bytes"
	"context"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"

	"sshfs-bridge/e2e/testenv"
)

// readersFile notes a Close while somebody reads from the file.
type readersFile struct {
	File
	reading atomic.Int64
	cut     *atomic.Int64
}

func (r *readersFile) ReadAt(ctx context.Context, buf []byte, off int64) (int, error) {
	r.reading.Add(1)
	defer r.reading.Add(-1)
	return r.File.ReadAt(ctx, buf, off)
}

func (r *readersFile) Close(ctx context.Context) (Attrs, error) {
	r.cut.Add(r.reading.Load())
	return r.File.Close(ctx)
}

type readersRemote struct {
	Remote
	cut atomic.Int64
}

func (r *readersRemote) Open(ctx context.Context, path string, flags OpenFlags, mode uint32) (File, Attrs, error) {
	f, a, err := r.Remote.Open(ctx, path, flags, mode)
	return &readersFile{File: f, cut: &r.cut}, a, err
}

// TestRead_isNotEndedByAnotherHandlesRelease has one handle wait for what is on its way
// through the file of another, the node's writer, when that one is released.
func TestRead_isNotEndedByAnotherHandlesRelease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const piece = 1 << 20
		g := newRig(t, Options{}, testenv.CountOptions{Delay: testDelay, Settle: -1})
		g.file("f", strings.Repeat("0123456789abcdef", 32*piece/16))
		watched := &readersRemote{Remote: FromRemote(g.r)}
		f := New(watched, Options{})
		defer f.Close()
		n, err := f.Lookup(g.ctx, RootIno, "f")
		g.must(err)
		reader, err := f.Open(g.ctx, n.Ino, syscall.O_RDONLY)
		g.must(err)
		both, err := f.Open(g.ctx, n.Ino, syscall.O_RDWR)
		g.must(err)
		for i := range int64(8) { // a stream, which is fetched ahead
			_, _, err := f.Read(g.ctx, both.FH, make([]byte, piece), i*piece)
			g.must(err)
		}
		var group sync.WaitGroup
		group.Go(func() {
			_, _, err := f.Read(g.ctx, reader.FH, make([]byte, piece), 8*piece)
			g.must(err)
		})
		f.Release(both.FH)
		group.Wait()
		f.Release(reader.FH)
		synctest.Wait()
		if n := watched.cut.Load(); n > 0 {
			t.Errorf("a file was closed under %d reads", n)
		}
	})
}

// Two programs that read one file at the same time have its bytes fetched once, and read
// ahead as one reader has.
func TestTwoReadersOfOneFile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const size = 16 << 20
		g := newRig(t, Options{}, testenv.CountOptions{Delay: testDelay, Settle: -1})
		want := g.large("f", size)
		f := g.lookup(g.root, "f")
		r := g.srv.Rounds(func() {
			var group sync.WaitGroup
			for range 2 {
				group.Go(func() {
					o, err := g.Open(g.ctx, f, syscall.O_RDONLY)
					g.must(err)
					defer g.Release(o.FH)
					if !bytes.Equal(g.readAll(o.FH, size), want) {
						t.Error("other bytes were read")
					}
				})
			}
			group.Wait()
		})
		if r.BytesRead != size {
			t.Errorf("%d bytes came, of a file of %d", r.BytesRead, size)
		}
		if s := g.Stats(); s.WastedBytes > 0 {
			t.Errorf("%d bytes were fetched for nothing", s.WastedBytes)
		}
	})
}

// slowTruncation is a file whose truncations are queued, and take a while to return.
type slowTruncation struct {
	File
	hold chan struct{}
}

func (s slowTruncation) Setstat(ctx context.Context, a Attrs) error {
	err := s.File.Setstat(ctx, a)
	<-s.hold
	return err
}

type slowTruncations struct {
	Remote
	hold chan struct{}
}

func (s slowTruncations) Open(ctx context.Context, path string, flags OpenFlags, mode uint32) (File, Attrs, error) {
	f, a, err := s.Remote.Open(ctx, path, flags, mode)
	return slowTruncation{f, s.hold}, a, err
}

// Of a file that one empties while another writes, what is shown is what the server
// will have.
func TestTruncatedBesideAWrite(t *testing.T) {
	bubble(t, Options{NoBackgroundCheck: true}, func(g *rig) {
		slow := slowTruncations{FromRemote(g.r), make(chan struct{})}
		g.FS.Close()
		g.FS = New(slow, g.opts)
		g.file("f", "some text")
		f := g.lookup(g.root, "f")
		w, err := g.Open(g.ctx, f, syscall.O_RDWR)
		g.must(err)
		var e Opened
		emptied := g.start(func() { e, err = g.Open(g.ctx, f, syscall.O_RDWR|syscall.O_TRUNC); g.must(err) })
		wrote := g.start(func() { g.must(g.Write(g.ctx, w.FH, []byte("new"), 0, 0)) })
		close(slow.hold)
		<-emptied
		<-wrote
		a, _, err := g.GetAttr(g.ctx, f)
		g.must(err)
		g.must(g.Flush(g.ctx, w.FH))
		if got := g.onServer("f"); got != "new" || a.Size != 3 {
			t.Errorf("shown were %d bytes, the server has %q", a.Size, got)
		}
		g.Release(w.FH)
		g.Release(e.FH)
	})
}

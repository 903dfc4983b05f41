package vfs

import (
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

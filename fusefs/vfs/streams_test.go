package vfs

import (
	"bytes"
	"fmt"
	"syscall"
	"testing"
	"time"

	"sshfs-bridge/e2e/testenv"
)

// Readers of many files at a time share what is read ahead: nothing that was fetched
// is dropped before its reader comes to it, and the budget is kept. One that is
// left alone has all of it again.
func TestStreamsShareTheWindow(t *testing.T) {
	const (
		budget  = 8 << 20
		size    = 4 << 20
		readers = 4
		step    = 128 << 10
	)
	g := newRig(t, Options{CacheBytes: budget}, testenv.CountOptions{Delay: testDelay})
	var want [readers][]byte
	var opened [readers]Opened
	for i := range readers {
		want[i] = g.large(fmt.Sprint("f", i), size)
	}
	for i := range readers {
		o, err := g.Open(g.ctx, g.lookup(g.root, fmt.Sprint("f", i)), syscall.O_RDONLY)
		g.must(err)
		opened[i] = o
	}
	for off := int64(0); off < size; off += step {
		for i, o := range opened {
			_, vec, err := g.Read(g.ctx, o.FH, make([]byte, step), off)
			g.must(err)
			if !bytes.Equal(bytes.Join(vec, nil), want[i][off:off+step]) {
				t.Fatalf("other bytes at %d of file %d", off, i)
			}
		}
		if s := g.Stats(); s.CacheBytes > budget+readers*pieceSize {
			t.Fatalf("%d bytes in a cache of %d", s.CacheBytes, budget)
		}
	}
	if w := g.readWindow(); w > budget/2/readers {
		t.Errorf("each of %d readers may have %d bytes read ahead of %d", readers, w, budget)
	}
	if s := g.Stats(); s.AheadBytes == 0 || s.WastedBytes > 0 {
		t.Errorf("%d bytes were fetched ahead, %d of them for nothing", s.AheadBytes, s.WastedBytes)
	}
	for _, o := range opened {
		g.Release(o.FH)
	}
	if n := g.streams.Load(); n != 0 {
		t.Errorf("%d streams of closed files", n)
	}
}

// What was fetched ahead of readers that have gone is no more worth than what was read: a
// file that somebody reads again and again stays in the cache.
func TestWhatNobodyComesToLeavesTheCache(t *testing.T) {
	bubble(t, Options{CacheBytes: 8 << 20, NoPrefetch: true}, func(g *rig) {
		const step = 128 << 10
		for i := range 8 {
			name := fmt.Sprint("f", i)
			g.large(name, 16<<20)
			o, err := g.Open(g.ctx, g.lookup(g.root, name), syscall.O_RDONLY)
			g.must(err)
			for off := int64(0); off < 2<<20; off += step {
				g.part(o.FH, off, step)
			}
			time.Sleep(time.Second) // what is on its way arrives
			g.Release(o.FH)
		}
		g.large("again", 4<<20)
		again := g.lookup(g.root, "again")
		g.read(again)
		if r := g.srv.Rounds(func() { g.read(again) }); r.BytesRead > 0 {
			t.Errorf("%d bytes were fetched of what had just been read", r.BytesRead)
		}
	})
}

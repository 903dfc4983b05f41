package remote_test

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sshfs-bridge/e2e/testenv"
	"sshfs-bridge/fusefs/remote"
)

// memoryBound is what a Remote of o may hold at most, as its documentation says.
func memoryBound(o remote.Options) int64 {
	channels := cmp.Or(o.MaxChannels, 10) * cmp.Or(o.MaxConnections, 3)
	window := cmp.Or(o.WindowBytes, 64<<20)
	return int64(2*window + window/2 + channels*(2<<20+512<<10))
}

// small are quick options of a Remote whose bound is a fraction of bulk.
func small() remote.Options {
	o := quick()
	o.WindowBytes, o.MaxChannels, o.MaxConnections = 8<<20, 4, 1
	return o
}

// watchHeap looks again and again at what lives on the heap, without the test's own
// bytes, and gives what has been the most of it over what there was when it began.
func watchHeap(t testing.TB, own func() int64) (most func() int64) {
	t.Helper()
	start, end := heapInUse()-own(), make(chan struct{})
	var high int64
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			high = max(high, heapInUse()-own())
			select {
			case <-end:
				return
			case <-time.After(50 * time.Millisecond):
			}
		}
	})
	return func() int64 {
		close(end)
		wg.Wait()
		return high - start
	}
}

// withinBound checks what a Remote of o has held at most.
func withinBound(t testing.TB, held int64, o remote.Options) {
	t.Helper()
	t.Logf("%d KiB are held, the bound is %d", held>>10, memoryBound(o)>>10)
	if held > memoryBound(o) {
		t.Error("that is too much")
	}
}

// heapInUse is what lives on the heap, without what pools keep for later.
func heapInUse() int64 {
	runtime.GC()
	runtime.GC() // the first leaves it
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// TestMemory_scatteredWrites fills the window with pieces that no other one joins: the
// server, which is in the same process, has taken as much again.
func TestMemory_scatteredWrites(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := quick()
		o.WindowBytes, o.MaxChannels, o.MaxConnections = 16<<20, 10, 1
		o.KeepaliveInterval, o.DataTimeout = time.Minute, time.Minute
		g := newRig(t, testenv.CountOptions{Delay: 20 * time.Millisecond, Settle: -1, Window: 2 << 20}, o)
		f := g.open("f", forWrite)
		check(t, writeAll(t.Context(), f, make([]byte, 64<<20), 1<<20)) // the link is fast, and known
		_, err := f.Flush(t.Context())
		check(t, err)
		g.server.Stall()
		start := heapInUse()
		const piece = 64 << 10 // a quarter of a packet
		for i := range o.WindowBytes / piece {
			check(t, f.WriteAt(t.Context(), make([]byte, piece), int64(i)*2*piece))
		}
		withinBound(t, heapInUse()-start, o)
		g.server.Resume()
		_, err = f.Close(t.Context())
		check(t, err)
	})
}

// TestMemory_singleBytes has a program write single bytes here and there while the
// server takes nothing.
func TestMemory_singleBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := quick()
		o.WindowBytes, o.MaxChannels, o.MaxConnections = 16<<20, 1, 1
		o.KeepaliveInterval, o.DataTimeout = time.Minute, time.Minute
		g := newRig(t, testenv.CountOptions{}, o)
		f := g.open("f", forWrite)
		g.server.Stall()
		start := heapInUse()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		var err error
		n := int64(-1)
		for ; err == nil; n++ {
			err = f.WriteAt(ctx, []byte{1}, 2*(n+1))
		}
		if !errors.Is(err, remote.ErrTimeout) || n < 1000 {
			t.Errorf("after %d writes: %v", n, err)
		}
		held := heapInUse() - start
		t.Logf("%d writes, %d bytes each", n, held/n)
		if most := int64(o.WindowBytes/2 + 4<<20); held > most { // what is on its way besides
			t.Errorf("%d bytes are held, the bound is %d", held, most)
		}
		g.server.Resume()
		_, err = f.Close(t.Context())
		check(t, err)
		want := bytes.Repeat([]byte{1, 0}, int(n))
		same(t, "the file", g.onServer("f"), want[:len(want)-1])
	})
}

package vfs

import (
	"fmt"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"sshfs-bridge/e2e/testenv"
)

// afterwards counts what is asked for from now on, with nobody there to use it.
func (g *rig) afterwards() testenv.Rounds {
	g.t.Helper()
	return g.srv.Rounds(func() { time.Sleep(10 * time.Second) })
}

// coming is how many bytes of a file are on their way.
func (g *rig) coming(ino uint64) (n int64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, s := range g.nodes[ino].file.spans {
		if !s.ready() {
			n += s.end - s.off
		}
	}
	return n
}

// Nothing more of a file is asked for once its reader has closed it.
func TestStreamStopsWithItsReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const size = 64 << 20
		g := newRig(t, Options{NoBackgroundCheck: true}, testenv.CountOptions{Delay: 50 * time.Millisecond, Settle: -1, Window: 2 << 20, MaxSessions: 10})
		g.file("f", "")
		g.must(os.Truncate(g.dir+"/f", size))
		time.Sleep(2 * time.Second)
		ino := g.lookup(g.root, "f")
		o, err := g.Open(g.ctx, ino, syscall.O_RDONLY)
		g.must(err)
		g.readAll(o.FH, 8<<20)
		coming := g.coming(ino)
		g.Release(o.FH)
		before := g.Stats()
		if n := g.coming(ino); n > 0 {
			t.Errorf("%d MiB are being fetched for nobody", n>>20)
		}
		r := g.afterwards()
		t.Logf("%d MiB asked for ahead of 8, %d of them on their way at the close, %v afterwards", before.AheadBytes>>20, coming>>20, r.Requests)
		if n := r.Requests["read"]; n > 0 {
			t.Errorf("%d reads were sent after the close", n)
		}
		if coming < 4<<20 {
			t.Errorf("only %d bytes were on their way: there was nothing to stop", coming)
		}
		// What had been sent for comes, and nobody keeps it.
		s := g.Stats()
		if s.AheadBytes != before.AheadBytes || s.CacheBytes != before.CacheBytes || s.WastedBytes < uint64(coming) {
			t.Errorf("%d bytes more were asked for and %d kept, and %d of %d are counted as wasted",
				s.AheadBytes-before.AheadBytes, s.CacheBytes-before.CacheBytes, s.WastedBytes, coming)
		}
	})
}

// Somebody who stops in the middle of a large tree has few more directories listed for
// nothing, however far he has come; those are counted.
func TestWalkStopsWithItsWalker(t *testing.T) {
	bubble(t, Options{NoBackgroundCheck: true}, func(g *rig) {
		for i := range 60 {
			for j := range 50 {
				g.must(os.MkdirAll(fmt.Sprintf("%s/a%02d/b%02d", g.dir, i, j), 0o755))
			}
		}
		left := 300
		var walk func(ino uint64)
		walk = func(ino uint64) {
			left--
			for _, name := range g.list(ino) {
				if left == 0 {
					return
				}
				walk(g.lookup(ino, name))
			}
		}
		var there Stats
		listed := g.srv.Rounds(func() {
			walk(g.root)
			there = g.Stats()
			time.Sleep(10 * time.Second)
		}).Requests["opendir"]
		s := g.Stats()
		t.Logf("%d directories were listed for 300, %d ahead, %d of them were used", listed, s.ListedAhead, s.ListedUsed)
		if n := s.ListedAhead - there.ListedAhead; n > walkCredit {
			t.Errorf("%d listings were begun after the walk", n)
		}
		if s.ListedUsed < 250 {
			t.Errorf("%d of 300 directories were listed ahead", s.ListedUsed)
		}
		if waste := int(s.ListedAhead - s.ListedUsed); waste != listed-300 || waste > 3*walkCredit {
			t.Errorf("%d listings are counted as unused, of %d for 300 directories", waste, listed)
		}
	})
}

// A walk of a large tree waits for nothing but the listings that are under way at a
// time, to its end: what comes next is listed next.
func TestWalkOfALargeTree(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const rtt, dirs = 100 * time.Millisecond, 1 + 40 + 40*40
		g := newRig(t, Options{NoBackgroundCheck: true}, testenv.CountOptions{Delay: rtt / 2})
		for i := range 40 {
			for j := range 40 {
				g.must(os.MkdirAll(fmt.Sprintf("%s/a%02d/b%02d", g.dir, i, j), 0o755))
			}
		}
		walked := 0
		var walk func(ino uint64)
		walk = func(ino uint64) {
			walked++
			for _, name := range g.list(ino) {
				walk(g.lookup(ino, name))
			}
		}
		start := time.Now()
		walk(g.root)
		took := time.Since(start)
		s := g.Stats()
		t.Logf("%d directories in %v, %d of them listed ahead", walked, took, s.ListedUsed)
		// A listing takes two round trips; the first ones have nobody beside them.
		if best := (dirs/walkParallel + 6) * 2 * rtt; walked != dirs || took > best {
			t.Errorf("%d of %d directories took %v, want %v", walked, dirs, took, best)
		}
		if unused := s.ListedAhead - s.ListedUsed; unused > 0 {
			t.Errorf("%d directories were listed twice", unused)
		}
	})
}

// Of a directory's files no other is opened for somebody who stops reading them.
func TestSiblingsStopWithTheirReader(t *testing.T) {
	bubble(t, Options{NoBackgroundCheck: true}, func(g *rig) {
		for i := range 1000 {
			g.file(fmt.Sprintf("f%04d", i), "content")
		}
		names := g.list(g.root)
		for _, name := range names[:50] {
			g.read(g.lookup(g.root, name))
		}
		synctest.Wait()
		r := g.afterwards()
		s := g.Stats()
		t.Logf("%d files were asked for ahead of 50, %v afterwards", s.AheadBytes/7, r.Requests)
		if r.Requests["open"] > 0 || r.Requests["read"] > siblingLimit {
			t.Errorf("afterwards: %v", r.Requests)
		}
		time.Sleep(time.Hour)
		if s := g.Stats(); s.WastedBytes > siblingLimit*7 {
			t.Errorf("%d bytes were fetched for nothing", s.WastedBytes)
		}
	})
}

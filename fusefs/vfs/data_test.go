package vfs

import (
	"bytes"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"sshfs-bridge/e2e/testenv"
)

func (g *rig) large(name string, size int) []byte {
	g.t.Helper()
	b := make([]byte, size)
	rand.NewChaCha8([32]byte{7}).Read(b)
	g.file(name, string(b))
	return b
}

// A sequential reader waits ever less often: the window grows until the link is
// full, whatever its delay.
func TestReadAheadGrows(t *testing.T) {
	g := newRig(t, Options{}, testenv.CountOptions{Delay: 10 * time.Millisecond})
	want := g.large("f", 24<<20)
	g.list(g.root)
	o, err := g.Open(g.ctx, g.lookup(g.root, "f"), syscall.O_RDONLY)
	g.must(err)
	defer g.Release(o.FH)
	var got []byte
	r := g.srv.Rounds(func() { got = g.readAll(o.FH, int64(len(want))) })
	if !bytes.Equal(got, want) {
		t.Error("other bytes")
	}
	t.Logf("%d round trips for 24 MiB, %v", r.Depth, r.Requests)
	if r.Depth > 48 { // 192 reads of 128 KiB; a handful on an idle machine
		t.Errorf("%d round trips", r.Depth)
	}
	if r.BytesRead > int64(len(want)) {
		t.Errorf("%d bytes fetched for %d", r.BytesRead, len(want))
	}
}

// Random reads fetch what they ask for and nothing else, be they near to one
// another or not, small or large.
func TestRandomReadsFetchNoMore(t *testing.T) {
	g := newRig(t, Options{}, testenv.CountOptions{})
	want := g.large("f", 8<<20)
	g.list(g.root)
	ino := g.lookup(g.root, "f")
	for name, c := range map[string]struct {
		size int
		at   func(i int64) int64
	}{
		"far":         {4096, func(i int64) int64 { return (i*3 + 1) % 8 << 20 }},
		"near":        {4096, func(i int64) int64 { return 3<<20 + i*5%16*20<<10 }},
		"every 64th":  {1024, func(i int64) int64 { return 5<<20 + i<<16 }},
		"large":       {128 << 10, func(i int64) int64 { return i * 5 % 16 * 300 << 10 }},
		"from behind": {4096, func(i int64) int64 { return 7<<20 - i<<14 }},
	} {
		t.Run(name, func(t *testing.T) {
			o, err := g.Open(g.ctx, ino, syscall.O_RDONLY)
			g.must(err)
			defer g.Release(o.FH)
			r := g.srv.Rounds(func() {
				for i := int64(1); i <= 10; i++ {
					off := c.at(i)
					buf := make([]byte, c.size)
					n, vec, err := g.Read(g.ctx, o.FH, buf, off)
					g.must(err)
					if vec != nil {
						buf = bytes.Join(vec, nil)
					}
					if n != c.size || !bytes.Equal(buf[:n], want[off:off+int64(n)]) {
						t.Errorf("other bytes at %d", off)
					}
				}
			})
			if r.BytesRead > int64(10*c.size) {
				t.Errorf("%d bytes for ten reads of %d", r.BytesRead, c.size)
			}
		})
	}
}

// advised is a remote that recommends a window of its own.
type advised struct {
	Remote
	window int
}

func (r advised) ReadWindow() int { return r.window }
func (r advised) MaxRead() int    { return 64 << 10 }

// A sequential reader has as much asked for as the remote recommends, which is
// how the remote notices that more channels would be of use, and not much more.
func TestReadAheadAsTheRemoteRecommends(t *testing.T) {
	g := newRig(t, Options{}, testenv.CountOptions{Delay: 3 * testDelay})
	g.large("f", 48<<20)
	const read = 8 << 20
	for _, window := range []int64{1 << 20, 16 << 20} {
		f := New(advised{FromRemote(g.r), int(window)}, Options{CacheBytes: 256 << 20, UID: g.opts.UID, GID: g.opts.GID})
		h := *g
		h.FS = f
		o, err := f.Open(g.ctx, h.lookup(RootIno, "f"), syscall.O_RDONLY)
		g.must(err)
		h.readAll(o.FH, read)
		// All of it is one stream, so what is beyond what was read was asked for
		// in advance. A reader that is slow itself needs less.
		if ahead := f.Stats().CacheBytes - read; ahead < window/8 || ahead > window+pieceSize {
			t.Errorf("%d bytes asked for in advance, recommended are %d", ahead, window)
		}
		f.Release(o.FH)
		f.Close()
	}
}

// What is fetched ahead is at most eight times what was read, and it ends with the
// reader.
func TestReadAheadIsBounded(t *testing.T) {
	g := newRig(t, Options{}, testenv.CountOptions{Delay: testDelay})
	g.large("f", 32<<20)
	g.list(g.root)
	o, err := g.Open(g.ctx, g.lookup(g.root, "f"), syscall.O_RDONLY)
	g.must(err)
	const read = 1 << 20
	g.readAll(o.FH, read)
	g.Release(o.FH)
	testenv.Eventually(t, 5*time.Second, "nothing is on its way", func() bool {
		s := g.Stats()
		return s.CacheBytes <= (growth+1)*read+pieceSize
	})
	if s := g.Stats(); s.AheadBytes > growth*read+pieceSize {
		t.Errorf("%d bytes ahead for %d read", s.AheadBytes, read)
	}
}

// The budget is kept, and what is dropped is fetched again.
func TestCacheBudget(t *testing.T) {
	const budget = 4 << 20
	g := newRig(t, Options{CacheBytes: budget}, testenv.CountOptions{})
	want := g.large("f", 16<<20)
	g.list(g.root)
	for range 2 {
		if got := g.read(g.lookup(g.root, "f")); got != string(want) {
			t.Fatal("other bytes")
		}
		if s := g.Stats(); s.CacheBytes > budget+pieceSize {
			t.Errorf("%d bytes cached", s.CacheBytes)
		}
	}
}

// A budget that is made smaller while the filesystem is in use is kept from then on,
// by what is in memory and by what is read ahead.
func TestCacheBudget_changes(t *testing.T) {
	g := newRig(t, Options{CacheBytes: 16 << 20}, testenv.CountOptions{})
	want := g.large("f", 12<<20)
	g.list(g.root)
	ino := g.lookup(g.root, "f")
	if g.read(ino) != string(want) {
		t.Fatal("other bytes")
	}
	for _, budget := range []int64{2 << 20, 8 << 20} {
		g.SetCacheBytes(budget)
		if s := g.Stats(); s.CacheBytes > budget {
			t.Errorf("%d bytes cached of %d", s.CacheBytes, budget)
		}
		if g.read(ino) != string(want) {
			t.Fatal("other bytes")
		}
		if s := g.Stats(); s.CacheBytes > budget+pieceSize || s.CacheBytes < budget/2 {
			t.Errorf("%d bytes cached of %d after reading", s.CacheBytes, budget)
		}
		if w := g.readWindow(); w > budget/2 {
			t.Errorf("%d bytes are read ahead of a budget of %d", w, budget)
		}
	}
	g.SetCacheBytes(0) // no budget: left as it is
	if s := g.Stats(); s.CacheBytes < 4<<20 {
		t.Errorf("%d bytes cached", s.CacheBytes)
	}
}

// Cached data last as long as size and time of the file.
func TestCachedDataAreChecked(t *testing.T) {
	g := newRig(t, Options{Cache: CacheStrict}, testenv.CountOptions{})
	g.file("f", "first")
	ino := g.lookup(g.root, "f")
	if g.read(ino) != "first" {
		t.Fatal("first read")
	}
	r := g.srv.Rounds(func() {
		if g.read(ino) != "first" {
			t.Error("second read")
		}
	})
	if r.Requests["read"] != 0 {
		t.Errorf("data were fetched again: %v", r.Requests)
	}
	g.file("f", "other")
	later := time.Now().Add(-30 * time.Minute)
	g.must(os.Chtimes(filepath.Join(g.dir, "f"), later, later))
	if got := g.read(ino); got != "other" {
		t.Errorf("read %q", got)
	}
	// Changed within a second of being read: the time may not tell.
	g.must(os.WriteFile(filepath.Join(g.dir, "f"), []byte("racy1"), 0o644))
	g.read(ino)
	g.must(os.WriteFile(filepath.Join(g.dir, "f"), []byte("racy2"), 0o644))
	if got := g.read(ino); got != "racy2" {
		t.Errorf("read %q", got)
	}
}

// Siblings that are read ahead of somebody who then stops are few.
func TestSiblingsStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, Options{}, testenv.CountOptions{Delay: testDelay})
		for i := range 200 {
			g.large("d/f"+strconv.Itoa(1000+i), 10_000)
		}
		d := g.lookup(g.root, "d")
		names := g.list(d)
		for _, name := range names[:6] {
			g.read(g.lookup(d, name))
		}
		time.Sleep(time.Minute) // whatever is fetched is here by now
		if s := g.Stats(); s.AheadBytes > 64*10_000 {
			t.Errorf("%d bytes were read ahead of six files", s.AheadBytes)
		}
		// In no order nothing is.
		before := g.Stats().AheadBytes
		for _, i := range []int{150, 120, 190, 100, 170, 110} {
			g.read(g.lookup(d, names[i]))
		}
		if s := g.Stats(); s.AheadBytes != before {
			t.Errorf("%d bytes were read ahead of a random reader", s.AheadBytes-before)
		}
	})
}

// The numbers of inodes are the same for another filesystem over the same tree.
func TestInodeNumbersLast(t *testing.T) {
	g := newRig(t, Options{}, testenv.CountOptions{})
	g.tree(3, 3)
	h := New(FromRemote(g.r), Options{})
	t.Cleanup(h.Close)
	for _, dir := range g.list(g.root) {
		a, err := h.Lookup(g.ctx, RootIno, dir)
		g.must(err)
		ino := g.lookup(g.root, dir)
		if a.Ino != ino {
			t.Errorf("%s: %d and %d", dir, a.Ino, ino)
		}
		for _, name := range g.list(ino) {
			b, err := h.Lookup(g.ctx, a.Ino, name)
			g.must(err)
			if c := g.lookup(ino, name); b.Ino != c {
				t.Errorf("%s/%s: %d and %d", dir, name, b.Ino, c)
			}
		}
	}
}

// Nodes beyond the limit are forgotten, and found again.
func TestNodesAreForgotten(t *testing.T) {
	g := newRig(t, Options{MaxNodes: 100}, testenv.CountOptions{})
	g.tree(20, 20)
	for range 2 {
		for _, dir := range g.list(g.root) {
			ino := g.lookup(g.root, dir)
			for _, name := range g.list(ino) {
				n, err := g.Lookup(g.ctx, ino, name)
				g.must(err)
				g.Forget(n.Ino, 1<<30)
			}
			g.Forget(ino, 1<<30)
			g.mu.Lock()
			g.evicted = zeroTime
			for _, n := range g.nodes {
				if n.dir != nil {
					n.dir.usedAt = n.dir.usedAt.Add(-time.Minute)
				}
			}
			g.mu.Unlock()
		}
		testenv.Eventually(t, 10*time.Second, "most nodes are forgotten",
			func() bool { return g.Stats().Nodes <= 160 })
	}
}

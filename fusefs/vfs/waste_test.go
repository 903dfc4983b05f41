package vfs

import (
	"math/rand/v2"
	"os"
	"strconv"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// What was fetched ahead and not used is counted, and is at most eight times what
// was read, however somebody reads: in sequence and then no more, here and there in
// pieces, forwards in steps, from behind, two streams through one handle.
func TestWasteIsBounded(t *testing.T) {
	const block, size = 128 << 10, 64 << 20
	for name, pattern := range map[string]func(r *rand.Rand, read func(off int64)){
		"one stream": func(_ *rand.Rand, read func(int64)) {
			for off := int64(0); off < 5<<20; off += block {
				read(off)
			}
		},
		"a stream from the middle": func(_ *rand.Rand, read func(int64)) {
			for off := int64(20 << 20); off < 21<<20; off += block {
				read(off)
			}
		},
		"one block": func(_ *rand.Rand, read func(int64)) { read(0) },
		"short runs anywhere": func(r *rand.Rand, read func(int64)) {
			for range 10 {
				off := r.Int64N(size - 2<<20)
				for range 1 + r.IntN(12) {
					read(off)
					off += block
				}
			}
		},
		"every third block": func(_ *rand.Rand, read func(int64)) {
			for off := int64(0); off < 12<<20; off += 3 * block {
				read(off)
			}
		},
		"from behind": func(_ *rand.Rand, read func(int64)) {
			for off := int64(size - block); off > 58<<20; off -= block {
				read(off)
			}
		},
		"two streams in one": func(_ *rand.Rand, read func(int64)) {
			for off := int64(0); off < 4<<20; off += block {
				read(off)
				read(off + 32<<20)
			}
		},
		"at random": func(r *rand.Rand, read func(int64)) {
			for range 40 {
				read(r.Int64N(size - block))
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, Options{}, func(g *rig) {
				seed := uint64(len(name))
				f, err := os.Create(g.dir + "/f")
				g.must(err)
				g.must(f.Truncate(size))
				g.must(f.Close())
				old := time.Now().Add(-time.Hour)
				g.must(os.Chtimes(g.dir+"/f", old, old))
				ino := g.lookup(g.root, "f")
				total := int64(0)
				var crossed int64
				r := g.srv.Rounds(func() {
					for range 2 {
						o, err := g.Open(g.ctx, ino, syscall.O_RDONLY)
						g.must(err)
						pattern(rand.New(rand.NewPCG(seed, 1)), func(off int64) {
							_, _, err := g.Read(g.ctx, o.FH, make([]byte, block), off)
							g.must(err)
							total += block
						})
						g.Release(o.FH)
						time.Sleep(time.Second) // what is on its way arrives
						g.mu.Lock()
						g.spans.dropAll(g.nodes[ino])
						g.mu.Unlock()
					}
				})
				crossed = r.BytesRead
				s := g.Stats()
				t.Logf("%d KiB read, %d fetched, %d of them ahead, %d wasted", total>>10, crossed>>10, s.AheadBytes>>10, s.WastedBytes>>10)
				if int64(s.WastedBytes) > growth*total {
					t.Errorf("%d bytes wasted for %d read", s.WastedBytes, total)
				}
				if s.WastedBytes > s.AheadBytes {
					t.Errorf("%d bytes wasted of %d ahead", s.WastedBytes, s.AheadBytes)
				}
				// Nothing crosses the link that is not counted.
				if crossed > total+int64(s.WastedBytes) {
					t.Errorf("%d bytes crossed the link, %d were read and %d are counted as wasted", crossed, total, s.WastedBytes)
				}
				if s.CacheBytes != 0 {
					t.Errorf("%d bytes are left", s.CacheBytes)
				}
			})
		})
	}
}

// A program that stops in the middle of a walk, or of the files of a directory, has
// no more fetched for it once what was on its way has come.
func TestAheadEndsWithTheUser(t *testing.T) {
	bubble(t, Options{NoBackgroundCheck: true}, func(g *rig) {
		for i := range 40 {
			for j := range 30 {
				g.must(os.MkdirAll(g.dir+"/a"+strconv.Itoa(10+i)+"/b"+strconv.Itoa(10+j)+"/c", 0o755))
			}
		}
		for i := range 300 {
			g.file("files/f"+strconv.Itoa(1000+i), "content")
		}
		first := g.list(g.root)[0]
		a := g.lookup(g.root, first)
		b := g.lookup(a, g.list(a)[0])
		g.list(b)
		time.Sleep(10 * time.Second)
		if n := g.Stats().ListedAhead; n == 0 || n > 2*walkCredit {
			t.Errorf("%d directories of 2400 were listed ahead of three", n)
		}
		d := g.lookup(g.root, "files")
		names := g.list(d)
		for _, name := range names[:5] {
			g.read(g.lookup(d, name))
		}
		time.Sleep(10 * time.Second)
		if n := g.Stats().AheadBytes / 7; n == 0 || n > siblingLimit {
			t.Errorf("%d files of 300 were fetched ahead of five", n)
		}
		synctest.Wait()
		if r := g.srv.Rounds(func() { time.Sleep(5 * time.Minute) }); r.Total() != 0 {
			t.Errorf("in five minutes without a user: %v", r.Requests)
		}
	})
}

package vfs

import (
	"errors"
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"sshfs-bridge/e2e/testenv"
)

// The limits hold at every moment while far more is asked for: open files, cached
// bytes, remembered names. Who is refused is told so, and what is open goes on.
func TestLimitsAreKeptUnderLoad(t *testing.T) {
	const maxOpen, budget, maxNodes, dirs, files = 12, 3 << 20, 120, 12, 40
	g := newRig(t, Options{MaxOpen: maxOpen, CacheBytes: budget, MaxNodes: maxNodes}, testenv.CountOptions{Delay: time.Millisecond, Settle: -1})
	content := string(make([]byte, 100_000))
	for d := range dirs {
		for i := range files {
			g.file("d"+strconv.Itoa(10+d)+"/f"+strconv.Itoa(10+i), content)
		}
	}
	stop := make(chan struct{})
	var watch sync.WaitGroup
	var mostOpen, mostBytes int64
	watch.Go(func() {
		for {
			select {
			case <-stop:
				return
			case <-time.After(time.Millisecond):
			}
			s := g.Stats()
			mostOpen = max(mostOpen, int64(s.OpenHandles))
			mostBytes = max(mostBytes, s.CacheBytes)
		}
	})
	var refused, opened atomic.Int64
	var wg sync.WaitGroup
	for worker := range 40 {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(uint64(worker), 3))
			for range 12 {
				d, err := g.Lookup(g.ctx, g.root, "d"+strconv.Itoa(10+r.IntN(dirs)))
				if err != nil {
					t.Errorf("lookup: %v", err)
					return
				}
				n, err := g.Lookup(g.ctx, d.Ino, "f"+strconv.Itoa(10+r.IntN(files)))
				if err != nil {
					t.Errorf("lookup: %v", err)
					return
				}
				o, err := g.Open(g.ctx, n.Ino, syscall.O_RDONLY)
				switch {
				case errors.Is(err, syscall.ENFILE):
					refused.Add(1)
				case err != nil:
					t.Errorf("open: %v", err)
				default:
					opened.Add(1)
					if got := len(g.readAll(o.FH, int64(len(content)))); got != len(content) {
						t.Errorf("%d bytes read", got)
					}
					g.Release(o.FH)
				}
				g.Forget(n.Ino, 1)
				g.Forget(d.Ino, 1)
			}
		})
	}
	wg.Wait()
	close(stop)
	watch.Wait()
	t.Logf("%d opened, %d refused; at most %d open, %d KiB cached", opened.Load(), refused.Load(), mostOpen, mostBytes>>10)
	if refused.Load() == 0 || opened.Load() == 0 || mostOpen > maxOpen {
		t.Errorf("%d open at once, %d allowed", mostOpen, maxOpen)
	}
	// What is being fetched for somebody is needed beyond the budget.
	if limit := int64(budget + maxOpen*len(content)); mostBytes > limit {
		t.Errorf("%d bytes cached, %d allowed", mostBytes, limit)
	}
	// What was used in the last second is not forgotten yet.
	testenv.Eventually(t, 10*time.Second, "names beyond the limit are forgotten", func() bool {
		return g.Stats().Nodes <= maxNodes
	})
	var open []uint64
	for i := range maxOpen {
		o, err := g.Open(g.ctx, g.lookup(g.lookup(g.root, "d10"), "f"+strconv.Itoa(10+i)), syscall.O_RDONLY)
		g.must(err)
		open = append(open, o.FH)
	}
	if _, err := g.OpenDir(g.ctx, g.root); !errors.Is(err, syscall.ENFILE) {
		t.Errorf("a directory beyond the limit: %v", err)
	}
	if _, _, err := g.Create(g.ctx, g.root, "new", syscall.O_WRONLY, 0o644); !errors.Is(err, syscall.ENFILE) {
		t.Errorf("a new file beyond the limit: %v", err)
	}
	g.missing("new")
	g.Release(open[0])
	g.list(g.root)
}

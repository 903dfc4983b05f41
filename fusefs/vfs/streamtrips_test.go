package vfs

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"sshfs-bridge/e2e/testenv"
)

// A stream over a long way waits for as few round trips as the flow of the remote
// beneath lets it, which it finds out in the first one: in a bubble's time, so that
// no processor has a part in it. One channel would take 32 round trips. The reads are
// those of the kernel for somebody who asks for much at once.
func TestStreamRoundTrips(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const (
			size = 64 << 20
			rtt  = 100 * time.Millisecond
		)
		g := newRig(t, Options{}, testenv.CountOptions{Delay: rtt / 2, Settle: -1, Window: 2 << 20, MaxSessions: 10})
		for _, name := range []string{"first", "second"} {
			p := filepath.Join(g.dir, name)
			g.must(os.WriteFile(p, nil, 0o644))
			g.must(os.Truncate(p, size))
		}
		time.Sleep(2 * time.Second)
		trips := func(name string) float64 {
			ino := g.lookup(g.root, name)
			start := time.Now()
			o, err := g.Open(g.ctx, ino, syscall.O_RDONLY)
			g.must(err)
			defer g.Release(o.FH)
			buf := make([]byte, 1<<20)
			for off := int64(0); off < size; {
				_, vec, err := g.Read(g.ctx, o.FH, buf, off)
				g.must(err)
				before := off
				for _, v := range vec {
					off += int64(len(v))
				}
				if off == before {
					t.Fatalf("%s ends at %d", name, off)
				}
			}
			return float64(time.Since(start)) / float64(rtt)
		}
		// One to open it.
		first, second := trips("first"), trips("second")
		t.Log(fmt.Sprintf("%.1f and %.1f round trips", first, second), g.r.Status().Channels, "channels")
		if max(first, second) > 7.5 {
			t.Errorf("64 MiB took %.1f round trips, and again %.1f; want 7 at most", first, second)
		}
		if s := g.Stats(); s.WastedBytes > 0 {
			t.Errorf("%d bytes were fetched for nothing", s.WastedBytes)
		}
	})
}

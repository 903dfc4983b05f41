package remote_test

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sync/errgroup"

	"sshfs-bridge/e2e/testenv"
	"sshfs-bridge/fusefs/remote"
)

// farDialer makes connections that cost the round trips which SSH takes: eight for
// TCP, versions, keys and the login, and two for a channel with its subsystem.
type farDialer struct {
	*rigDialer
	rtt time.Duration
}

func (d farDialer) Dial(ctx context.Context, interactive bool) (remote.Conn, error) {
	time.Sleep(7 * d.rtt)
	c, err := d.rigDialer.Dial(ctx, interactive)
	if err != nil {
		return nil, err
	}
	return farConn{c, d.rtt}, nil
}

type farConn struct {
	remote.Conn
	rtt time.Duration
}

func (c farConn) OpenSFTP(ctx context.Context) (io.ReadWriteCloser, error) {
	time.Sleep(c.rtt)
	return c.Conn.OpenSFTP(ctx)
}

// discardAll reads n bytes as read-ahead does, in pieces of four READs, and keeps
// nothing.
func discardAll(ctx context.Context, f *remote.File, n int) error {
	const chunk, ahead = int64(4 * 255 << 10), 64
	var next atomic.Int64
	var group errgroup.Group
	for range ahead {
		group.Go(func() error {
			buf := make([]byte, chunk)
			for {
				off := next.Add(chunk) - chunk
				if off >= int64(n) {
					return nil
				}
				if _, err := f.ReadAt(ctx, buf[:min(chunk, int64(n)-off)], off); err != nil {
					return err
				}
			}
		})
	}
	return group.Wait()
}

// trips says how many round trips f takes.
func trips(rtt time.Duration, f func()) float64 {
	start := time.Now()
	f()
	return float64(time.Since(start)) / float64(rtt)
}

// TestRamp_roundTrips moves files of 128 MB over a long way in a bubble's time:
// what it takes is what the protocol alone makes of the way, on any machine. Before the
// first one nothing was read or written; the link is two seconds old. One channel would
// take 64 round trips.
func TestRamp_roundTrips(t *testing.T) {
	const size = 128 << 20
	for _, c := range []struct {
		rtt          time.Duration
		write        bool
		first, again float64 // at most
	}{
		{20 * time.Millisecond, false, 15.5, 12.5},
		{20 * time.Millisecond, true, 17.5, 12.5},
		{100 * time.Millisecond, false, 7.5, 6.5},
		{100 * time.Millisecond, true, 9.5, 8.5},
	} {
		if underRace && (c.write || c.rtt < 50*time.Millisecond) {
			continue // what is proven is no matter of interleavings
		}
		t.Run(fmt.Sprintf("rtt=%v/write=%v", c.rtt, c.write), func(t *testing.T) {
			testenv.NoLeaks(t)
			synctest.Test(t, func(t *testing.T) {
				far := testenv.CountOptions{Delay: c.rtt / 2, Settle: -1, Window: 2 << 20, MaxSessions: 10}
				g := unconnectedBy(t, far, remote.Options{}, func(d *rigDialer) remote.Dialer { return farDialer{d, c.rtt} })
				check(t, os.WriteFile(filepath.Join(g.dir, "in"), nil, 0o644))
				check(t, os.Truncate(filepath.Join(g.dir, "in"), size))
				move := func() {
					if !c.write {
						f := g.open("in", forRead)
						check(t, discardAll(t.Context(), f, size))
						f.Close(t.Context())
						return
					}
					f := g.open("out", forWrite)
					for piece, off := make([]byte, 1<<20), 0; off < size; off += len(piece) {
						check(t, f.WriteAt(t.Context(), piece, int64(off)))
					}
					_, err := f.Sync(t.Context())
					check(t, err)
					_, err = f.Close(t.Context())
					check(t, err)
				}
				connect := trips(c.rtt, func() { check(t, g.Connect(t.Context(), false)) })
				time.Sleep(2 * time.Second)
				first := trips(c.rtt, move)
				if first > c.first {
					t.Errorf("the first file took %.1f round trips, want %.1f", first, c.first)
				}
				s1 := g.Status()
				if underRace {
					return
				}
				time.Sleep(5 * time.Second)
				again := trips(c.rtt, move)
				s := g.Status()
				mbs := func(trips float64) float64 { return size / 1e6 / (trips * c.rtt.Seconds()) }
				t.Logf("round trips: connect %.1f, first %.1f (%.0f MB/s, %d channels on %d connections), again %.1f (%.0f MB/s, %d on %d)",
					connect, first, mbs(first), s1.Channels, s1.Connections, again, mbs(again), s.Channels, s.Connections)
				// Eight to log in, then channel, subsystem, INIT, limits and the root.
				if connect > 13.5 {
					t.Errorf("connecting took %.1f round trips", connect)
				}
				if again > c.again {
					t.Errorf("the next file took %.1f round trips, want %.1f", again, c.again)
				}
				if s.Counters.Reconnects > 0 || s.Channels > 10*s.Connections {
					t.Errorf("status: %+v", s)
				}
			})
		})
	}
}

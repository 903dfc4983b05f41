package remote_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"sshfs-bridge/e2e/testenv"
	"sshfs-bridge/fusefs/remote"
)

// loneDialer takes a second for each login, and notes how many are under way.
type loneDialer struct {
	*rigDialer
	under, most atomic.Int64
}

func (d *loneDialer) Dial(ctx context.Context, interactive bool) (remote.Conn, error) {
	n := d.under.Add(1)
	defer d.under.Add(-1)
	d.most.Store(max(d.most.Load(), n))
	time.Sleep(time.Second)
	return d.rigDialer.Dial(ctx, interactive)
}

// TestDial_oneAtATime: whoever wants a connection of a mount, its server sees one login
// at a time.
func TestDial_oneAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &loneDialer{}
		// So far away that further connections are made ahead, and on top of that by
		// the streams.
		g := unconnectedBy(t, testenv.CountOptions{Delay: 50 * time.Millisecond, MaxSessions: 2, Window: 64 << 10, Settle: -1}, quick(),
			func(inner *rigDialer) remote.Dialer {
				d.rigDialer = inner
				return d
			})
		g.put("f", random(1, 8<<20))
		var all sync.WaitGroup
		for range 5 {
			all.Go(func() { check(t, g.Connect(t.Context(), false)) })
		}
		all.Wait()
		for range 5 {
			f := g.open("f", forRead)
			all.Go(func() {
				_, err := readAll(t.Context(), f, 8<<20, 256<<10, 16)
				check(t, err)
				f.Close(t.Context())
			})
			time.Sleep(500 * time.Millisecond)
			g.server.Break()
			for range 3 {
				all.Go(func() {
					g.Retry()
					if err := g.Connect(t.Context(), true); err != nil && !errors.Is(err, testenv.ErrBroken) {
						t.Error(err)
					}
				})
			}
			time.Sleep(5 * time.Second)
		}
		all.Wait()
		if n := g.dialer.count(); n < 7 {
			t.Errorf("%d dials: no further connection competed", n)
		}
		if n := d.most.Load(); n != 1 {
			t.Errorf("%d logins at a time", n)
		}
	})
}

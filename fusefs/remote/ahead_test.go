package remote_test

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"sshfs-bridge/e2e/testenv"
	"sshfs-bridge/fusefs/remote"
	"sshfs-bridge/fusefs/sshdial"
)

// far is a server that is a round trip of rtt away, as OpenSSH is by default.
func far(rtt time.Duration) testenv.CountOptions {
	return testenv.CountOptions{Delay: rtt / 2, Settle: -1, Window: 2 << 20, MaxSessions: 10}
}

func TestAhead_connections(t *testing.T) {
	for rtt, want := range map[time.Duration]int{
		time.Millisecond:       1,
		20 * time.Millisecond:  1,
		100 * time.Millisecond: 2, // and no more, however far it is: the rest is opened when it is proven
		250 * time.Millisecond: 2,
	} {
		t.Run(fmt.Sprint(rtt), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := newRig(t, far(rtt), remote.Options{})
				time.Sleep(10 * time.Second)
				if s := g.Status(); s.Connections != want || int(s.Counters.Dials) != want {
					t.Errorf("%d connections, %d dials, want %d", s.Connections, s.Counters.Dials, want)
				}
				// Nobody reads or writes: they go, and do not come back for a stat.
				for range 60 {
					time.Sleep(10 * time.Second)
					_, err := g.Lstat(t.Context(), "")
					check(t, err)
				}
				if s := g.Status(); s.Connections != 1 || s.Channels > 2 || int(s.Counters.Dials) != want {
					t.Errorf("after ten minutes without data: %+v", s)
				}
				if n := g.dialer.live(); n != 1 {
					t.Errorf("after ten minutes without data %d connections are open", n)
				}
			})
		})
	}
}

// TestAhead_smallFilesDialNothing: what a further login is for is known of a stream
// only.
func TestAhead_smallFilesDialNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, far(100*time.Millisecond), remote.Options{})
		g.put("small", random(1, 500_000))
		time.Sleep(2 * time.Minute) // what was opened ahead is closed
		dials := g.dialer.count()
		for range 60 {
			f := g.open("small", forRead)
			_, err := readAll(t.Context(), f, 500_000, 1<<20, 1)
			check(t, err)
			f.Close(t.Context())
		}
		if n := g.dialer.count() - dials; n != 0 {
			t.Errorf("%d logins for small files", n)
		}
	})
}

// TestAhead_refused: a further login that is refused is not tried again, and the link
// stays what it is.
func TestAhead_refused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := unconnected(t, far(100*time.Millisecond), remote.Options{})
		g.put("f", make([]byte, 24<<20))
		check(t, g.Connect(t.Context(), false))
		g.dialer.setRefuse(&sshdial.AuthError{User: "u", Host: "h"})
		for range 2 {
			f := g.open("f", forRead)
			check(t, discardAll(t.Context(), f, 24<<20))
			f.Close(t.Context())
			time.Sleep(10 * time.Minute)
		}
		if s := g.Status(); s.State != remote.StateUp || g.dialer.count() != 2 {
			t.Errorf("%d logins, %+v", g.dialer.count(), s)
		}
	})
}

// TestAhead_maxChannels: the bounds hold from the first moment on.
func TestAhead_maxChannels(t *testing.T) {
	for _, c := range []struct{ channels, connections int }{{1, 1}, {2, 1}, {3, 1}, {1, 2}, {10, 2}} {
		t.Run(fmt.Sprint(c.channels, " on ", c.connections), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := remote.Options{MaxChannels: c.channels, MaxConnections: c.connections}
				server := far(100 * time.Millisecond)
				server.MaxSessions = 0
				g := unconnected(t, server, o)
				most, done := 0, make(chan struct{})
				var sampler sync.WaitGroup
				sampler.Go(func() {
					for tick := time.NewTicker(10 * time.Millisecond); ; {
						select {
						case <-tick.C:
							most = max(most, g.server.Sessions())
						case <-done:
							return
						}
					}
				})
				data := random(1, 8<<20)
				g.put("f", data)
				check(t, g.Connect(t.Context(), false))
				time.Sleep(2 * time.Second)
				f := g.open("f", forRead)
				got, err := readAll(t.Context(), f, len(data), 1<<20, 64)
				check(t, err)
				same(t, "read", got, data)
				f.Close(t.Context())
				close(done)
				sampler.Wait()
				if want := c.channels * c.connections; most != want {
					t.Errorf("%d sessions at once, want %d", most, want)
				}
				if n := g.dialer.count(); n > c.connections {
					t.Errorf("%d logins for %d connections", n, c.connections)
				}
			})
		})
	}
}

// A further login that is refused is not made again with the next link, as a list of
// bans must not be provoked, but when a person connects.
func TestAhead_aRefusedLoginIsNotRepeated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var refused atomic.Int32
		g := unconnectedBy(t, testenv.CountOptions{Delay: 50 * time.Millisecond}, remote.Options{}, func(d *rigDialer) remote.Dialer {
			return dialFunc(func(ctx context.Context, interactive bool) (remote.Conn, error) {
				if d.server.Sessions() > 0 {
					refused.Add(1)
					return nil, &sshdial.AuthError{User: "u", Host: "h"}
				}
				return d.Dial(ctx, interactive)
			})
		})
		check(t, g.Connect(t.Context(), false))
		for range 4 {
			time.Sleep(20 * time.Second)
			g.server.Break()
			g.eventually(remote.StateUp)
		}
		time.Sleep(5 * time.Second)
		if n := refused.Load(); n != 1 {
			t.Errorf("a refused login was made %d times", n)
		}
		g.Retry()
		g.server.Break()
		g.eventually(remote.StateUp)
		time.Sleep(20 * time.Second)
		g.server.Break()
		g.eventually(remote.StateUp)
		time.Sleep(20 * time.Second)
		if n := refused.Load(); n != 2 {
			t.Errorf("%d refused logins after a person wanted to connect, want one more", n)
		}
	})
}

// refusals counts the channels that a server refuses.
type refusals struct {
	remote.Conn
	n *atomic.Int32
}

func (c refusals) OpenSFTP(ctx context.Context) (io.ReadWriteCloser, error) {
	rwc, err := c.Conn.OpenSFTP(ctx)
	if err != nil {
		c.n.Add(1)
	}
	return rwc, err
}

// What a server bears on a connection is remembered: it is not asked for more again, and
// given as much again to a stream after a pause, in which idle channels were closed.
func TestChannels_asManyAsTheServerBears(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var refused atomic.Int32
		server := far(100 * time.Millisecond)
		server.MaxSessions = 4
		g := unconnectedBy(t, server, remote.Options{MaxConnections: 1}, func(d *rigDialer) remote.Dialer {
			return dialFunc(func(ctx context.Context, interactive bool) (remote.Conn, error) {
				c, err := d.Dial(ctx, interactive)
				if err != nil {
					return nil, err
				}
				return refusals{c, &refused}, nil
			})
		})
		check(t, os.WriteFile(filepath.Join(g.dir, "in"), nil, 0o644))
		check(t, os.Truncate(filepath.Join(g.dir, "in"), 64<<20))
		check(t, g.Connect(t.Context(), false))
		stream := func() int {
			f := g.open("in", forRead)
			defer f.Close(t.Context())
			check(t, discardAll(t.Context(), f, 64<<20))
			return g.Status().Channels
		}
		first, asked := stream(), refused.Load()
		time.Sleep(2 * time.Minute)
		if idle := g.Status().Channels; idle >= first {
			t.Errorf("%d channels after a pause, and %d while they were used", idle, first)
		}
		if again := stream(); first != 4 || again != first {
			t.Errorf("%d channels, and later %d, of the 4 that the server bears", first, again)
		}
		if n := refused.Load(); asked == 0 || n != asked {
			t.Errorf("%d channels were refused at first, and %d later", asked, n-asked)
		}
	})
}

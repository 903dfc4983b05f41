package remote_test

import (
	"context"
	"errors"
	"io"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sshfs-bridge/e2e/testenv"
	"sshfs-bridge/fusefs/remote"
)

// stubborn is a connection to a server that does not confirm the end of a session, as on
// a stalled link: a Read under way goes on until the connection ends.
type stubborn struct{ rigConn }

func (c stubborn) OpenSFTP(ctx context.Context) (io.ReadWriteCloser, error) {
	s, err := c.rigConn.OpenSFTP(ctx)
	return stubbornSession{s}, err
}

type stubbornSession struct{ io.ReadWriteCloser }

func (stubbornSession) Close() error { return nil }

type stubbornDialer struct{ *rigDialer }

func (d stubbornDialer) Dial(ctx context.Context, interactive bool) (remote.Conn, error) {
	c, err := d.rigDialer.Dial(ctx, interactive)
	if err != nil {
		return nil, err
	}
	return stubborn{c.(rigConn)}, nil
}

// TestTrim_delaysNothing closes unused channels that take their time, while a request is
// about to be late.
func TestTrim_delaysNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		so := testenv.CountOptions{Delay: 50 * time.Millisecond, Settle: -1}
		g := unconnectedBy(t, so, remote.Options{MaxConnections: 1}, func(d *rigDialer) remote.Dialer { return stubbornDialer{d} })
		check(t, g.Connect(t.Context(), false))
		g.put("f", []byte("data"))
		f := g.open("f", forRead)
		g.server.Inject(testenv.Fault{Kind: testenv.FaultSwallow, Op: "read"})
		time.Sleep(2 * time.Second)
		if n := g.Status().Channels; n < 8 {
			t.Fatalf("%d channels", n)
		}
		var group sync.WaitGroup
		group.Go(func() {
			start := time.Now()
			if _, err := f.ReadAt(t.Context(), make([]byte, 4), 0); !errors.Is(err, remote.ErrTimeout) {
				t.Error(err)
			}
			if d := time.Since(start); d > 32*time.Second {
				t.Errorf("a read that is never answered ended after %v", d)
			}
		})
		group.Wait()
		f.Close(t.Context())
	})
}

// TestTrim_isConfirmedOrNoneIsOpened closes unused channels again and again, of which the
// server keeps each one.
func TestTrim_isConfirmedOrNoneIsOpened(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		so := testenv.CountOptions{Delay: 50 * time.Millisecond, Settle: -1}
		o := remote.Options{MaxConnections: 1, MaxChannels: 6, ChannelIdle: 5 * time.Second}
		g := unconnectedBy(t, so, o, func(d *rigDialer) remote.Dialer { return stubbornDialer{d} })
		check(t, g.Connect(t.Context(), false))
		data := random(1, 32<<20)
		for range 5 {
			f := g.open("f", remote.OpenFlags{Write: true, Create: true})
			check(t, writeAll(t.Context(), f, data, 1<<20))
			_, err := f.Close(t.Context())
			check(t, err)
			same(t, "the file", g.onServer("f"), data)
			time.Sleep(time.Minute)
		}
		if n := g.server.Sessions(); n != o.MaxChannels {
			t.Errorf("the server has %d sessions, want %d", n, o.MaxChannels)
		}
	})
}

// TestChannels_brokenOnesAreReplaced has a server break the protocol on a data channel, more
// often than there are channels.
func TestChannels_brokenOnesAreReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := quick()
		o.MaxConnections, o.MaxChannels = 1, 4
		g := newRig(t, testenv.CountOptions{Delay: 5 * time.Millisecond, Settle: -1}, o)
		g.put("f", []byte("data"))
		for range 8 {
			f := g.open("f", forRead)
			g.server.Inject(testenv.Fault{Kind: testenv.FaultWrongID, Op: "read", Times: 1})
			got, err := readAll(t.Context(), f, 4, 4, 1)
			check(t, err)
			same(t, "read", got, []byte("data"))
			f.Close(t.Context())
			time.Sleep(5 * time.Second)
		}
		if s := g.Status(); s.Channels < 2 || s.Counters.Dials != 1 {
			t.Errorf("%d channels after %d dials", s.Channels, s.Counters.Dials)
		}
	})
}

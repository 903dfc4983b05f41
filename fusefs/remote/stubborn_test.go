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

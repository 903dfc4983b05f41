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

// A busy server may take longer to start a session than it has for a sign of life
// later: the set-up has a deadline of its own.
func TestSetup_slowServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := unconnected(t, testenv.CountOptions{Delay: time.Millisecond, Settle: -1}, quick())
		time.AfterFunc(3*time.Millisecond, g.server.Stall) // the connection is there by then
		time.AfterFunc(5*time.Second, g.server.Resume)
		start := time.Now()
		check(t, g.Connect(t.Context(), false))
		if d := time.Since(start); d < 5*time.Second {
			t.Errorf("connected after %v to a server that said nothing until then", d)
		}
	})
}

func TestSetup_hasADeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := unconnected(t, testenv.CountOptions{Delay: time.Millisecond, Settle: -1}, quick())
		time.AfterFunc(3*time.Millisecond, g.server.Stall)
		start := time.Now()
		if err := g.Connect(t.Context(), false); !errors.Is(err, remote.ErrTimeout) {
			t.Errorf("connect to a server that stopped answering: %v", err)
		}
		if d := time.Since(start); d > 16*time.Second {
			t.Errorf("it took %v", d)
		}
	})
}

// What ended the connection is told, rather than that a session on it ended.
func TestSetup_saysWhy(t *testing.T) {
	for _, op := range []string{"init", "realpath"} {
		t.Run(op, func(t *testing.T) {
			g := unconnected(t, testenv.CountOptions{}, quick())
			g.server.Inject(testenv.Fault{Kind: testenv.FaultBreakBefore, Op: op, Times: 1})
			if err := g.Connect(t.Context(), false); !errors.Is(err, testenv.ErrBroken) {
				t.Errorf("connect: %v", err)
			}
			g.eventually(remote.StateUp)
		})
	}
}

// dialFunc is a Dialer.
type dialFunc func(ctx context.Context, interactive bool) (remote.Conn, error)

func (f dialFunc) Dial(ctx context.Context, interactive bool) (remote.Conn, error) {
	return f(ctx, interactive)
}

// TestSetup_closedWhileItDials: a login that ends after the Remote was closed leaves no
// connection behind.
func TestSetup_closedWhileItDials(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := unconnectedBy(t, testenv.CountOptions{}, quick(), func(d *rigDialer) remote.Dialer {
			return dialFunc(func(ctx context.Context, interactive bool) (remote.Conn, error) {
				time.Sleep(time.Second)
				return d.Dial(context.WithoutCancel(ctx), interactive)
			})
		})
		time.AfterFunc(time.Second/2, func() { g.Close(context.Background()) })
		if err := g.Connect(t.Context(), false); err == nil {
			t.Error("a closed Remote is connected")
		}
		synctest.Wait()
		if n := g.dialer.live(); n != 0 {
			t.Errorf("%d connections are open", n)
		}
	})
}

// briefConn is a connection whose sessions end some seconds after they began.
type briefConn struct{ remote.Conn }

func (c briefConn) OpenSFTP(ctx context.Context) (io.ReadWriteCloser, error) {
	s, err := c.Conn.OpenSFTP(ctx)
	return &briefSession{ReadWriteCloser: s}, err
}

type briefSession struct {
	io.ReadWriteCloser
	began sync.Once
}

func (s *briefSession) Read(p []byte) (int, error) {
	n, err := s.ReadWriteCloser.Read(p)
	if n > 0 {
		s.began.Do(func() { time.AfterFunc(3*time.Second, func() { s.Close() }) })
	}
	return n, err
}

// TestSetup_aSessionEndsWhileTheOtherBegins: a server that ends one session and never
// begins the other is no reason to crash.
func TestSetup_aSessionEndsWhileTheOtherBegins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := unconnectedBy(t, testenv.CountOptions{}, quick(), func(d *rigDialer) remote.Dialer {
			return dialFunc(func(ctx context.Context, interactive bool) (remote.Conn, error) {
				c, err := d.Dial(ctx, interactive)
				return briefConn{c}, err
			})
		})
		g.server.Inject(testenv.Fault{Kind: testenv.FaultSwallow, Op: "init", Skip: 1})
		if err := g.Connect(t.Context(), false); err == nil {
			t.Error("connected, with no session left")
		}
	})
}

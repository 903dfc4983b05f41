package remote

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"sshfs-bridge/e2e/testenv"
)

// mortalConn is a connection that ends, in the eyes of the Remote, when end is called.
type mortalConn struct {
	*testenv.CountConn
	done chan struct{}
	once sync.Once
}

func (c *mortalConn) end()                  { c.once.Do(func() { close(c.done) }) }
func (c *mortalConn) Done() <-chan struct{} { return c.done }

func (c *mortalConn) Close() error {
	c.end()
	return c.CountConn.Close()
}

func (c *mortalConn) Err() error {
	select {
	case <-c.done:
		return testenv.ErrBroken
	default:
		return nil
	}
}

type mortalDialer struct {
	server *testenv.CountServer
	last   atomic.Pointer[mortalConn]
}

func (d *mortalDialer) Dial(ctx context.Context, _ bool) (Conn, error) {
	c, err := d.server.Dial(ctx)
	if err != nil {
		return nil, err
	}
	m := &mortalConn{CountConn: c, done: make(chan struct{})}
	d.last.Store(m)
	return m, nil
}

// TestLink_lostAsItComesUp ends the connection at the moment at which it is put to use:
// the next operation dials again.
func TestLink_lostAsItComesUp(t *testing.T) {
	const delay = 5 * time.Millisecond
	for range 300 {
		synctest.Test(t, func(t *testing.T) {
			var d mortalDialer
			var once sync.Once
			d.server = testenv.NewCountServer(t, testenv.CountOptions{Delay: delay, Settle: -1, OnRequest: func(op, _ string) {
				if op == "stat" {
					once.Do(func() { time.AfterFunc(delay, d.last.Load().end) })
				}
			}})
			r := New(Options{Dialer: &d, OnDemand: true, MaxChannels: 1})
			defer r.Close(context.Background())
			_, _ = r.Lstat(t.Context(), "")
			time.Sleep(time.Minute)
			if _, err := r.Lstat(t.Context(), ""); err != nil {
				t.Fatalf("a minute later: %v, %v", r.Status().State, err)
			}
		})
	}
}

// TestLink_whatIsOverIsNotPutToUse: from the moment at which a link fails.
func TestLink_whatIsOverIsNotPutToUse(t *testing.T) {
	d := mortalDialer{server: testenv.NewCountServer(t, testenv.CountOptions{})}
	c, err := d.Dial(t.Context(), false)
	if err != nil {
		t.Fatal(err)
	}
	r := New(Options{Dialer: &d})
	defer r.Close(t.Context())
	l := newLink(r, c)
	r.mu.Lock()
	if !r.spawn(func() { l.fail(testenv.ErrBroken) }) {
		t.Fatal("closed")
	}
	select {
	case <-l.ctx.Done():
	case <-time.After(5 * time.Second):
		t.Error("a link that fails is not over")
	}
	r.mu.Unlock()
	if err := r.linkUp(l); !errors.Is(err, ErrLinkDown) {
		t.Errorf("linkUp: %v", err)
	}
}

package remote_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"sshfs-bridge/e2e/testenv"
	"sshfs-bridge/fusefs/remote"
)

// ends are the ways in which a program asks whether what it wrote is on the server.
var ends = map[string]func(*remote.File, context.Context) (remote.Attrs, error){
	"flush": (*remote.File).Flush,
	"sync":  (*remote.File).Sync,
	"close": (*remote.File).Close,
}

// TestFlush_whileTheLinkIsDownFailsInTime: what is not acknowledged when the patience is
// over was not written, and is told, once.
func TestFlush_whileTheLinkIsDownFailsInTime(t *testing.T) {
	for name, end := range ends {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := quick()
				o.DataTimeout = time.Second
				g := newRig(t, testenv.CountOptions{}, o)
				f := g.open("f", forWrite)
				g.dialer.setRefuse(errors.New("no route"))
				g.server.Break()
				g.eventually(remote.StateDegraded)
				check(t, f.WriteAt(t.Context(), []byte("x"), 0))
				start := time.Now()
				if _, err := end(f, t.Context()); !errors.Is(err, remote.ErrLinkDown) {
					t.Errorf("%s: %v", name, err)
				}
				if d := time.Since(start); d < 500*time.Millisecond || d > 5*time.Second {
					t.Errorf("it took %v", d)
				}
				g.dialer.setRefuse(nil)
				g.eventually(remote.StateUp)
				if name == "close" {
					same(t, "on the server", g.onServer("f"), nil)
					if s := g.Status(); s.OpenFiles != 0 || s.PendingBytes != 0 {
						t.Errorf("left over: %+v", s)
					}
					return
				}
				// The file itself goes on.
				check(t, f.WriteAt(t.Context(), []byte("later"), 0))
				if _, err := f.Close(t.Context()); err != nil {
					t.Errorf("close: %v", err)
				}
				same(t, "on the server", g.onServer("f"), []byte("later"))
			})
		})
	}
}

// TestSync_givenUp: the caller of the first fsync has gone before the loss was known.
// The next one is told.
func TestSync_givenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := quick()
		o.DataTimeout = time.Second
		g := newRig(t, testenv.CountOptions{}, o)
		f := g.open("f", forWrite)
		g.dialer.setRefuse(errors.New("no route"))
		g.server.Break()
		g.eventually(remote.StateDegraded)
		check(t, f.WriteAt(t.Context(), []byte("lost"), 0))
		short, cancel := context.WithCancel(t.Context())
		time.AfterFunc(100*time.Millisecond, cancel)
		if _, err := f.Sync(short); !errors.Is(err, context.Canceled) {
			t.Errorf("given up: %v", err)
		}
		time.Sleep(2 * time.Second)
		g.dialer.setRefuse(nil)
		g.eventually(remote.StateUp)
		if _, err := f.Sync(t.Context()); !errors.Is(err, remote.ErrLinkDown) {
			t.Errorf("the next fsync says %v of bytes that were lost", err)
		}
		if _, err := f.Close(t.Context()); err != nil {
			t.Errorf("told twice: %v", err)
		}
	})
}

// TestFault_neverAnswered: the server takes a request of a writer and says nothing to
// it, while everything else is answered. That request fails in time, whoever waits is
// told, and nothing else suffers.
func TestFault_neverAnswered(t *testing.T) {
	for _, c := range []struct {
		op   string
		ends []string // what tells it
	}{
		{"open", []string{"open"}},
		{"write", []string{"flush", "sync", "close"}},
		{"fsync", []string{"sync"}},
		{"fstat", []string{"flush", "sync", "close"}},
		{"close", []string{"close"}},
	} {
		for _, end := range c.ends {
			t.Run(c.op+" at "+end, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { neverAnswered(t, c.op, end) })
			})
		}
	}
}

func neverAnswered(t *testing.T, op, end string) {
	o := quick()
	o.PathTimeout, o.DataTimeout = time.Second, 2*time.Second
	g := newRig(t, testenv.CountOptions{Delay: time.Millisecond, Settle: -1}, o)
	beside := g.open("beside", forWrite)
	g.server.Inject(testenv.Fault{Kind: testenv.FaultSwallow, Op: op, Path: "victim", Times: 1})
	stop := make(chan struct{})
	busy := make(chan error, 1)
	go func() {
		for n := int64(0); ; n++ {
			select {
			case <-stop:
				_, err := beside.Close(t.Context())
				busy <- err
				return
			case <-time.After(50 * time.Millisecond):
			}
			if err := beside.WriteAt(t.Context(), []byte{byte(n)}, n); err != nil {
				busy <- err
				return
			}
		}
	}()
	start := time.Now()
	f, _, err := g.Open(t.Context(), "victim", forWrite, 0o644)
	if end != "open" {
		check(t, err)
		check(t, f.WriteAt(t.Context(), []byte("bytes"), 0))
		start = time.Now()
		_, err = ends[end](f, t.Context())
		if end != "close" {
			f.Close(t.Context())
		}
	}
	if !errors.Is(err, remote.ErrTimeout) {
		t.Errorf("%s: %v", end, err)
	}
	if d := time.Since(start); d > 3*time.Second {
		t.Errorf("it took %v", d)
	}
	close(stop)
	if err := <-busy; err != nil {
		t.Errorf("another file: %v", err)
	}
	if s := g.Status(); s.State != remote.StateUp || s.Counters.Dials != 1 || s.OpenFiles != 0 || s.PendingBytes != 0 {
		t.Errorf("left behind: %+v", s)
	}
}

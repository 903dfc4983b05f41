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

// slowDialer takes its time, and then fails or not.
type slowDialer struct {
	*rigDialer
	takes time.Duration
}

func (d slowDialer) Dial(ctx context.Context, interactive bool) (remote.Conn, error) {
	select {
	case <-time.After(d.takes):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	return d.rigDialer.Dial(ctx, interactive)
}

// TestWait_forTheFirstConnection: an operation on a path that comes while the
// first connection is made, or just before that, waits for it, and for no more
// than its deadline; after a failure none waits.
func TestWait_forTheFirstConnection(t *testing.T) {
	noRoute := errors.New("no route")
	lstat := func(t *testing.T, g *rig, want error, least, most time.Duration) {
		t.Helper()
		start := time.Now()
		_, err := g.Lstat(t.Context(), "f")
		if !errors.Is(err, want) {
			t.Errorf("lstat: %v, want %v", err, want)
		}
		if d := time.Since(start); d < least || d > most {
			t.Errorf("it took %v, want %v to %v", d, least, most)
		}
	}
	connect := func(t *testing.T, g *rig, after time.Duration) {
		done := make(chan struct{})
		go func() {
			defer close(done)
			time.Sleep(after)
			_ = g.Connect(t.Context(), false)
		}()
		t.Cleanup(func() { <-done })
	}
	const s = time.Second
	for name, c := range map[string]struct {
		takes  time.Duration
		refuse error
		o      remote.Options
		run    func(t *testing.T, g *rig)
	}{
		"connecting": {3 * s, nil, remote.Options{}, func(t *testing.T, g *rig) {
			connect(t, g, 0)
			lstat(t, g, nil, 3*s, 4*s)
		}},
		"before Connect": {2 * s, nil, remote.Options{}, func(t *testing.T, g *rig) {
			connect(t, g, s)
			lstat(t, g, nil, 3*s, 4*s)
		}},
		"no longer than the deadline": {9 * s, nil, remote.Options{}, func(t *testing.T, g *rig) {
			connect(t, g, 0)
			lstat(t, g, remote.ErrTimeout, 5*s, 5*s)
		}},
		"a failure ends the wait": {2 * s, noRoute, remote.Options{}, func(t *testing.T, g *rig) {
			connect(t, g, 0)
			lstat(t, g, remote.ErrLinkDown, 2*s, 2*s)
			lstat(t, g, remote.ErrLinkDown, 0, 0)
			time.Sleep(3 * s) // a further attempt is under way or over
			lstat(t, g, remote.ErrLinkDown, 0, 0)
		}},
		"on demand": {3 * s, nil, remote.Options{OnDemand: true}, func(t *testing.T, g *rig) {
			lstat(t, g, nil, 3*s, 4*s)
		}},
		"on demand in vain": {3 * s, noRoute, remote.Options{OnDemand: true}, func(t *testing.T, g *rig) {
			lstat(t, g, remote.ErrLinkDown, 3*s, 3*s)
			lstat(t, g, remote.ErrLinkDown, 0, 0)
		}},
		"a person's retry": {3 * s, nil, remote.Options{Root: "later"}, func(t *testing.T, g *rig) {
			_ = g.Connect(t.Context(), false)
			lstat(t, g, remote.ErrLinkDown, 0, 0) // down: there is no such root
			g.put("later", nil)
			g.Retry()
			lstat(t, g, remote.ErrLinkDown, 3*s, 4*s) // still none, but looked at
		}},
		"after a loss": {s, nil, remote.Options{BackoffMin: time.Millisecond}, func(t *testing.T, g *rig) {
			check(t, g.Connect(t.Context(), false))
			g.server.Break()
			synctest.Wait()
			lstat(t, g, nil, s, 2*s)
			g.dialer.setRefuse(noRoute)
			g.server.Break()
			synctest.Wait()
			lstat(t, g, remote.ErrLinkDown, s, 2*s)
			lstat(t, g, remote.ErrLinkDown, 0, 0)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := unconnectedBy(t, testenv.CountOptions{Delay: 10 * time.Millisecond, Settle: -1}, c.o,
					func(d *rigDialer) remote.Dialer { return slowDialer{d, c.takes} })
				g.put("f", nil)
				g.dialer.setRefuse(c.refuse)
				c.run(t, g)
			})
		})
	}
}

// TestWait_aStallEnds: after an operation on a path was never answered others
// fail at once; the Remote itself finds out that the channel is well.
func TestWait_aStallEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, testenv.CountOptions{Delay: 10 * time.Millisecond, Settle: -1}, remote.Options{})
		g.put("f", nil)
		g.server.Inject(testenv.Fault{Kind: testenv.FaultNoReply, Op: "lstat", Times: 1})
		time.Sleep(time.Second)
		start := time.Now()
		for range 3 {
			if _, err := g.Lstat(t.Context(), "f"); !errors.Is(err, remote.ErrTimeout) {
				t.Errorf("lstat: %v", err)
			}
		}
		if d := time.Since(start); d != 5*time.Second {
			t.Errorf("they took %v", d)
		}
		time.Sleep(2 * time.Second)
		if _, err := g.Lstat(t.Context(), "f"); err != nil {
			t.Errorf("two seconds later: %v", err)
		}
		if s := g.Status(); s.Counters.Reconnects != 0 {
			t.Error("the link was given up")
		}
	})
}

// TestWait_aLateReply comes in the very moment in which the operation times out.
func TestWait_aLateReply(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const delay = 10 * time.Millisecond
		late := 5*time.Second - 2*delay
		g := newRig(t, testenv.CountOptions{Delay: delay, Settle: -1, OnRequest: func(op, path string) {
			if op == "lstat" {
				time.Sleep(late)
			}
		}}, remote.Options{})
		g.put("f", nil)
		for range 50 {
			_, err := g.Lstat(t.Context(), "f")
			if err != nil && !errors.Is(err, remote.ErrTimeout) {
				t.Errorf("lstat: %v", err)
			}
			time.Sleep(delay)
			if _, err := g.Readlink(t.Context(), "f"); errors.Is(err, remote.ErrTimeout) {
				t.Error("the next one failed, although a reply had come")
			}
		}
	})
}

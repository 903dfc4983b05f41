package remote_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"sshfs-bridge/e2e/testenv"
	"sshfs-bridge/fusefs/remote"
)

func TestState_connectAndRoot(t *testing.T) {
	for name, c := range map[string]struct {
		root string
		want error
	}{
		"home":          {"", nil},
		"tilde":         {"~", nil},
		"below tilde":   {"~/dir", nil},
		"relative":      {"dir", nil},
		"missing":       {"nowhere", fs.ErrNotExist},
		"a file":        {"file", remote.ErrNotDirectory},
		"link to dir":   {"link", nil},
		"trailing dash": {"dir/", nil},
	} {
		t.Run(name, func(t *testing.T) {
			o := quick()
			o.Root = c.root
			g := unconnected(t, testenv.CountOptions{}, o)
			check(t, os.Mkdir(filepath.Join(g.dir, "dir"), 0o755))
			check(t, os.Symlink("dir", filepath.Join(g.dir, "link")))
			g.put("file", nil)
			g.put("dir/x", nil)
			if s := g.Status().State; s != remote.StateIdle {
				t.Errorf("state before: %s", s)
			}
			err := g.Connect(t.Context(), false)
			if !errors.Is(err, c.want) {
				t.Fatalf("connect: %v, want %v", err, c.want)
			}
			if c.want != nil {
				if s := g.Status(); s.State != remote.StateDown || !errors.Is(s.Cause, c.want) {
					t.Errorf("state after: %+v", s)
				}
				return
			}
			if root := g.Root(); !filepath.IsAbs(root) || root != filepath.Clean(root) {
				t.Errorf("root is %q", root)
			}
			if g.Root() != g.dir {
				if _, err := g.Lstat(t.Context(), "x"); err != nil {
					t.Error(err)
				}
			}
			if a, err := g.Lstat(t.Context(), ""); err != nil || a.Mode&0o170000 == 0 {
				t.Errorf("the root itself: %+v, %v", a, err)
			}
		})
	}
}

func TestState_unreachableIsTriedAgain(t *testing.T) {
	g := unconnected(t, testenv.CountOptions{}, quick())
	g.dialer.setRefuse(errors.New("no route"))
	if err := g.Connect(t.Context(), false); err == nil {
		t.Fatal("connected")
	}
	g.eventually(remote.StateDegraded)
	testenv.Eventually(t, 5*time.Second, "further attempts", func() bool { return g.dialer.count() > 3 })
	start := time.Now()
	if _, err := g.Lstat(t.Context(), "x"); !errors.Is(err, remote.ErrLinkDown) {
		t.Errorf("lstat: %v", err)
	}
	if d := time.Since(start); d > 500*time.Millisecond {
		t.Errorf("it failed only after %v", d)
	}
	g.dialer.setRefuse(nil)
	g.eventually(remote.StateUp)
}

func TestState_aShortLossIsNotSeen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, testenv.CountOptions{}, quick())
		g.put("f", nil)
		for range 20 {
			g.server.Break()
			if _, err := g.Lstat(t.Context(), "f"); err != nil {
				t.Error(err)
			}
		}
		if s := g.seen(); !slices.Contains(s, remote.StateDegraded) {
			t.Errorf("states were %v", s)
		}
	})
}

func TestState_onDemandAndIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := quick()
		o.OnDemand, o.IdleAfter = true, 300*time.Millisecond
		g := unconnected(t, testenv.CountOptions{}, o)
		g.put("f", []byte("x"))
		if n := g.dialer.count(); n != 0 {
			t.Errorf("%d dials before the first use", n)
		}
		for range 2 {
			if _, err := g.Lstat(t.Context(), "f"); err != nil {
				t.Fatal(err)
			}
			g.eventually(remote.StateIdle)
			testenv.Eventually(t, 5*time.Second, "sessions to end", func() bool { return g.server.Sessions() == 0 })
		}
		if n := g.dialer.count(); n != 2 {
			t.Errorf("%d dials, want 2", n)
		}
		// An open file keeps the connection.
		f := g.open("f", forRead)
		time.Sleep(600 * time.Millisecond)
		if s := g.Status().State; s != remote.StateUp {
			t.Errorf("state with an open file: %s", s)
		}
		f.Close(t.Context())
		// What cannot be reached is not tried for ever.
		g.eventually(remote.StateIdle)
		g.dialer.setRefuse(errors.New("no route"))
		before := g.dialer.count()
		for range 5 {
			if _, err := g.Lstat(t.Context(), "f"); !errors.Is(err, remote.ErrLinkDown) {
				t.Errorf("lstat: %v", err)
			}
		}
		if n := g.dialer.count() - before; n == 0 || n > 5 {
			t.Errorf("%d dials", n)
		}
		g.eventually(remote.StateIdle)
	})
}

func TestState_retryLeavesDown(t *testing.T) {
	o := quick()
	o.Root = "later"
	g := unconnected(t, testenv.CountOptions{}, o)
	if err := g.Connect(t.Context(), false); !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	check(t, os.Mkdir(filepath.Join(g.dir, "later"), 0o755))
	g.Retry()
	g.eventually(remote.StateUp)
}

func TestState_closeWritesWhatIsQueued(t *testing.T) {
	g := newRig(t, testenv.CountOptions{Delay: 5 * time.Millisecond, Settle: -1}, quick())
	want := random(1, 4<<20)
	f := g.open("f", forWrite)
	check(t, writeAll(t.Context(), f, want, 1<<20))
	if err := g.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	same(t, "after close", g.onServer("f"), want)
	if _, err := g.Lstat(t.Context(), "f"); !errors.Is(err, remote.ErrClosed) {
		t.Errorf("after close: %v", err)
	}
	if err := f.WriteAt(t.Context(), want, 0); err == nil {
		if _, err = f.Flush(t.Context()); err == nil {
			t.Error("a write after close succeeded")
		}
	}
}

// refusing never connects.
type refusing struct{ at []time.Time }

func (d *refusing) Dial(context.Context, bool) (remote.Conn, error) {
	d.at = append(d.at, time.Now())
	return nil, errors.New("no route")
}

func TestBackoff_growsAndIsJittered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &refusing{}
		r := remote.New(remote.Options{Dialer: d})
		_ = r.Connect(t.Context(), false)
		time.Sleep(10 * time.Minute)
		s := r.Status()
		if s.State != remote.StateDegraded || s.NextAttempt.IsZero() || s.Attempts != len(d.at) {
			t.Errorf("status: %+v after %d dials", s, len(d.at))
		}
		r.Close(t.Context())
		var pauses []time.Duration
		for i := range d.at[1:] {
			pauses = append(pauses, d.at[i+1].Sub(d.at[i]))
		}
		for i, p := range pauses {
			base := min(250*time.Millisecond<<min(i, 10), 30*time.Second)
			if p < base/2 || p > base*3/2+time.Millisecond {
				t.Errorf("pause %d is %v, want about %v", i, p, base)
			}
		}
		if len(pauses) < 20 {
			t.Errorf("only %d attempts in ten minutes", len(pauses))
		}
		if len(slices.Compact(slices.Clone(pauses[8:]))) < 3 {
			t.Errorf("pauses are all alike: %v", pauses)
		}
	})
}

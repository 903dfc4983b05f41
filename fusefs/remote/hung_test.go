package remote_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"sshfs-bridge/e2e/testenv"
	"sshfs-bridge/fusefs/remote"
)

// TestOpen_hungFile has the server hang in opening a file again and again, as one does
// whose disk is another machine's that is away: that file alone cannot be opened.
func TestOpen_hungFile(t *testing.T) {
	for name, o := range map[string]testenv.CountOptions{
		"channels enough":  {},
		"one data channel": {MaxSessions: 2},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := newRig(t, o, remote.Options{MaxConnections: 1})
				g.put("stuck", nil)
				g.put("good", []byte("x"))
				before := g.open("good", forRead)
				tries := 12
				if o.MaxSessions > 0 { // the next one would be the control channel's
					tries = 1
				}
				g.server.Inject(testenv.Fault{Kind: testenv.FaultDelay, Op: "open", Path: "stuck", Wait: 10 * time.Minute})
				for range tries {
					if _, _, err := g.Open(t.Context(), "stuck", forRead, 0); !errors.Is(err, remote.ErrTimeout) {
						t.Fatalf("open of the hung file: %v", err)
					}
					start := time.Now()
					_, err := g.Lstat(t.Context(), "good")
					check(t, err)
					_, err = g.open("good", forRead).Close(t.Context())
					check(t, err)
					if d := time.Since(start); d > 0 {
						t.Errorf("a look at another file, and opening it, took %v", d)
					}
				}
				// The channel is given up, and what was open on it goes on.
				start := time.Now()
				_, err := before.ReadAt(t.Context(), make([]byte, 1), 0)
				check(t, err)
				if d := time.Since(start); d > 35*time.Second {
					t.Errorf("a file that was open already could not be read for %v", d)
				}
				_, err = before.Close(t.Context())
				check(t, err)
				if c := g.Counters(); c.Dials != 1 {
					t.Errorf("%d connections were made", c.Dials)
				}
			})
		})
	}
}

// TestOpen_slowFile: a channel on which the server answers late is kept, and used again.
func TestOpen_slowFile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, testenv.CountOptions{MaxSessions: 2}, remote.Options{MaxConnections: 1})
		g.put("late", nil)
		g.put("good", []byte("x"))
		before := g.open("good", forRead)
		g.server.Inject(testenv.Fault{Kind: testenv.FaultDelay, Op: "open", Path: "late", Wait: 20 * time.Second, Times: 1})
		if _, _, err := g.Open(t.Context(), "late", forRead, 0); !errors.Is(err, remote.ErrTimeout) {
			t.Fatalf("open of the slow file: %v", err)
		}
		time.Sleep(2 * time.Minute)
		_, err := before.ReadAt(t.Context(), make([]byte, 1), 0)
		check(t, err)
		after := g.open("late", forRead)
		for _, f := range []*remote.File{before, after} {
			_, err = f.Close(t.Context())
			check(t, err)
		}
		if c := g.Counters(); c.Resumed != 0 || c.Dials != 1 {
			t.Errorf("files were opened again %d times, over %d connections", c.Resumed, c.Dials)
		}
	})
}

// TestRemove_hungFile removes a file that is open and must be opened again first, at which
// the server hangs: operations on other paths are not taken to be stuck with it.
func TestRemove_hungFile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, testenv.CountOptions{}, remote.Options{MaxConnections: 1})
		g.put("stuck", nil)
		g.put("good", nil)
		g.open("stuck", forRead)
		g.server.Break()
		g.eventually(remote.StateUp)
		g.server.Inject(testenv.Fault{Kind: testenv.FaultDelay, Op: "open", Path: "stuck", Wait: 10 * time.Minute})
		for name, move := range map[string]func() error{
			"remove": func() error { return g.Remove(t.Context(), "stuck") },
			"rename": func() error { return g.Rename(t.Context(), "good", "stuck") },
		} {
			if err := move(); !errors.Is(err, remote.ErrTimeout) {
				t.Errorf("%s: %v", name, err)
			}
			if _, err := g.Lstat(t.Context(), "good"); err != nil {
				t.Errorf("a look at another file after the %s: %v", name, err)
			}
		}
	})
}

package remote_test

import (
	"errors"
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

package remote_test

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"sshfs-bridge/e2e/testenv"
	"sshfs-bridge/fusefs/remote"
)

// exclusively makes a new file as a lock file is made.
func (g *rig) exclusively(name string) {
	g.t.Helper()
	f, _, err := g.Open(g.t.Context(), name, remote.OpenFlags{Write: true, Create: true, Exclusive: true}, 0o644)
	check(g.t, err)
	f.Close(g.t.Context())
}

// A data channel that ends while a file is being made there ends nothing else: a
// file without a name, which lives on its handle, goes on.
func TestOpen_oneChannelIsLost(t *testing.T) {
	g := newRig(t, testenv.CountOptions{}, quick())
	g.put("other", []byte("x"))
	other := g.open("other", forRead)
	check(t, os.Remove(filepath.Join(g.dir, "other")))
	g.server.Inject(testenv.Fault{Kind: testenv.FaultEOF, Op: "open", Path: "excl", Times: 1})
	g.exclusively("excl")
	if c := g.Counters(); c.Dials != 1 || c.Reconnects != 0 {
		t.Errorf("one data channel ended, and the link was made again: %d dials, %d reconnects", c.Dials, c.Reconnects)
	}
	other.Close(t.Context())
}

// A channel is not closed for being idle while a file is being opened there.
func TestOpen_atTheEndOfAChannelsIdleTime(t *testing.T) {
	for range 150 {
		synctest.Test(t, func(t *testing.T) {
			g := newRig(t, testenv.CountOptions{Delay: 20 * time.Millisecond, Settle: -1}, remote.Options{})
			time.Sleep(29500*time.Millisecond + time.Duration(rand.IntN(1000))*time.Millisecond)
			g.exclusively("new")
			if n := g.Counters().Reconnects; n > 0 {
				t.Errorf("%d reconnects", n)
			}
		})
	}
}

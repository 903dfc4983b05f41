package remote_test

import (
	"testing"
	"time"

	"sshfs-bridge/e2e/testenv"
	"sshfs-bridge/fusefs/remote"
)

// TestRTT_ofASessionThatIsOver: a session that ends as soon as it began answers nothing,
// and shows no short way.
func TestRTT_ofASessionThatIsOver(t *testing.T) {
	const rtt = 40 * time.Millisecond
	g := newRig(t, testenv.CountOptions{Delay: rtt / 2, Settle: -1}, quick())
	hits, _ := g.server.Inject(testenv.Fault{Kind: testenv.FaultTwice, Op: "limits", Times: 2}) // of both sessions
	g.server.Break()
	testenv.Eventually(t, 5*time.Second, "a link that lasts", func() bool {
		return hits() == 2 && g.Status().State == remote.StateUp
	})
	if got := g.Status().RTT; got < rtt {
		t.Errorf("a round trip of %v is taken for %v", rtt, got)
	}
}

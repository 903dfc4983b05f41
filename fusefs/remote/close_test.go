package remote_test

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"sshfs-bridge/e2e/testenv"
	"sshfs-bridge/fusefs/remote"
)

// TestClose_oncePerHandle: servers give the number of a closed handle to the next
// file, so that a second CLOSE would close, and a late WRITE change, another one.
func TestClose_oncePerHandle(t *testing.T) {
	var opened, closed atomic.Int64
	g := newRig(t, testenv.CountOptions{OnRequest: func(op, _ string) {
		switch op {
		case "open":
			opened.Add(1)
		case "close":
			closed.Add(1)
		}
	}}, quick())
	for i := range 20 {
		f := g.open(fmt.Sprint("f", i), forWrite)
		if i%2 == 0 {
			check(t, f.WriteAt(t.Context(), []byte("data"), 0))
		}
		if i%3 == 0 {
			check(t, f.Setstat(t.Context(), remote.Attrs{}))
		}
		_, err := f.Close(t.Context())
		check(t, err)
	}
	testenv.Eventually(t, 5*time.Second, "all closed", func() bool { return closed.Load() >= opened.Load() })
	// Requests are served in their order: what follows shows that there were no more.
	f := g.open("f0", forRead)
	f.Close(t.Context())
	testenv.Eventually(t, 5*time.Second, "all closed", func() bool { return closed.Load() >= opened.Load() })
	if closed.Load() != opened.Load() {
		t.Errorf("%d files opened, %d handles closed", opened.Load(), closed.Load())
	}
}

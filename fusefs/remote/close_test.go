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

// TestClose_attributesAreLost: the connection ends after the writes were answered, and
// before the look at the attributes and the CLOSE behind it are. Whichever of them is
// taken back first, the file is whole and closed without error.
func TestClose_attributesAreLost(t *testing.T) {
	o := quick()
	o.BackoffMin, o.BackoffMax = time.Millisecond, 2*time.Millisecond
	g := newRig(t, testenv.CountOptions{}, o)
	data := random(1, 10_000)
	for i := range 100 {
		hits, remove := g.server.Inject(testenv.Fault{Kind: testenv.FaultBreakBefore, Op: "fstat", Times: 1})
		name := fmt.Sprint("f", i)
		f := g.open(name, forWrite)
		check(t, f.WriteAt(t.Context(), data, 0))
		if a, err := f.Close(t.Context()); err != nil || a.Size != uint64(len(data)) {
			t.Fatalf("close of file %d: %+v, %v", i, a, err)
		}
		same(t, name, g.onServer(name), data)
		if hits() != 1 {
			t.Fatal("the connection did not end")
		}
		remove()
	}
}

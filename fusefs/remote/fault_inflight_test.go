package remote_test

import (
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sshfs-bridge/e2e/testenv"
	"sshfs-bridge/fusefs/remote"
)

// TestFault_thousandOperationsInFlight loses the connection while a thousand requests
// of all kinds are unanswered: no caller notices, and no byte differs.
func TestFault_thousandOperationsInFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, testenv.CountOptions{Delay: time.Millisecond, Settle: -1}, quick())
		const each, piece = 200, 4096
		data, want := random(6, 1<<20), random(7, each*2*piece)
		g.put("f", data)
		g.put("w", want)
		in, out := g.open("f", forRead), g.open("w", remote.OpenFlags{Write: true})
		g.server.Stall()
		var all sync.WaitGroup
		for i := range each {
			all.Go(func() {
				if a, err := g.Lstat(t.Context(), "f"); err != nil || a.Size != uint64(len(data)) {
					t.Errorf("lstat %d: %+v, %v", i, a, err)
				}
			})
			all.Go(func() {
				got := make([]byte, 100)
				if _, err := in.ReadAt(t.Context(), got, int64(i)*1000); err != nil {
					t.Errorf("read %d: %v", i, err)
				}
				same(t, fmt.Sprint("read ", i), got, data[i*1000:i*1000+100])
			})
			all.Go(func() {
				if err := g.Mkdir(t.Context(), fmt.Sprint("d", i), 0o755); err != nil {
					t.Errorf("mkdir %d: %v", i, err)
				}
			})
			all.Go(func() {
				if _, err := g.ReadDir(t.Context(), ""); err != nil {
					t.Errorf("readdir %d: %v", i, err)
				}
			})
			// With gaps, so that each stays a request of its own.
			part := want[2*i*piece : (2*i+1)*piece]
			copy(part, random(uint64(1000+i), piece))
			check(t, out.WriteAt(t.Context(), part, int64(2*i*piece)))
		}
		synctest.Wait()
		if n := g.Counters().InFlight; n < 5*each {
			t.Errorf("only %d requests are in flight", n)
		}
		g.server.Break()
		g.server.Resume()
		all.Wait()
		_, err := out.Close(t.Context())
		check(t, err)
		same(t, "written", g.onServer("w"), want)
		if s := g.Status(); s.Counters.Reconnects != 1 || s.Counters.Resent < each {
			t.Errorf("%d reconnects, %d writes sent again", s.Counters.Reconnects, s.Counters.Resent)
		}
		in.Close(t.Context())
	})
}

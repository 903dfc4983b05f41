package remote_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sshfs-bridge/e2e/testenv"
	"sshfs-bridge/fusefs/remote"
)

// firstThen dials one server first, and another one each time after.
type firstThen struct {
	first, then remote.Dialer

	mu    sync.Mutex
	dials int
}

func (d *firstThen) Dial(ctx context.Context, interactive bool) (remote.Conn, error) {
	d.mu.Lock()
	d.dials++
	to := d.then
	if d.dials == 1 {
		to = d.first
	}
	d.mu.Unlock()
	return to.Dial(ctx, interactive)
}

// TestFault_smallerPacketsAfterIt loses the connection while writes are queued and a
// READ is under way, to a server that takes smaller packets when it is back.
func TestFault_smallerPacketsAfterIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const size = 1 << 20
		dir := t.TempDir()
		g := unconnectedBy(t, testenv.CountOptions{Dir: dir, Delay: 5 * time.Millisecond}, quick(), func(d *rigDialer) remote.Dialer {
			small := testenv.NewCountServer(t, testenv.CountOptions{Dir: dir, MaxWrite: 32 << 10, MaxRead: 32 << 10, MaxPacket: 34 << 10})
			return &firstThen{first: d, then: &rigDialer{server: small}}
		})
		g.dir = dir
		check(t, g.Connect(t.Context(), false))
		old, want := random(1, size), random(2, size)
		g.put("in", old)
		in, out := g.open("in", forRead), g.open("out", forWrite)
		g.server.Stall()
		var group sync.WaitGroup
		group.Go(func() {
			got, err := readAll(t.Context(), in, size, size, 1)
			check(t, err)
			same(t, "read", got, old)
		})
		check(t, writeAll(t.Context(), out, want[:700_001], 100_000)) // the last one may still grow
		synctest.Wait()
		g.server.Break()
		g.server.Resume()
		for off := 700_001; off < size; off += 10_000 {
			check(t, out.WriteAt(t.Context(), want[off:min(off+10_000, size)], int64(off)))
		}
		for _, f := range []*remote.File{out, in} {
			_, err := f.Close(t.Context())
			group.Wait()
			check(t, err)
		}
		same(t, "written", g.onServer("out"), want)
		if n := g.Status().PendingBytes; n != 0 {
			t.Errorf("%d bytes count as pending", n)
		}
	})
}

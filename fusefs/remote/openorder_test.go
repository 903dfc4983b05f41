package remote_test

import (
	"errors"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sshfs-bridge/e2e/testenv"
	"sshfs-bridge/fusefs/remote"
)

// TestOpen_besideAWriter opens a file while another handle writes to it. What the open
// saw of it may be older than what is acknowledged when the answer is taken: after a loss
// both go on.
func TestOpen_besideAWriter(t *testing.T) {
	for _, then := range []string{"", "flush", "close"} {
		bad := 0
		for range 100 {
			synctest.Test(t, func(t *testing.T) {
				g := newRig(t, testenv.CountOptions{Delay: 5 * time.Millisecond, Settle: -1}, quick())
				w := g.open("f", remote.OpenFlags{Read: true, Write: true, Create: true})
				var group sync.WaitGroup
				var r *remote.File
				first := time.Duration(rand.IntN(3)) * time.Millisecond
				group.Go(func() {
					time.Sleep(first)
					r = g.open("f", forRead)
				})
				check(t, w.WriteAt(t.Context(), random(1, 1000), 0))
				var err error
				switch then {
				case "flush":
					_, err = w.Flush(t.Context())
				case "close":
					_, err = w.Close(t.Context())
				}
				check(t, err)
				group.Wait()
				time.Sleep(time.Second)
				g.server.Break()
				for _, f := range []*remote.File{r, w} {
					if _, err := f.Stat(t.Context()); err != nil && !errors.Is(err, remote.ErrClosed) {
						if bad++; bad == 1 {
							t.Log(err)
						}
					}
					f.Close(t.Context())
				}
			})
		}
		if bad > 0 {
			t.Errorf("%d of 200 files cannot go on after a write and %q", bad, then)
		}
	}
}

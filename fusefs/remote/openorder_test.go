package remote_test

import (
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
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

// TestOpen_emptiedIsKnown empties a file that is open already: what somebody else puts in
// its place while the connection is lost is not taken for it, though it is empty, too.
func TestOpen_emptiedIsKnown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, testenv.CountOptions{Delay: 5 * time.Millisecond, Settle: -1}, quick())
		g.put("f", []byte("x"))
		w := g.open("f", remote.OpenFlags{Write: true})
		_, err := g.open("f", forWrite).Close(t.Context())
		check(t, err)
		path := filepath.Join(g.dir, "f")
		check(t, os.Remove(path))
		g.put("f", nil)
		check(t, os.Chtimes(path, time.Unix(1, 0), time.Unix(1, 0)))
		g.server.Break()
		synctest.Wait()                               // what is on its way at the loss changes the file's time itself
		_ = w.WriteAt(t.Context(), []byte("mine"), 0) // Close tells
		if _, err := w.Close(t.Context()); !errors.Is(err, remote.ErrChanged) {
			t.Errorf("close: %v", err)
		}
		same(t, "the other file", g.onServer("f"), nil)
	})
}

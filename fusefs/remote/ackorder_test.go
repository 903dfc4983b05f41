package remote_test

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sshfs-bridge/e2e/testenv"
	"sshfs-bridge/fusefs/remote"
	"sshfs-bridge/fusefs/sftp"
)

// TestAck_inAnyOrder has several answers come at the same moment. In whichever order they
// are taken, the file is known for what it is when the connection is lost after that.
func TestAck_inAnyOrder(t *testing.T) {
	size := func(n uint64) remote.Attrs { return remote.Attrs{Valid: sftp.AttrSize, Size: n} }
	for name, change := range map[string]func(t *testing.T, f *remote.File){
		"a smaller size behind a write": func(t *testing.T, f *remote.File) {
			check(t, f.WriteAt(t.Context(), random(1, 100_000), 0))
			check(t, f.Setstat(t.Context(), size(10)))
		},
		"a smaller size behind a larger one": func(t *testing.T, f *remote.File) {
			check(t, f.Setstat(t.Context(), size(100_000)))
			check(t, f.Setstat(t.Context(), size(10)))
		},
		"two flushes with a write between them": func(t *testing.T, f *remote.File) {
			var group sync.WaitGroup
			for i := range int64(2) {
				check(t, f.WriteAt(t.Context(), random(1, 1000), i*1000))
				group.Go(func() {
					_, err := f.Flush(t.Context())
					check(t, err)
				})
				synctest.Wait() // one flight with what follows
			}
			group.Wait()
		},
	} {
		t.Run(name, func(t *testing.T) {
			for range 30 {
				synctest.Test(t, func(t *testing.T) {
					g := newRig(t, testenv.CountOptions{Delay: 5 * time.Millisecond, Settle: -1}, quick())
					f := g.open("f", forWrite)
					change(t, f)
					time.Sleep(time.Second)
					g.server.Break()
					_, err := f.Stat(t.Context())
					check(t, err)
					_, err = f.Close(t.Context())
					check(t, err)
				})
			}
		})
	}
}

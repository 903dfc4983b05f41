package vfs

import (
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"sshfs-bridge/e2e/testenv"
)

// On a server without an fsync of its own, fsync is what flush is; who writes and
// closes meanwhile is not told of a failure.
func TestFsyncWithoutTheServers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, Options{}, testenv.CountOptions{Delay: 5 * time.Millisecond, Without: []string{"*"}})
		_, a, err := g.Create(g.ctx, g.root, "f", syscall.O_RDWR|syscall.O_EXCL, 0o644)
		g.must(err)
		b, err := g.Open(g.ctx, g.lookup(g.root, "f"), syscall.O_RDWR)
		g.must(err)
		g.must(g.Write(g.ctx, a.FH, []byte("one"), 0, 0))
		synced := make(chan error, 1)
		go func() { synced <- g.Fsync(g.ctx, a.FH) }()
		// What stands for the server's fsync takes 10 ms: a flush that is under way at
		// its end has nothing to do with it.
		time.Sleep(5 * time.Millisecond)
		g.must(g.Write(g.ctx, b.FH, []byte("two"), 3, 0))
		g.must(g.Flush(g.ctx, b.FH))
		g.must(<-synced)
		g.Release(b.FH)
		g.Release(a.FH)
	})
}

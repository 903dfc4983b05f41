package vfs

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"syscall"
	"testing"
	"time"

	"sshfs-bridge/e2e/testenv"
)

// Everything at once, on few names, with short times and little memory: nothing
// races, nothing waits for ever, and what is left is what the server has.
func TestEverythingAtOnce(t *testing.T) {
	g := newRig(t, Options{AttrTTL: 30 * time.Millisecond, CacheBytes: 1 << 20, MaxNodes: 60}, testenv.CountOptions{})
	g.tree(4, 12)
	name := func(r *rand.Rand) string { return fmt.Sprintf("f%03d", r.IntN(12)) }
	var wg sync.WaitGroup
	for worker := range 8 {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(uint64(worker), 2))
			for range 150 {
				d, err := g.Lookup(g.ctx, RootIno, fmt.Sprintf("d%02d", r.IntN(4)))
				if err != nil {
					t.Errorf("lookup of a directory: %v", err)
					return
				}
				g.oneOperation(r, d.Ino, name(r), name(r))
				g.Forget(d.Ino, 1)
			}
		})
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		wg.Wait()
	}()
	limit := time.After(60 * time.Second)
	for working := true; working; {
		g.Refresh()
		select {
		case <-done:
			working = false
		case <-time.After(5 * time.Millisecond):
		case <-limit:
			t.Fatal("something waits for ever")
		}
	}
	g.must(g.Drain(g.ctx))
	g.Refresh()
	for i := range 4 {
		d := g.lookup(RootIno, fmt.Sprintf("d%02d", i))
		for _, name := range g.list(d) {
			if got, want := g.read(g.lookup(d, name)), g.onServer(fmt.Sprintf("d%02d/%s", i, name)); got != want {
				t.Errorf("d%02d/%s has %q, and %q on the server", i, name, got, want)
			}
		}
	}
	if s := g.Stats(); s.OpenHandles != 0 {
		t.Errorf("%d handles are open", s.OpenHandles)
	}
}

// oneOperation does something to a name; that it is not there is no error here.
func (g *rig) oneOperation(r *rand.Rand, dir uint64, a, b string) {
	switch r.IntN(7) {
	case 0:
		g.list(dir)
	case 1:
		if n, o, err := g.Create(g.ctx, dir, a, syscall.O_RDWR|syscall.O_TRUNC, 0o644); err == nil {
			for i := range 3 {
				g.Write(g.ctx, o.FH, []byte(b), int64(i)*4, 0)
			}
			g.Flush(g.ctx, o.FH)
			g.Release(o.FH)
			g.Forget(n.Ino, 1)
		}
	case 2:
		g.Unlink(g.ctx, dir, a)
	case 3:
		g.Rename(g.ctx, dir, a, dir, b, 0)
	case 4:
		mode := 0o600 + r.Uint32N(64)
		if n, err := g.Lookup(g.ctx, dir, a); err == nil {
			g.SetAttrs(g.ctx, n.Ino, SetAttr{Mode: &mode})
			g.Forget(n.Ino, 1)
		}
	default:
		n, err := g.Lookup(g.ctx, dir, a)
		if err != nil || n.Ino == 0 {
			return
		}
		if o, err := g.Open(g.ctx, n.Ino, syscall.O_RDONLY); err == nil {
			g.Read(g.ctx, o.FH, make([]byte, 100), 0)
			g.Release(o.FH)
		}
		g.Forget(n.Ino, 1)
	}
}

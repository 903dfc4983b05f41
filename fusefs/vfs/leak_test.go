package vfs

import (
	"syscall"
	"testing"

	"sshfs-bridge/e2e/testenv"
)

// A filesystem that was used in every way leaves nothing behind when it is closed.
func TestCloseLeavesNothing(t *testing.T) {
	testenv.NoLeaks(t)
	g := newRig(t, Options{}, testenv.CountOptions{})
	g.tree(5, 20)
	g.large("large", 4<<20)
	for _, dir := range g.list(g.root) {
		n, err := g.Lookup(g.ctx, g.root, dir)
		g.must(err)
		if n.Attr.Mode&modeType != modeDir {
			continue
		}
		for _, name := range g.list(n.Ino) {
			g.read(g.lookup(n.Ino, name))
		}
	}
	o, err := g.Open(g.ctx, g.lookup(g.root, "large"), syscall.O_RDWR)
	g.must(err)
	g.readAll(o.FH, 2<<20)
	g.must(g.Write(g.ctx, o.FH, []byte("not flushed"), 0, 0))
	_, err = g.OpenDir(g.ctx, g.root)
	g.must(err)
	// Both handles are still open.
}

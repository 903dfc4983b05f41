package vfs

import (
	"os"
	"syscall"
	"testing"
	"time"
)

// A file that is made through the mount has nothing of one of its name that others
// removed, however it is made.
func TestNewFileBeginsWithNothing(t *testing.T) {
	for what, flags := range map[string]uint32{"exclusive": syscall.O_EXCL, "truncated": syscall.O_TRUNC, "plain": 0} {
		t.Run(what, func(t *testing.T) {
			bubble(t, Options{NoBackgroundCheck: true}, func(g *rig) {
				g.file("f", "first")
				g.list(g.root)
				g.must(g.SetXattr(g.lookup(g.root, "f"), "user.tag", []byte("red"), 0))
				g.must(os.Remove(g.dir + "/f"))
				time.Sleep(g.opts.AttrTTL)
				g.list(g.root)
				n, o, err := g.Create(g.ctx, g.root, "f", syscall.O_WRONLY|flags, 0o644)
				g.must(err)
				g.Release(o.FH)
				if names, err := g.ListXattr(n.Ino); err != nil || len(names) > 0 {
					t.Errorf("it has %q, %v", names, err)
				}
			})
		})
	}
}

package bench

import (
	"context"
	"testing"
	"time"

	"sshfs-bridge/e2e/testenv"
)

// A mount that hangs in the middle of a work costs its cell, and nothing else: no
// mount and no process is left.
func TestHangingMountIsEnded(t *testing.T) {
	testenv.Require(t, "root", "fuse", "sshd")
	set := tiny()
	set.Limit = 200 * time.Millisecond
	x := &runner{ctx: t.Context(), link: newLink(t), set: set, kept: map[string]*mount{}}
	x.fix = makeFixture(t, x.link.sshd.Home, set)
	found, _ := present(mountSystems(bridgeBinary(t)), set)
	stuck := work{name: "stuck", unit: "MB/s", do: func(c *cell) (float64, error) {
		x.link.proxy.StallBoth()
		return readLarge(c)
	}}
	for _, s := range found {
		if s.name == local {
			continue
		}
		var opened *mount
		watched := s
		watched.open = func(ctx context.Context, l *link) (*mount, error) {
			m, err := s.open(ctx, l)
			opened = m
			return m, err
		}
		m := x.measure(stuck, watched)
		x.link.proxy.ResumeBoth()
		if m.err == nil {
			t.Errorf("%s: reads without its server: %v", s.name, m)
		}
		if opened == nil {
			t.Fatalf("%s: %v", s.name, m.err)
		}
		if left := testenv.MountsBelow(opened.scratch); len(left) > 0 {
			t.Errorf("%s: left mounted: %q", s.name, left)
		}
		if left := opened.pids(); len(left) > 0 {
			t.Errorf("%s: processes left: %v", s.name, left)
		}
	}
}

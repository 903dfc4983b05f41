package bridge

import (
	"fmt"
	"slices"
	"testing"

	"sshfs-bridge/bridge/api"
)

func TestCachePart(t *testing.T) {
	for _, tc := range []struct {
		total  int64
		mounts int
		want   int64
	}{
		{512 << 20, 0, 512 << 20}, {512 << 20, 1, 512 << 20}, {512 << 20, 4, 128 << 20},
		{512 << 20, 50, 512 << 20 / 50}, {512 << 20, 1000, leastCache}, {1 << 20, 1, leastCache},
	} {
		if got := cachePart(tc.total, tc.mounts); got != tc.want {
			t.Errorf("%d among %d: %d, want %d", tc.total, tc.mounts, got, tc.want)
		}
	}
}

// The budget is shared by all mounts that there are, however they come and go, and a
// changed cache_memory takes effect at once, in the workers that run.
func TestCacheBudget_isSharedLive(t *testing.T) {
	c := testConfig(t)
	next := c
	ct := newControlled(t, c, func(ct *controlled) { ct.s.o.Reload = func() (Config, error) { return next, nil } })
	parts := func() (all []int64) {
		for _, w := range ct.sys.all() {
			select {
			case <-w.done:
			default:
				all = append(all, w.cacheNow())
			}
		}
		return all
	}
	expect := func(what string, total int64, mounts int) {
		t.Helper()
		want := slices.Repeat([]int64{total / int64(mounts)}, mounts)
		await(t, fmt.Sprintf("%s: %d each", what, want[0]), func() bool { return slices.Equal(parts(), want) })
	}
	for i := range 4 {
		if _, err := ct.Mount(t.Context(), api.MountRequest{Spec: api.MountSpec{Remote: fmt.Sprintf("nas:/m%d", i)}}, nil, nil); err != nil {
			t.Fatal(err)
		}
		expect("a mount comes", c.CacheBytes, i+1)
	}
	if err := ct.Unmount(t.Context(), "m1", 0); err != nil {
		t.Fatal(err)
	}
	expect("a mount goes", c.CacheBytes, 3)
	next.CacheBytes = 96 << 20
	if _, err := ct.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	expect("another budget", 96<<20, 3)
	if n := len(ct.sys.all()); n != 4 {
		t.Errorf("%d workers were started, want 4", n)
	}
	ct.sys.all()[0].end(fmt.Errorf("killed"))
	await(t, "a new worker", func() bool { return len(ct.sys.all()) == 5 })
	expect("a worker is started again", 96<<20, 3)
}

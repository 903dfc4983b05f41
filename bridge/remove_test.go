package bridge

import (
	"slices"
	"testing"
	"time"

	"sshfs-bridge/bridge/api"
)

// slowToLeave is a worker called slow whose writes never land, and others that come
// up.
func slowToLeave(w *fakeWorker) {
	if w.spec.Name == "slow" {
		w.neverLands()
	}
	comesUp(w)
}

// A mount that takes its time to leave delays no other command; its name is free
// when it is gone, and whoever is in a hurry says so.
func TestUnmount_thatTakesLongDelaysNobody(t *testing.T) {
	ct := newControlled(t, testConfig(t), func(ct *controlled) { ct.sys.behave = slowToLeave })
	for _, remote := range []string{"nas:/slow", "nas:/fast"} {
		if _, err := ct.Mount(t.Context(), api.MountRequest{Spec: api.MountSpec{Remote: remote}}, nil, nil); err != nil {
			t.Fatal(err)
		}
	}
	first := ct.s.find("slow")
	gone := make(chan error, 1)
	go func() { gone <- ct.Unmount(t.Context(), "slow", time.Minute) }()
	await(t, "it is leaving", func() bool { return ct.state("slow") == api.StateUnmounting })

	if err := ct.Unmount(t.Context(), "fast", 0); err != nil {
		t.Fatal(err)
	}
	if _, err := ct.Mount(t.Context(), api.MountRequest{Spec: api.MountSpec{Remote: "nas:/new"}}, nil, nil); err != nil {
		t.Fatal(err)
	}
	again := make(chan error, 1)
	go func() {
		_, err := ct.Mount(t.Context(), api.MountRequest{Spec: api.MountSpec{Remote: "nas:/slow"}}, nil, nil)
		again <- err
	}()
	select {
	case err := <-gone:
		t.Fatalf("unmounted while the drain goes on: %v", err)
	case err := <-again:
		t.Fatalf("mounted under a name that is not free: %v", err)
	default:
	}
	if err := ct.Unmount(t.Context(), "slow", -1); err != nil {
		t.Fatalf("in a hurry: %v", err)
	}
	if err := <-gone; err != nil {
		t.Errorf("the first unmount: %v", err)
	}
	if err := <-again; err != nil {
		t.Errorf("mounting it again: %v", err)
	}
	if u := ct.s.find("slow"); u == nil || u == first || u.status().State != api.StateUp {
		t.Error("the mount of that name is not a new one that is up")
	}
	if d, _, _ := loadDesired(ct.s.c.StateDir); len(d.Mounts) != 2 {
		t.Errorf("kept: %+v", d.Mounts)
	}
}

// A reload in which one mount takes its time to leave adds the others at once, and
// what shall follow under its name when that is free.
func TestReload_whereOneTakesLongDelaysNobody(t *testing.T) {
	c := testConfig(t, configured("slow", "nas:/slow"), configured("a", "nas:/a"))
	next := c
	changed := configured("slow", "nas:/slow")
	changed.ReadOnly = true
	next.Mounts = []Mount{changed, configured("b", "nas:/b")}
	ct := newControlled(t, c, func(ct *controlled) {
		ct.sys.behave = slowToLeave
		ct.s.o.Reload = func() (Config, error) { return next, nil }
	})
	await(t, "up", func() bool { return ct.state("slow") == api.StateUp && ct.state("a") == api.StateUp })
	done := make(chan error, 1)
	go func() { _, err := ct.Reload(t.Context()); done <- err }()
	await(t, "b is up and a gone, while slow is leaving", func() bool {
		return ct.state("b") == api.StateUp && ct.s.find("a") == nil && ct.state("slow") == api.StateUnmounting
	})
	select {
	case err := <-done:
		t.Fatalf("reloaded while a mount is leaving: %v", err)
	default:
	}
	ct.s.leave(ct.s.find("slow"), 0) // does not change what is wanted
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if u := ct.s.find("slow"); u == nil || !u.m.ReadOnly {
		t.Error("the changed mount did not follow")
	}
	var names []string
	for _, u := range ct.s.allUnits() {
		names = append(names, u.m.Name)
	}
	if slices.Sort(names); !slices.Equal(names, []string{"b", "slow"}) {
		t.Errorf("mounts %q", names)
	}
}

package bridge

import (
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"sshfs-bridge/bridge/api"
	"sshfs-bridge/bridge/client"
	"sshfs-bridge/bridge/smbd"
	"sshfs-bridge/bridge/worker"
	"sshfs-bridge/smbconf"
)

func TestSupervisor_mountsOutliveARestart(t *testing.T) {
	c := testConfig(t, configured("logs", "nas:/var/log"), configured("old", "nas:/old"))
	ct := newControlled(t, c)
	if _, err := ct.Mount(t.Context(), api.MountRequest{Spec: api.MountSpec{Remote: "nas:/media"}}, nil, nil); err != nil {
		t.Fatal(err)
	}
	if err := ct.Unmount(t.Context(), "old", 0); err != nil {
		t.Fatal(err)
	}
	ct.stop()
	if n := ct.sys.notes(); n[len(n)-1] != "teardown" || !slices.Contains(n, "detach media") {
		t.Errorf("steps of the end: %q", n)
	}
	ct = newControlled(t, c)
	mounts, err := ct.Mounts(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, m := range mounts {
		names = append(names, m.Name+" "+m.Source)
	}
	if want := []string{"logs config", "media command"}; !slices.Equal(names, want) {
		t.Errorf("after the restart: %q, want %q", names, want)
	}
	// What was unmounted comes back when it is asked for.
	if _, err := ct.Mount(t.Context(), api.MountRequest{Spec: api.MountSpec{Remote: "nas:/old", Name: "old"}}, nil, nil); err != nil {
		t.Fatal(err)
	}
	if d, _, _ := loadDesired(c.StateDir); len(d.Unmounted) != 0 || len(d.Mounts) != 1 {
		t.Errorf("desired: %+v", d)
	}
}

func TestSupervisor_secondOneRefuses(t *testing.T) {
	c := testConfig(t)
	newControlled(t, c)
	second, _, _ := testSupervisor(t, c)
	err := second.Run(t.Context())
	if code(err) != api.CodeUnavailable || !strings.Contains(err.Error(), "another supervisor (pid ") {
		t.Errorf("the second one: %v", err)
	}
}

func TestSupervisor_reloadTouchesOnlyWhatChanged(t *testing.T) {
	c := testConfig(t, configured("a", "nas:/a"), configured("b", "nas:/b"))
	next, nextErr := c, error(nil)
	ct := newControlled(t, c, func(ct *controlled) {
		ct.s.o.Reload = func() (Config, error) { return next, nextErr }
	})
	if _, err := ct.Mount(t.Context(), api.MountRequest{Spec: api.MountSpec{Remote: "nas:/mine"}}, nil, nil); err != nil {
		t.Fatal(err)
	}
	a, mine := ct.s.find("a"), ct.s.find("mine")

	nextErr = &ConfigError{Problems: []api.Problem{{File: "f", Line: 3, Key: "uid", Message: "bad"}}}
	_, err := ct.Reload(t.Context())
	if e := (*api.Error)(nil); !errors.As(err, &e) || e.Code != api.CodeConfig || len(e.Problems) != 1 {
		t.Errorf("a bad file: %v", err)
	}
	if len(ct.s.allUnits()) != 3 {
		t.Error("a bad file changed something")
	}

	nextErr = nil
	changed := configured("b", "nas:/elsewhere")
	next.Mounts = []Mount{configured("a", "nas:/a"), changed, configured("c", "nas:/c")}
	if _, err := ct.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	if ct.s.find("a") != a || ct.s.find("mine") != mine {
		t.Error("a mount that did not change was started anew")
	}
	if u := ct.s.find("b"); u == nil || u.m.Remote != "nas:/elsewhere" {
		t.Errorf("b: %+v", u)
	}
	if ct.s.find("c") == nil {
		t.Error("c is missing")
	}
	if n := ct.sys.notes(); slices.Contains(n, "detach a") || !slices.Contains(n, "detach b") {
		t.Errorf("steps %q", n)
	}
}

func TestSupervisor_startsWithNothingReachable(t *testing.T) {
	var mounts []Mount
	for _, n := range []string{"a", "b", "c", "d"} {
		mounts = append(mounts, configured(n, "nas:/"+n))
	}
	ct := newControlled(t, testConfig(t, mounts...), func(ct *controlled) {
		ct.sys.behave = func(w *fakeWorker) {
			switch w.spec.Name {
			case "a":
				w.state(api.StateDegraded, "no route to host", worker.ReasonUnreachable)
			case "b":
				w.end(errors.New("panic"))
			case "c":
				w.state(api.StateConnecting, "", "")
			default:
				comesUp(w)
			}
		}
	})
	await(t, "the good one is up", func() bool { return ct.state("d") == api.StateUp })
	st, err := ct.Status(t.Context())
	if err != nil || !st.Degraded() {
		t.Errorf("status %+v, %v", st, err)
	}
	start := time.Now()
	ct.stop()
	if d := time.Since(start); d > 3*time.Second {
		t.Errorf("stopped after %s", d)
	}
}

func TestSupervisor_withoutSMBDTheMountsGoOn(t *testing.T) {
	ct := newControlled(t, testConfig(t, configured("a", "nas:/a")), func(ct *controlled) {
		ct.smb.check = &smbd.PortBusyError{Addr: "127.0.0.1:445", PID: 7, Name: "smbd"}
	})
	await(t, "the mount is up", func() bool { return ct.state("a") == api.StateUp })
	await(t, "the problem is told", func() bool { return len(ct.s.Status().Problems) == 1 })
	st, err := ct.Status(t.Context())
	if err != nil || st.Ready || st.SMB.State != "backoff" || !strings.Contains(st.Problems[0], "smb.ports") {
		t.Errorf("status %+v, %v", st, err)
	}
	if h, err := ct.Health(t.Context()); err != nil || h.OK || len(h.Reasons) == 0 {
		t.Errorf("health %+v, %v", h, err)
	}
}

func TestSupervisor_noFUSEIsToldAndNothingIsLeft(t *testing.T) {
	c := testConfig(t)
	s, sys, _ := testSupervisor(t, c)
	sys.setupErr = &api.Error{Code: api.CodeUnavailable, Message: "no /dev/fuse here"}
	if err := s.Run(t.Context()); code(err) != api.CodeUnavailable {
		t.Errorf("Run: %v", err)
	}
	if _, err := os.Stat(c.ControlSocket()); err == nil {
		t.Error("a control socket was left")
	}
	if _, err := (&client.Client{Socket: c.ControlSocket()}).Status(t.Context()); !errors.Is(err, client.ErrUnreachable) {
		t.Errorf("client: %v", err)
	}
}

func TestSupervisor_acceptedHostKeysAreKeptAndForgotten(t *testing.T) {
	const line = "nas.example.com ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ"
	ct := newControlled(t, testConfig(t, configured("a", "nas.example.com:/a")))
	await(t, "a worker", func() bool { return len(ct.sys.all()) == 1 })
	ct.sys.all()[0].onEvent(worker.Event{HostKeyAccepted: line})
	if got := ct.s.keys.lines(); !slices.Equal(got, []string{line}) {
		t.Errorf("kept %q", got)
	}
	r, err := ct.HostKey(t.Context(), "a", "forget")
	if err != nil || !slices.Equal(r.Forgotten, []string{line}) || len(ct.s.keys.lines()) != 0 {
		t.Errorf("forgotten %+v, %v, left %q", r, err, ct.s.keys.lines())
	}
	if _, err := ct.HostKey(t.Context(), "a", "love"); code(err) != api.CodeInvalid {
		t.Errorf("an unknown action: %v", err)
	}
}

func TestDesired_damagedFileIsPutAside(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(desiredPath(dir), []byte(`{"version":1,"mou`), 0o600); err != nil {
		t.Fatal(err)
	}
	if d := peekDesired(dir); len(d.Mounts) != 0 {
		t.Errorf("peek: %+v", d)
	}
	if _, err := os.Stat(desiredPath(dir)); err != nil {
		t.Errorf("who only looks has changed something: %v", err)
	}
	d, note, err := loadDesired(dir)
	if err != nil || note == "" || len(d.Mounts) != 0 {
		t.Errorf("%+v %q %v", d, note, err)
	}
	if _, err := os.Stat(desiredPath(dir) + ".damaged"); err != nil {
		t.Error(err)
	}
	if err := os.WriteFile(desiredPath(dir), []byte(`{"version":2}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := loadDesired(dir); err == nil {
		t.Error("a newer format was read")
	}
}

func TestSMBConf_sharesFollowTheMounts(t *testing.T) {
	c := testConfig(t)
	ro := configured("ro", "nas:/x")
	ro.ReadOnly = true
	hidden := configured("dropin", "nas:")
	hidden.Mountpoint = "/samba-share"
	v, err := smbconf.ParseVersion("4.22.1")
	if err != nil {
		t.Fatal(err)
	}
	sc, err := c.SMBConf(v, []Mount{configured("a", "nas:/a"), ro, hidden})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, s := range sc.Shares {
		names = append(names, s.Name)
	}
	if !slices.Equal(names, []string{HubShare, "a", "ro"}) || !sc.Shares[2].ReadOnly {
		t.Errorf("shares %q", names)
	}
	// The hub shows the files of all: what others change under one must not be kept by
	// who came through it.
	strict := configured("strict", "nas:/s")
	strict.Cache = "strict"
	elsewhere := strict
	elsewhere.Mountpoint = "/elsewhere"
	over := strict
	over.Mountpoint = c.Hub
	for _, k := range []struct {
		m    Mount
		want bool
	}{{configured("a", "nas:/a"), false}, {elsewhere, false}, {strict, true}, {over, true}} {
		if sc, err := c.SMBConf(v, []Mount{ro, k.m}); err != nil || sc.Shares[0].Name != HubShare || sc.Shares[0].Strict != k.want {
			t.Errorf("the hub with %+v: %v, %+v", k.m, err, sc.Shares[0])
		}
	}
	c.UID = 4294967
	if _, err := c.SMBConf(v, nil); err == nil || !strings.Contains(err.Error(), "useradd") {
		t.Errorf("an account that does not exist: %v", err)
	}
}

package bridge

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sshfs-bridge/bridge/api"
)

// Clients of the hub that have a file of the mount open are reached too.
func TestCloseShare_reachesClientsOfTheHub(t *testing.T) {
	ct := newControlled(t, testConfig(t, configured("media", "nas:/media")))
	if _, err := ct.s.WaitMount(t.Context(), "media"); err != nil {
		t.Fatal(err)
	}
	c := ct.s.Config()
	hubbed := Mount{MountSpec: api.MountSpec{Name: "x", Mountpoint: filepath.Join(c.Hub, "x")}}
	outside := Mount{MountSpec: api.MountSpec{Name: "y", Mountpoint: "/elsewhere"}}
	for _, m := range []Mount{configured("media", "nas:/media"), hubbed, outside} {
		ct.s.smb.closeShare(t.Context(), m, true)
	}
	ct.s.smb.closeShare(t.Context(), configured("media", "nas:/media"), false)
	ct.smb.mu.Lock()
	defer ct.smb.mu.Unlock()
	if want := []string{"media", filepath.Join(c.Hub, "media"), filepath.Join(c.Hub, "x"), "end media", filepath.Join(c.Hub, "media")}; !slices.Equal(ct.smb.closed, want) {
		t.Errorf("closed %q, want %q", ct.smb.closed, want)
	}
}

func TestRefusedClients_areSeen(t *testing.T) {
	ct := newControlled(t, testConfig(t, configured("media", "nas:/media")), func(ct *controlled) { ct.smb.refused = []string{"192.0.2.7"} })
	if _, err := ct.s.WaitMount(t.Context(), "media"); err != nil {
		t.Fatal(err)
	}
	st, err := ct.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(st.SMB.Refused, []string{"192.0.2.7"}) {
		t.Errorf("status: %+v", st.SMB)
	}
	told := func(f Finding) bool {
		return strings.Contains(f.Finding, "192.0.2.7") && strings.Contains(f.Remedy, "smb.hosts_allow") && f.Verdict == VerdictNote
	}
	if fs := checkRunning(st); !slices.ContainsFunc(fs, told) {
		t.Errorf("the doctor does not say what to set: %+v", fs)
	}
}

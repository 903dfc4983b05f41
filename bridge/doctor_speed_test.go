package bridge

import (
	"slices"
	"strings"
	"testing"
	"time"

	"sshfs-bridge/bridge/api"
	"sshfs-bridge/bridge/client"
	"sshfs-bridge/e2e/testenv"
)

func TestSpeed_saysWhichLimitHolds(t *testing.T) {
	const mb = 1e6
	for name, tc := range map[string]struct {
		s    speed
		want []string
	}{
		"the window": {
			speed{rtt: 100 * time.Millisecond, one: 20 * mb, striped: 200 * mb, busy: 0.5, processors: 4},
			[]string{"its window, 2 MiB in 100ms, lets no more through than 21.0 MB/s", "the limit is the link or the server"},
		},
		"the processor": {
			speed{rtt: time.Millisecond, one: 300 * mb, striped: 400 * mb, busy: 1.9, processors: 2},
			[]string{"one channel carries 300.0 MB/s", "the limit is this machine's processor"},
		},
		"the link": {
			speed{rtt: 10 * time.Millisecond, one: 11.8 * mb, striped: 11.9 * mb, busy: 0.1, processors: 2},
			[]string{"several carry 11.9 MB/s", "more channels bring nothing"},
		},
	} {
		var text string
		for _, f := range tc.s.findings("remote x") {
			text += f.Finding + " " + f.Remedy + "\n"
		}
		for _, want := range tc.want {
			if !strings.Contains(text, want) {
				t.Errorf("%s: %q is missing in\n%s", name, want, text)
			}
		}
	}
}

// speedOf asks the doctor for the speed of a server.
func speedOf(t *testing.T, sshd *testenv.SSHD, c Config, name string) []Finding {
	t.Helper()
	c.SSHDir = sshd.SSHDir
	fs := Diagnose(t.Context(), DiagnoseOptions{Config: c, Client: &client.Client{Socket: c.ControlSocket()}, Remotes: []string{name}, Speed: true})
	return slices.DeleteFunc(fs, func(f Finding) bool { return !strings.HasPrefix(f.Check, "remote ") })
}

func TestSpeed_measured(t *testing.T) {
	testenv.Require(t, "root", "sshd")
	sshd := testenv.StartSSHD(t, testenv.SSHDOptions{})
	c := testConfig(t, Mount{MountSpec: api.MountSpec{Name: "media", Remote: sshd.Remote("")}, Source: api.SourceConfig})
	fs := speedOf(t, sshd, c, "media") // the name of a mount stands for its remote
	has := func(text string) bool {
		return slices.ContainsFunc(fs, func(f Finding) bool { return f.Verdict == VerdictOK && strings.Contains(f.Finding, text) })
	}
	for _, want := range []string{"round-trip time", "one channel carries", "several carry", "the limit is"} {
		if !has(want) {
			t.Errorf("no %q in %+v", want, fs)
		}
	}
	if has("carries 0.0 MB/s") || has("carry 0.0 MB/s") {
		t.Errorf("nothing came through: %+v", fs)
	}
	t.Logf("%+v", fs)
}

func TestSpeed_serverWithoutDevZero(t *testing.T) {
	testenv.Require(t, "root", "sshd")
	sshd := testenv.StartSSHD(t, testenv.SSHDOptions{Hardened: true, Chroot: true, User: testenv.SSHDAccount})
	fs := speedOf(t, sshd, testConfig(t), sshd.Remote(""))
	told := func(f Finding) bool {
		return f.Verdict == VerdictNote && strings.Contains(f.Finding, "cannot be measured")
	}
	if !slices.ContainsFunc(fs, told) {
		t.Errorf("%+v", fs)
	}
}

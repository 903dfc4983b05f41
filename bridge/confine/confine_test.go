package confine

import (
	"encoding/json"
	"os"
	"os/exec"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"sshfs-bridge/e2e/testenv"
)

// The test binary, started with this variable, confines itself and becomes a
// program that prints its rights.
const envLimits = "CONFINE_TEST_LIMITS"

func TestMain(m *testing.M) {
	if s := os.Getenv(envLimits); s != "" {
		var steps []Limits // all but the last one execute this binary again
		if err := json.Unmarshal([]byte(s), &steps); err != nil {
			panic(err)
		}
		if len(steps) == 1 {
			panic(Exec("/bin/cat", []string{"cat", "/proc/self/status"}, nil, steps[0]))
		}
		rest, err := json.Marshal(steps[1:])
		if err != nil {
			panic(err)
		}
		panic(Exec("/proc/self/exe", os.Args, []string{envLimits + "=" + string(rest)}, steps[0]))
	}
	os.Exit(m.Run())
}

func statusWith(t *testing.T, steps ...Limits) string {
	t.Helper()
	b, err := json.Marshal(steps)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), envLimits+"="+string(b))
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

func field(t *testing.T, status, key string) string {
	t.Helper()
	for line := range strings.Lines(status) {
		if rest, ok := strings.CutPrefix(line, key+":"); ok {
			return strings.Join(strings.Fields(rest), " ")
		}
	}
	t.Fatalf("no %s in\n%s", key, status)
	return ""
}

func TestRootWithoutCapabilities(t *testing.T) {
	testenv.Require(t, "root")
	status := statusWith(t, Limits{})
	if err := verify(status, 0); err != nil {
		t.Error(err)
	}
	if got := field(t, status, "CapBnd"); got != "0000000000000000" {
		t.Errorf("bounding set: %s", got)
	}
}

func TestAnotherUser(t *testing.T) {
	testenv.Require(t, "root")
	status := statusWith(t, Limits{Identity: &Identity{UID: 1234, GID: 2345, Groups: []uint32{7, 8}}})
	if err := verify(status, 1234); err != nil {
		t.Error(err)
	}
	for key, want := range map[string]string{
		"Uid": "1234 1234 1234 1234", "Gid": "2345 2345 2345 2345", "Groups": "7 8", "CapBnd": "0000000000000000",
	} {
		if got := field(t, status, key); got != want {
			t.Errorf("%s: %q, want %q", key, got, want)
		}
	}
}

func TestRootKeepsWhatItNeeds(t *testing.T) {
	testenv.Require(t, "root")
	status := statusWith(t, Limits{Keep: []int{unix.CAP_SETUID, unix.CAP_SETGID}})
	for _, key := range []string{"CapBnd", "CapPrm", "CapEff"} {
		if got := field(t, status, key); got != "00000000000000c0" {
			t.Errorf("%s: %s", key, got)
		}
	}
	if got := field(t, status, "NoNewPrivs"); got != "1" {
		t.Errorf("no_new_privs: %s", got)
	}
}

// In a container that withholds CAP_SETPCAP the bounding set stays, and that
// gives nothing back.
func TestWithoutSetpcap(t *testing.T) {
	testenv.Require(t, "root")
	status := statusWith(t, Limits{Keep: []int{unix.CAP_SETUID, unix.CAP_SETGID, unix.CAP_CHOWN}}, Limits{Keep: []int{unix.CAP_SETUID}})
	for key, want := range map[string]string{"CapBnd": "00000000000000c1", "CapPrm": "0000000000000080", "CapEff": "0000000000000080"} {
		if got := field(t, status, key); got != want {
			t.Errorf("%s: %s, want %s", key, got, want)
		}
	}
	status = statusWith(t, Limits{Keep: []int{unix.CAP_SETUID, unix.CAP_SETGID}}, Limits{Identity: &Identity{UID: 1234, GID: 2345}})
	if err := verify(status, 1234); err != nil {
		t.Error(err)
	}
}

func TestVerifyNamesWhatIsWrong(t *testing.T) {
	err := verify("Uid:\t0 0 0 0\nCapInh:\t0\nCapPrm:\t1\nCapEff:\t0\nCapAmb:\t0\nNoNewPrivs:\t0\n", 1000)
	if err == nil {
		t.Fatal("a process with rights passes")
	}
	for _, want := range []string{"CapPrm", "no_new_privs", "not 1000"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q does not name %s", err, want)
		}
	}
}

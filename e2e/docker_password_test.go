package e2e

import (
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"sshfs-bridge/docker"
)

// TestDockerPassword: with `auth: password` the container's log shows the password
// once, guests get nowhere, and it is the same in the next container of that volume.
func TestDockerPassword(t *testing.T) {
	spec := docker.Default(docker.Hardened)
	spec.Name, spec.SSHDir, spec.Volume = "sshfs-bridge-e2e-password", "", "sshfs-bridge-e2e-password"
	spec.Env = []string{"SSHFS_BRIDGE_SMB_AUTH=password"}
	removeVolume(t, spec.Volume)
	shown := func(a *appliance) [][]string {
		return regexp.MustCompile(`The shares' user is (\S+), the password (\S+)`).FindAllStringSubmatch(dockerDo(t, "logs", a.name), -1)
	}
	a := startAppliance(t, spec)
	first := shown(a)
	if len(first) != 1 {
		t.Fatalf("the password was shown %d times", len(first))
	}
	login := first[0][1] + "%" + first[0][2]
	gets := func(a *appliance, login string) (string, error) {
		t.Helper()
		return commandTry(t, time.Minute, "smbclient", "-U", login, "-t", "20", "-p", strconv.Itoa(a.port), "//127.0.0.1/SSHFS Share", "-c", "ls")
	}
	works := func(a *appliance) {
		t.Helper()
		if out, err := gets(a, login); err != nil {
			t.Errorf("with the password: %v\n%s", err, out)
		}
		for _, other := range []string{"guest%", "%", first[0][1] + "%wrong"} {
			if out, err := gets(a, other); err == nil || !strings.Contains(out, "NT_STATUS_LOGON_FAILURE") && !strings.Contains(out, "NT_STATUS_ACCESS_DENIED") {
				t.Errorf("as %q: %v\n%s", other, err, out)
			}
		}
	}
	works(a)
	dockerDo(t, "restart", a.name)
	a.waitHealthy(20 * time.Second)
	works(a)
	if again := shown(a); len(again) != 1 {
		t.Errorf("after a restart the password was shown %d times", len(again))
	}
	dockerDo(t, "rm", "-f", a.name)
	next := startAppliance(t, spec)
	works(next)
	if again := shown(next); len(again) != 0 {
		t.Errorf("the next container showed it again: %q", again)
	}
}

package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"sshfs-bridge/docker"
	"sshfs-bridge/e2e/testenv"
)

// TestDockerAccess: who may connect. The host may, by the published port and
// by the container's address; a container beside it may not; nobody may with
// SMB1.
func TestDockerAccess(t *testing.T) {
	testenv.Require(t, "smbclient")
	spec := docker.Default(docker.Privileged)
	spec.Name, spec.SSHDir, spec.Volume = "sshfs-bridge-e2e-access", "", ""
	a := startAppliance(t, spec)
	ip := a.ip()

	t.Run("the host, by the published port", func(t *testing.T) {
		smbDo(t, "127.0.0.1", a.port, "SSHFS Share", "ls")
	})
	t.Run("the host, by the container's address", func(t *testing.T) {
		smbDo(t, ip, 445, "SSHFS Share", "ls")
		smbDo(t, ip, 139, "SSHFS Share", "ls")
	})
	t.Run("another container is refused", func(t *testing.T) {
		// A negotiate request of SMB2, with nothing in it but what gets an
		// answer from a server that listens to the caller.
		knock := fmt.Sprintf(`exec 3<>/dev/tcp/%s/445 && printf '%s' >&3 && timeout 3 head -c 8 <&3 | od -An -tx1`, ip, smb2Negotiate)
		other := newAppliance(t, a.name+"-other")
		dockerDo(t, "run", "-d", "--rm", "--name", other.name, "--entrypoint", "sleep", dockerImageName, "600")
		answered := func() bool {
			out, err := dockerTry(t, "exec", other.name, "bash", "-c", knock)
			return err == nil && strings.Contains(out, "fe 53 4d 42")
		}
		if answered() {
			t.Error("it was answered")
		}
		// The same words from inside the appliance are answered: the request is fine.
		inside := strings.Replace(knock, ip, "127.0.0.1", 1)
		if out := a.exec("bash", "-c", inside); !strings.Contains(out, "fe 53 4d 42") {
			t.Errorf("the probe is no good: %q", out)
		}
		if !strings.Contains(dockerDo(t, "logs", a.name), "Denied connection") {
			t.Error("the refusal is not in the log")
		}
		// What doctor advises lets it in, and the published port stays open.
		advice := "smb.hosts_allow: [" + other.ip() + "]"
		testenv.Eventually(t, 20*time.Second, "doctor says how to let it in", func() bool {
			out, _ := dockerTry(t, "exec", a.name, "sshfs-bridge", "doctor")
			return strings.Contains(out, advice)
		})
		a.exec("sh", "-c", "mkdir -p /etc/sshfs-bridge && echo '"+strings.Replace(advice, "smb.", "smb:\n  ", 1)+"' >/etc/sshfs-bridge/config.yaml && sshfs-bridge reload")
		testenv.Eventually(t, 20*time.Second, "it is let in", answered)
		smbDo(t, "127.0.0.1", a.port, "SSHFS Share", "ls")
	})
	t.Run("SMB1 is refused", func(t *testing.T) {
		out, err := smbTry(t, "127.0.0.1", a.port, "SSHFS Share", "ls", "-m", "NT1", "--option=client min protocol=CORE")
		if err == nil {
			t.Errorf("a client that speaks SMB1 only got in:\n%s", out)
		}
		if strings.Contains(out, "is less than") {
			t.Errorf("the client did not even try:\n%s", out)
		}
	})
	t.Run("Docker agrees that it is healthy", func(t *testing.T) {
		testenv.Eventually(t, 40*time.Second, "docker inspect says healthy", func() bool {
			return strings.TrimSpace(dockerDo(t, "inspect", "-f", "{{.State.Health.Status}}", a.name)) == "healthy"
		})
	})
}

// smb2Negotiate is an SMB2 NEGOTIATE request for dialect 2.1 in printf's
// notation: the NetBIOS length, the header, the body (MS-SMB2 2.2.1, 2.2.3).
var smb2Negotiate = `\000\000\000\146` +
	`\376SMB\100\000` + strings.Repeat(`\000`, 6) + `\000\000\001\000` + strings.Repeat(`\000`, 48) +
	`\044\000\001\000\001\000\000\000\000\000\000\000` + strings.Repeat(`\001`, 16) + strings.Repeat(`\000`, 8) + `\020\002`

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
		out, err := dockerTry(t, "run", "--rm", "--entrypoint", "bash", dockerImageName, "-c", knock)
		if err == nil && strings.Contains(out, "fe 53 4d 42") {
			t.Errorf("it was answered: %s", out)
		}
		// The same words from inside the appliance are answered: the request is fine.
		inside := strings.Replace(knock, ip, "127.0.0.1", 1)
		if out := a.exec("bash", "-c", inside); !strings.Contains(out, "fe 53 4d 42") {
			t.Errorf("the probe is no good: %q", out)
		}
		other := strings.Fields(dockerDo(t, "logs", a.name))
		if !strings.Contains(strings.Join(other, " "), "Denied connection") {
			t.Error("the refusal is not in the log")
		}
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

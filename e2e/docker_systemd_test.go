package e2e

import (
	"context"
	"os/exec"
	"strings"
	"testing"
	"time"

	"sshfs-bridge/e2e/testenv"
)

// systemdImage is a host with systemd, sshd and the appliance's programs.
const systemdImage = "sshfs-bridge-test-systemd"

// TestDockerSystemd lives through the service's life under a systemd that runs:
// installed, ready, crashed, reloaded, stopped, removed.
func TestDockerSystemd(t *testing.T) {
	h := startSystemdHost(t)
	h.do("mkdir -p /root/.ssh /srv/files /run/sshd && chmod 700 /root/.ssh && ssh-keygen -q -t ed25519 -N '' -f /ssh/id_ed25519" +
		" && cp /ssh/id_ed25519.pub /root/.ssh/authorized_keys && ssh-keygen -A && /usr/sbin/sshd && echo there >/srv/files/hello")
	h.do("sshfs-bridge service install --start")
	// Type=notify: start returns when the control socket answers.
	h.do("sshfs-bridge list && systemctl is-enabled sshfs-bridge")
	h.do("sshfs-bridge mount root@127.0.0.1:/srv/files")
	h.isServed()

	// A Go program that crashes exits with 2, and so does one that the watchdog ends.
	h.do("systemctl kill --kill-whom=main --signal=ABRT sshfs-bridge")
	h.eventually("it was started again after a crash", "systemctl show -p NRestarts --value sshfs-bridge | grep -x 1 && systemctl is-active sshfs-bridge")
	h.isServed()

	before := h.do("systemctl show -p MainPID --value sshfs-bridge")
	h.do("systemctl reload sshfs-bridge")
	h.isServed()
	if after := h.do("systemctl show -p MainPID --value sshfs-bridge"); after != before {
		t.Errorf("a reload made process %s of %s", after, before)
	}

	h.do("sshfs-bridge service stop")
	h.do("! systemctl is-active sshfs-bridge && ! grep -e sshfs-bridge -e samba-share /proc/mounts")
	h.do("sshfs-bridge service start")
	h.isServed()
	h.do("sshfs-bridge service uninstall")
	h.do("! systemctl cat sshfs-bridge && ! grep -e sshfs-bridge -e samba-share /proc/mounts && ! pgrep smbd")
}

// systemdHost is a container whose first process is systemd.
type systemdHost struct {
	t    testing.TB
	name string
}

func startSystemdHost(t testing.TB) *systemdHost {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	build := exec.CommandContext(ctx, "docker", "build", "-q", "-t", systemdImage, "-")
	build.Stdin = strings.NewReader("FROM " + dockerImage(t) + "\n" +
		"RUN apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends systemd systemd-sysv procps openssh-server && systemctl mask smbd ssh\n" +
		"ENTRYPOINT [\"/lib/systemd/systemd\"]\nCMD []\nHEALTHCHECK NONE\nSTOPSIGNAL SIGRTMIN+3\n")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("docker build: %v\n%s", err, out)
	}
	a := newAppliance(t, "sshfs-bridge-test-systemd")
	dockerDo(t, "run", "-d", "--name", a.name, "--privileged", "--cgroupns=private", "--tmpfs", "/run", "--tmpfs", "/tmp", systemdImage)
	h := &systemdHost{t: t, name: a.name}
	t.Cleanup(func() {
		if t.Failed() {
			out, _ := dockerTry(t, "exec", h.name, "journalctl", "--no-pager", "-n", "80")
			t.Logf("the journal:\n%s", out)
		}
	})
	h.eventually("systemd is up", "systemctl is-system-running | grep -e running -e degraded")
	return h
}

// do runs a shell line, which must succeed.
func (h *systemdHost) do(line string) string {
	h.t.Helper()
	return strings.TrimSpace(dockerDo(h.t, "exec", h.name, "bash", "-c", line))
}

func (h *systemdHost) eventually(what, line string) {
	h.t.Helper()
	testenv.Eventually(h.t, 30*time.Second, what, func() bool {
		_, err := dockerTry(h.t, "exec", h.name, "bash", "-c", line)
		return err == nil
	})
}

// isServed waits until the mount is up, and its file can be read.
func (h *systemdHost) isServed() {
	h.t.Helper()
	h.eventually("the mount is up", "sshfs-bridge list | grep 'files  *up' && grep -qx there /run/sshfs-bridge/mnt/files/hello")
}

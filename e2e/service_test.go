package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"sshfs-bridge/e2e/testenv"
)

// The rights that the systemd unit leaves are enough: the supervisor runs with
// its capabilities and nothing else, mounts, shares, restarts a worker, stops.
func TestServiceUnit_rightsAreEnough(t *testing.T) {
	testenv.Require(t, "root", "sshd", "setpriv")
	unit, stderr, code := testenv.Run(t, os.Environ(), binary, "service", "install", "--print")
	if code != 0 {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	bounding := "-all"
	for line := range strings.Lines(unit) {
		if caps, ok := strings.CutPrefix(strings.TrimSpace(line), "CapabilityBoundingSet="); ok {
			for _, c := range strings.Fields(caps) {
				bounding += ",+" + strings.ToLower(strings.TrimPrefix(c, "CAP_"))
			}
		}
	}
	if bounding == "-all" {
		t.Fatalf("no CapabilityBoundingSet in\n%s", unit)
	}
	sshd := testenv.StartSSHD(t, testenv.SSHDOptions{})
	writeFile(t, filepath.Join(sshd.Home, "hello"), "there")
	b := newBridge(t, bridgeOptions{SSHDir: sshd.SSHDir}, testenv.FreePort(t))
	b.under = []string{"setpriv", "--no-new-privs", "--bounding-set", bounding, "--inh-caps", "-all", "--"}
	b.start()
	b.ok("mount", sshd.Remote(sshd.HomeSeen), "files")
	share := b.share("files")
	if data, err := share.ReadFile("hello"); err != nil || string(data) != "there" {
		t.Errorf("read: %q, %v", data, err)
	}
	if err := share.WriteFile("new", []byte("here"), 0o644); err != nil {
		t.Errorf("write: %v", err)
	}
	if took := b.stop(syscall.SIGTERM, 10*time.Second); b.cmd.ProcessState.ExitCode() != 0 {
		t.Errorf("ended after %v with %v", took, b.cmd.ProcessState)
	}
}

// systemctl stands in for systemd's: it answers as for a unit that is there, and
// notes what it was asked.
const systemctl = `#!/bin/sh
echo "$*" >> "$SYSTEMCTL_LOG"
case $1 in
--version) echo "systemd 252 (252)" ;;
is-active) if [ -e "$SYSTEMCTL_LOG.active" ]; then echo active; else echo inactive; exit 3; fi ;;
list-unit-files) [ -e /etc/systemd/system/sshfs-bridge.service ] && echo "sshfs-bridge.service enabled" ;;
start) : > "$SYSTEMCTL_LOG.active" ;;
stop) rm -f "$SYSTEMCTL_LOG.active" ;;
esac
exit 0
`

// The whole life of the service, in a mount namespace where /etc/systemd/system
// is empty and systemctl is ours.
func TestServiceCommands(t *testing.T) {
	testenv.Require(t, "root", "unshare", "systemd-analyze")
	dir := testenv.PublicDir(t, "")
	if err := os.WriteFile(filepath.Join(dir, "systemctl"), []byte(systemctl), 0o755); err != nil {
		t.Fatal(err)
	}
	log := filepath.Join(dir, "log")
	script := `set -u
mount -t tmpfs none /etc/systemd/system
mount -t tmpfs none /run
mkdir -p /run/systemd/system
say() { echo "\$ $*"; shift; "$BIN" "$@"; echo "exit $?"; }
say sshfs-bridge service status
say sshfs-bridge service uninstall
say sshfs-bridge service install --start
say sshfs-bridge service install
say sshfs-bridge service status
echo changed >> /etc/systemd/system/sshfs-bridge.service
say sshfs-bridge service install
say sshfs-bridge service stop
say sshfs-bridge service status --json
say sshfs-bridge service start
say sshfs-bridge service uninstall
say sshfs-bridge service status
ls /etc/systemd/system
`
	env := append(os.Environ(), "BIN="+binary, "SYSTEMCTL_LOG="+log, "PATH="+dir+":"+os.Getenv("PATH"), "SUDO_USER=")
	stdout, stderr, code := testenv.Run(t, env, "unshare", "--mount", "sh", "-c", script+"exec 2>&1\n")
	if code != 0 {
		t.Fatalf("exit %d\n%s%s", code, stdout, stderr)
	}
	const want = `$ sshfs-bridge service status
the service is not installed
exit 5
$ sshfs-bridge service uninstall
exit 1
$ sshfs-bridge service install --start
the service is started (/etc/systemd/system/sshfs-bridge.service)
exit 0
$ sshfs-bridge service install
the service is installed (/etc/systemd/system/sshfs-bridge.service)
exit 0
$ sshfs-bridge service status
the service is running
exit 0
$ sshfs-bridge service install
exit 1
$ sshfs-bridge service stop
the service is stopped
exit 0
$ sshfs-bridge service status --json
{
  "state": "stopped"
}
exit 5
$ sshfs-bridge service start
the service is started
exit 0
$ sshfs-bridge service uninstall
the service is uninstalled
exit 0
$ sshfs-bridge service status
the service is not installed
exit 5
`
	if stdout != want {
		t.Errorf("got\n%s\nwant\n%s\nstderr:\n%s", stdout, want, stderr)
	}
	for _, text := range []string{"`sshfs-bridge service install` does it", "is installed already"} {
		if !strings.Contains(stderr, text) {
			t.Errorf("nobody said %q:\n%s", text, stderr)
		}
	}
	asked, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	for _, call := range []string{"enable sshfs-bridge.service", "daemon-reload", "start sshfs-bridge.service", "stop sshfs-bridge.service", "disable sshfs-bridge.service"} {
		if !strings.Contains(string(asked), call+"\n") {
			t.Errorf("systemctl %s was not called:\n%s", call, asked)
		}
	}
}

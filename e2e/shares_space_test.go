package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"sshfs-bridge/bridge/api"
	"sshfs-bridge/e2e/testenv"
)

// TestShareNameWithASpace: a folder called "My Photos" is a share of that name, to every
// client and command, and over a crash of its worker.
func TestShareNameWithASpace(t *testing.T) {
	testenv.Require(t, "smbclient")
	t.Parallel()
	const name = "My Photos"
	sshd := testenv.StartSSHD(t, testenv.SSHDOptions{})
	check(t, os.Mkdir(filepath.Join(sshd.Home, name), 0o777))
	writeFile(t, filepath.Join(sshd.Home, name, "hello"), "there")
	b := startBridge(t, bridgeOptions{SSHDir: sshd.SSHDir})
	url := fmt.Sprintf("smb://guest:@127.0.0.1:%d/My%%20Photos", b.Port)
	if out := b.ok("mount", sshd.Remote(filepath.Join(sshd.HomeSeen, name))); !strings.Contains(out, url) {
		t.Errorf("mount does not print the URL %s:\n%s", url, out)
	}
	if out := b.ok("url", name); strings.TrimSpace(out) != url {
		t.Errorf("url: %q, want %s", out, url)
	}
	works := func(when string) {
		t.Helper()
		s := b.share(name)
		if data, err := s.ReadFile("hello"); err != nil || string(data) != "there" {
			t.Errorf("%s: read %q, %v", when, data, err)
		}
		if err := s.WriteFile("of a client", []byte(when), 0o644); err != nil {
			t.Errorf("%s: %v", when, err)
		}
		if data, err := os.ReadFile(filepath.Join(sshd.Home, name, "of a client")); err != nil || string(data) != when {
			t.Errorf("%s: on the server is %q, %v", when, data, err)
		}
		for share, file := range map[string]string{name: "hello", "SSHFS Share": name + `\hello`} {
			if out, code := b.smbclient(share, fmt.Sprintf(`get "%s" /dev/null`, file)); code != 0 {
				t.Errorf("%s: smbclient %s: exit %d: %s", when, share, code, out)
			}
		}
	}
	works("mounted")
	for _, command := range []string{"refresh", "login"} {
		b.ok(command, name)
	}
	check(t, syscall.Kill(b.status(name).WorkerPID, syscall.SIGKILL))
	b.eventually(10*time.Second, "another worker", func() error {
		if m := b.status(name); m.Restarts == 0 || m.State != api.StateUp {
			return fmt.Errorf("%s, %d restarts", m.State, m.Restarts)
		}
		return nil
	})
	works("after a crash")
	b.stop(syscall.SIGKILL, 10*time.Second)
	b.start()
	b.eventually(10*time.Second, "the mount is back", func() error {
		if m := b.status(name); m.State != api.StateUp {
			return fmt.Errorf("%s", m.State)
		}
		return nil
	})
	works("after another start")
	b.ok("umount", name)
	if s, err := b.dialShare(name); err == nil {
		s.Umount()
		t.Error("the share is there after umount")
	}
}

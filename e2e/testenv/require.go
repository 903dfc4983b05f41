package testenv

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// facilities are what a test may need of the machine, each with the check
// that says what is missing ("" when nothing is).
var facilities = map[string]func() string{
	"root": func() string {
		if os.Geteuid() != 0 {
			return "run as root"
		}
		return ""
	},
	"fuse": func() string {
		if os.Geteuid() != 0 {
			return "mounting needs root"
		}
		f, err := os.OpenFile("/dev/fuse", os.O_RDWR, 0)
		if err != nil {
			return err.Error()
		}
		f.Close()
		return ""
	},
	"sshd":       needProgram("/usr/sbin/sshd", "openssh-server"),
	"smbd":       needProgram("/usr/sbin/smbd", "samba"),
	"smbclient":  needProgram("smbclient", "smbclient"),
	"smbtorture": needProgram("smbtorture", "samba-testsuite"),
	"sshfs":      needProgram("sshfs", "sshfs"),
	"rclone":     needProgram("rclone", "rclone"),
	"sftp":       needProgram("sftp", "openssh-client"),
	"dropbear":   needProgram("dropbear", "dropbear-bin"),
	"proftpd": func() string {
		if _, err := os.Stat("/usr/lib/proftpd/mod_sftp.so"); err != nil {
			return "no ProFTPD with mod_sftp (apt-get install proftpd-core proftpd-mod-crypto)"
		}
		return ""
	},
	"fio":             needProgram("fio", "fio"),
	"git":             needProgram("git", "git"),
	"rsync":           needProgram("rsync", "rsync"),
	"tar":             needProgram("tar", "tar"),
	"fallocate":       needProgram("fallocate", "util-linux"),
	"sqlite3":         needProgram("sqlite3", "sqlite3"),
	"tinysshd":        needProgram("tinysshd", "tinysshd"),
	"setpriv":         needProgram("setpriv", "util-linux"),
	"unshare":         needProgram("unshare", "util-linux"),
	"systemd-analyze": needProgram("systemd-analyze", "systemd"),
	"asyncssh": func() string {
		if err := exec.Command("/usr/bin/python3", "-W", "ignore", "-c", "import asyncssh").Run(); err != nil {
			return "no AsyncSSH (apt-get install python3-asyncssh)"
		}
		return ""
	},
	"sftpgo": func() string {
		if _, err := exec.LookPath("sftpgo"); err != nil {
			return "no SFTPGo (BRIDGE_TEST_REQUIRE=sftpgo e2e/prepare.sh builds it)"
		}
		return ""
	},
	"docker": func() string {
		if out, err := exec.Command("docker", "info").CombinedOutput(); err != nil {
			return "no Docker engine: " + strings.TrimSpace(string(out))
		}
		return ""
	},
}

func needProgram(name, pkg string) func() string {
	return func() string {
		if _, err := exec.LookPath(name); err != nil {
			return name + " not found (apt-get install " + pkg + ")"
		}
		return ""
	}
}

// Require skips the test when the machine lacks one of the named facilities,
// and fails it instead when BRIDGE_TEST_REQUIRE (a comma-separated list)
// names that facility.
func Require(t testing.TB, names ...string) {
	t.Helper()
	required := strings.Split(os.Getenv("BRIDGE_TEST_REQUIRE"), ",")
	for _, name := range names {
		check, ok := facilities[name]
		if !ok {
			t.Fatalf("testenv: no facility is called %q", name)
		}
		missing := check()
		if missing == "" {
			continue
		}
		if slices.Contains(required, name) {
			t.Fatalf("BRIDGE_TEST_REQUIRE names %q, but: %s", name, missing)
		}
		t.Skipf("needs %s: %s", name, missing)
	}
}

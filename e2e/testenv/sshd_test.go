package testenv_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"sshfs-bridge/e2e/testenv"
)

// sftpList lists the session's home with OpenSSH's own client.
func sftpList(t *testing.T, s *testenv.SSHD) (string, error) {
	t.Helper()
	cmd := exec.Command("sftp", "-F", filepath.Join(s.SSHDir, "config"), "-i", s.IdentityFile, "-b", "-",
		"-o", "UserKnownHostsFile="+s.KnownHosts, "-o", "ConnectTimeout=5", s.Alias)
	cmd.Stdin = strings.NewReader("ls -1\n")
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func TestSSHD(t *testing.T) {
	for name, o := range map[string]testenv.SSHDOptions{
		"plain":                    {},
		"sftp-server":              {ExternalSFTP: true},
		"chroot":                   {Chroot: true},
		"hardened":                 {Hardened: true},
		"hardened, chroot, nobody": {Hardened: true, Chroot: true, User: "nobody"},
		"own account":              {User: testenv.SSHDAccount},
		"any address":              {ListenHost: "0.0.0.0", MaxSessions: 1, HostKeyTypes: []string{"rsa", "ecdsa"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := testenv.StartSSHD(t, o)
			if err := os.WriteFile(filepath.Join(s.Home, "a file"), nil, 0o644); err != nil {
				t.Fatal(err)
			}
			out, err := sftpList(t, s)
			if err != nil || !strings.Contains(out, "a file") {
				t.Fatalf("sftp: %v\n%s", err, out)
			}
			s.Restart()
			s.Freeze()
			s.Thaw()
			s.KillSessions()
			if out, err := sftpList(t, s); err != nil {
				t.Fatalf("sftp after a restart: %v\n%s", err, out)
			}
			s.NewHostKeys()
			s.Restart()
			if out, err := sftpList(t, s); err == nil {
				t.Fatalf("sftp accepted another host key:\n%s", out)
			}
			s.TrustHostKeys()
			if out, err := sftpList(t, s); err != nil {
				t.Fatalf("sftp with the new host key: %v\n%s", err, out)
			}
		})
	}
}

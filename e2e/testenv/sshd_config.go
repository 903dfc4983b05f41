package testenv

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// sshdPasswordHash is SSHDPassword as crypt(3) SHA-512.
const sshdPasswordHash = "$6$bridgetest$c8oKJYXtydSxcdzC69aHCcGBiSOiY.YGdzP7V0et5HS7dPtOq4tZb6XWje48OQvs8vIW6Axgws69HDynKARKo/"

// pamConfig lets the local password file decide, and nothing else.
const pamConfig = "auth required pam_unix.so\naccount required pam_permit.so\nsession required pam_permit.so\n"

func (s *SSHD) serverConfig() string {
	o := s.o
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	for _, l := range o.Config {
		line("%s", l)
	}
	line("Port %d", s.Port)
	line("ListenAddress %s", o.ListenHost)
	for _, typ := range o.HostKeyTypes {
		line("HostKey %s", s.HostKeyFile(typ))
	}
	line("PidFile none")
	line("AuthorizedKeysFile %s", s.AuthorizedKeys)
	line("StrictModes no") // the files lie below the temporary directory
	line("PermitRootLogin yes")
	line("UseDNS no")
	line("PrintMotd no")
	line("MaxStartups 200") // a test may dial faster than a stranger should
	if sshdKnows(s.t, "PerSourcePenalties") {
		// Since OpenSSH 9.8 a refused login bars its source for a while: not
		// here, unless a test asks for it in Config.
		line("PerSourcePenalties no")
	}
	line("UsePAM %s", yesNo(o.KeyboardInteractive))
	line("PasswordAuthentication %s", yesNo(o.Password))
	line("KbdInteractiveAuthentication %s", yesNo(o.KeyboardInteractive))
	line("PubkeyAuthentication %s", yesNo(!o.Password && !o.KeyboardInteractive))
	if o.Debug {
		line("LogLevel DEBUG1")
	} else {
		line("LogLevel VERBOSE")
	}
	if o.MaxSessions > 0 {
		line("MaxSessions %d", o.MaxSessions)
	}
	if !o.NoSFTP {
		line("Subsystem sftp %s", s.sftpCommand())
	}
	if o.Chroot {
		line("ChrootDirectory %s", s.Home)
	}
	if o.Hardened {
		line("AuthenticationMethods publickey")
		line("PermitTTY no")
		line("DisableForwarding yes")
		line("AllowTcpForwarding no")
		line("AllowAgentForwarding no")
		line("X11Forwarding no")
		line("PermitTunnel no")
		line("ForceCommand internal-sftp -d %s", s.HomeSeen)
	}
	return b.String()
}

func (s *SSHD) sftpCommand() string {
	program := "internal-sftp"
	if s.o.ExternalSFTP {
		program = SFTPServerProgram()
	}
	return strings.Join(append([]string{program, "-d", s.HomeSeen}, s.o.SFTPArgs...), " ")
}

// SFTPServerProgram is where distributions put OpenSSH's sftp-server, which speaks
// SFTP on its standard input and output; internal-sftp is the same code within sshd.
func SFTPServerProgram() string {
	places := []string{"/usr/lib/openssh/sftp-server", "/usr/libexec/openssh/sftp-server", "/usr/lib/ssh/sftp-server", "/usr/libexec/sftp-server"}
	for _, p := range places {
		if _, err := os.Stat(p); err == nil {
			return p
		}
	}
	return places[0]
}

// command is sshd in the foreground, logging to stderr. Where the server needs
// an account of its own, it runs in a mount namespace with its own
// password files: the machine's are not touched, and nothing has to be undone.
func (s *SSHD) command(config string) *exec.Cmd {
	sshd := []string{sshdProgram(), "-D", "-e", "-f", config}
	if s.o.User != SSHDAccount {
		return exec.CommandContext(context.Background(), sshd[0], sshd[1:]...)
	}
	var script strings.Builder
	script.WriteString("set -e\n")
	for path, content := range s.accountFiles() {
		own := filepath.Join(s.Dir, filepath.Base(filepath.Dir(path))+"_"+filepath.Base(path))
		must(s.t, os.WriteFile(own, []byte(content), 0o644))
		fmt.Fprintf(&script, "mount --bind %s %s\n", own, path)
	}
	script.WriteString(`exec "$@"`)
	args := append([]string{"--mount", "--propagation", "private", "sh", "-c", script.String(), "sh"}, sshd...)
	return exec.CommandContext(context.Background(), "unshare", args...)
}

// accountFiles are the machine's files as the server's namespace sees them.
func (s *SSHD) accountFiles() map[string]string {
	passwd, err := os.ReadFile("/etc/passwd")
	must(s.t, err)
	shadow, err := os.ReadFile("/etc/shadow")
	must(s.t, err)
	files := map[string]string{
		"/etc/passwd": fmt.Sprintf("%s%s:x:%d:%d::%s:/bin/sh\n", passwd, SSHDAccount, SSHDUID, SSHDUID, s.Home),
		"/etc/shadow": fmt.Sprintf("%s%s:%s:20000:0:99999:7:::\n", shadow, SSHDAccount, sshdPasswordHash),
	}
	if s.o.KeyboardInteractive {
		files["/etc/pam.d/sshd"] = pamConfig
	}
	return files
}

// sshdKnows says whether this version of sshd has a keyword of sshd_config.
func sshdKnows(t testing.TB, keyword string) bool {
	t.Helper()
	file := filepath.Join(t.TempDir(), "sshd_config")
	must(t, os.WriteFile(file, []byte(keyword+" no\n"), 0o600))
	// It may fail for other reasons (no host keys), which are of no interest.
	stdout, stderr, _ := Run(t, nil, sshdProgram(), "-t", "-f", file)
	return !strings.Contains(stdout+stderr, "Bad configuration option")
}

func sshdProgram() string {
	// sshd starts itself again for each connection, and so insists on an
	// absolute path.
	if p, err := exec.LookPath("sshd"); err == nil && filepath.IsAbs(p) {
		return p
	}
	return "/usr/sbin/sshd"
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

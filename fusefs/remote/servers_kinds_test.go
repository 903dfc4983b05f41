package remote_test

import (
	"context"
	_ "embed"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"sshfs-bridge/e2e/testenv"
)

// kind is a server of the table in docs/servers.md.
type kind struct {
	name  string // as the table calls it
	needs []string
	start func(testing.TB) *served
	// version says which one runs, where the server does not tell its clients.
	version func(testing.TB) string
	// note is what a user should know, and what of the suite is not asked of
	// it: see the fields below.
	note string

	noAtime      bool // the time of access cannot be set
	noRawNames   bool // names are UTF-8
	followsLinks bool // LSTAT follows links
	absLinks     bool // READLINK tells an absolute path
	slow         bool // its windows, or its code, carry little
	plain        bool // differs from another one in nothing that stripes meet
	// rate is what the line carries, in bytes a second each way, 20 ms from here; 0
	// is whatever it does.
	rate int64
}

func kinds() []kind {
	openssh := []string{"root", "sshd"}
	return []kind{
		{name: "OpenSSH, internal-sftp", needs: openssh, start: ownSSHD(testenv.SSHDOptions{}), note: "the usual case"},
		{name: "OpenSSH, sftp-server", needs: openssh, start: ownSSHD(testenv.SSHDOptions{ExternalSFTP: true}), plain: true},
		{name: "OpenSSH, chrooted", needs: openssh, start: ownSSHD(testenv.SSHDOptions{Chroot: true}), plain: true},
		{
			name: "OpenSSH, hardened", needs: openssh, start: ownSSHD(testenv.SSHDOptions{Hardened: true}),
			note: "ForceCommand internal-sftp, no PTY, no forwarding", plain: true,
		},
		{
			name: "OpenSSH, MaxSessions 1", needs: openssh, start: ownSSHD(testenv.SSHDOptions{MaxSessions: 1}),
			note: "fast streams use further connections",
		},
		{
			name: "OpenSSH, MaxSessions 2", needs: openssh, start: ownSSHD(testenv.SSHDOptions{MaxSessions: 2}),
			note: "fast streams use further connections",
		},
		{
			name: "OpenSSH, without extensions", needs: openssh,
			start: ownSSHD(testenv.SSHDOptions{ExternalSFTP: true, SFTPArgs: []string{
				"-P", "posix-rename,limits,copy-data,fsync,hardlink,statvfs,fstatvfs,lsetstat,expand-path,users-groups-by-id",
			}}),
			note: "requests denied with `sftp-server -P`, as old servers and appliances lack them", plain: true,
		},
		{
			name: "OpenSSH, slow line", needs: openssh, start: ownSSHD(testenv.SSHDOptions{}),
			note: "4 MiB a second each way, a round trip of 20 ms", slow: true, plain: true, rate: 4 << 20,
		},
		{
			name: "OpenSSH in Debian 13", needs: []string{"root", "sshd", "docker"}, start: startTrixie("PerSourcePenalties=no"),
			note: "in a container", plain: true,
		},
		{
			name: "OpenSSH in Debian 13, PerSourcePenalties", needs: []string{"root", "sshd", "docker"}, start: startTrixie(strict),
			note: "in a container; the first slip bars a client for ten minutes, and there is none",
		},
		{
			name: "pkg/sftp", needs: []string{"root", "sshd"}, start: startGoSSH, version: moduleVersion("github.com/pkg/sftp"),
			note: "Go; behind x/crypto/ssh", noAtime: true,
		},
		{
			name: "dropbear with OpenSSH's sftp-server", needs: []string{"root", "sshd", "dropbear"}, start: startDropbear,
			note: "windows of 24 KiB: uploads over a long way are slow unless it is started with -W 1000000", slow: true,
		},
		{
			name: "TinySSH with OpenSSH's sftp-server", needs: []string{"root", "sshd", "tinysshd"}, start: startTinySSH,
			slow: true,
		},
		{
			name: "ProFTPD mod_sftp", needs: []string{"root", "sshd", "proftpd"}, start: startProFTPD,
			version: programVersion("proftpd", "-v"),
			note:    "mixes up two sessions of one connection, so it is given one, and fast streams use further connections; LSTAT follows links, and READLINK tells an absolute path", followsLinks: true, absLinks: true,
		},
		{
			name: "SFTPGo", needs: []string{"root", "sshd", "sftpgo"}, start: startSFTPGo,
			version: programVersion("sftpgo", "-v"), note: "Go; READLINK tells an absolute path", noAtime: true, absLinks: true,
		},
		{
			name: "AsyncSSH", needs: []string{"root", "sshd", "asyncssh"}, start: startAsyncSSH,
			note: "Python", slow: true,
		},
	}
}

// programVersion gives the first version number that a program prints.
func programVersion(program string, args ...string) func(testing.TB) string {
	return func(t testing.TB) string {
		t.Helper()
		out, err := exec.Command(program, args...).CombinedOutput()
		check(t, err)
		for _, word := range strings.Fields(string(out)) {
			if v := strings.TrimPrefix(word, "v"); strings.Contains(v, ".") && v[0] >= '0' && v[0] <= '9' {
				return v
			}
		}
		t.Fatalf("no version in %q", out)
		return ""
	}
}

func startDropbear(t testing.TB) *served {
	t.Helper()
	m := newMachine(t)
	key := filepath.Join(m.dir, "host")
	testenv.RunOK(m.t, "dropbearkey", "-t", "ed25519", "-f", key)
	return m.serve("dropbear", "-F", "-E", "-s", "-p", m.addr(), "-r", key, "-P", filepath.Join(m.dir, "pid"))
}

func startProFTPD(t testing.TB) *served {
	t.Helper()
	m := newMachine(t)
	t.Cleanup(func() {
		if log, err := os.ReadFile(filepath.Join(m.dir, "sftp.log")); t.Failed() && err == nil {
			t.Logf("SFTPLog:\n%s", log[max(len(log)-8<<10, 0):])
		}
	})
	rfc4716, err := exec.Command("ssh-keygen", "-e", "-f", filepath.Join(m.sshDir, "id_ed25519.pub")).Output()
	check(t, err)
	conf := fmt.Sprintf(`
LoadModule mod_sftp.c
ServerType standalone
DefaultServer on
DefaultAddress 127.0.0.1
Port %d
UseIPv6 off
UseReverseDNS off
RootLogin on
RequireValidShell off
UseFtpUsers off
DelayEngine off
MaxInstances 100
PidFile %[2]s/pid
ScoreboardFile %[2]s/scoreboard
ScoreboardMutex %[2]s/scoreboard.lock
WtmpLog off
TransferLog none
AllowOverwrite on
AllowStoreRestart on
Umask 022
SFTPEngine on
SFTPLog %[2]s/sftp.log
SFTPHostKey %[3]s
SFTPAuthMethods publickey
SFTPAuthorizedUserKeys file:%[4]s
`, m.port, m.dir, m.hostKey("ed25519"), m.write("keys", string(rfc4716)))
	return m.serve("proftpd", "--nodaemon", "--config", m.write("proftpd.conf", conf))
}

// startSFTPGo serves the directory as "/", as SFTPGo does for each of its users.
func startSFTPGo(t testing.TB) *served {
	t.Helper()
	m := newMachine(t)
	m.write("sftpgo.json", fmt.Sprintf(`{"sftpd": {"bindings": [{"address": "127.0.0.1"}], "host_keys": [%q]}}`, m.hostKey("ed25519")))
	s := m.serve("sftpgo", "portable", "--config-dir", m.dir, "--directory", m.root(), "--sftpd-port", strconv.Itoa(m.port),
		"--username", "root", "--public-key", m.key, "--permissions", "*")
	s.root = "/"
	return s
}

//go:embed testdata/asyncssh_server.py
var asyncSSHProgram string

func startAsyncSSH(t testing.TB) *served {
	t.Helper()
	m := newMachine(t)
	return m.serve("/usr/bin/python3", "-W", "ignore", m.write("server.py", asyncSSHProgram),
		strconv.Itoa(m.port), m.hostKey("ed25519"), filepath.Join(m.home, ".ssh/authorized_keys"))
}

// startTinySSH runs a tinysshd for each connection, as inetd does.
func startTinySSH(t testing.TB) *served {
	t.Helper()
	m := newMachine(t)
	keys := filepath.Join(m.dir, "keys")
	testenv.RunOK(m.t, "tinysshd-makekey", "-q", keys)
	script := fmt.Sprintf("mount --bind '%s/passwd' /etc/passwd && chmod 644 /etc/passwd && exec \"$@\"", m.dir)
	var log testenv.Buffer
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("tinysshd:\n%s", log.Tail(8<<10))
		}
	})
	return m.serveConnections(func(ctx context.Context, c *net.TCPConn) {
		f, err := c.File()
		if err != nil {
			t.Error(err)
			return
		}
		defer f.Close()
		cmd := exec.CommandContext(ctx, "unshare", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child",
			"sh", "-c", script, "sh", "tinysshd", "-v", "-x", "sftp=/usr/lib/openssh/sftp-server", keys)
		cmd.Stdin, cmd.Stdout, cmd.Stderr, cmd.WaitDelay = f, f, &log, time.Second
		_ = cmd.Run() // it ends with its client, or is killed
	})
}

// moduleVersion gives the version of a module that this module requires.
func moduleVersion(path string) func(testing.TB) string {
	return func(t testing.TB) string {
		t.Helper()
		mod, err := os.ReadFile("../../go.mod")
		check(t, err)
		_, rest, ok := strings.Cut(string(mod), path+" ")
		if !ok {
			t.Fatalf("go.mod does not name %s", path)
		}
		return strings.Fields(rest)[0]
	}
}

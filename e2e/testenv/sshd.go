package testenv

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
)

// SSHDOptions say what kind of OpenSSH server StartSSHD shall be. The zero
// value is a plain one: root logs in with a key, internal-sftp, on 127.0.0.1.
type SSHDOptions struct {
	// ListenHost is the address to bind; empty is 127.0.0.1. With "0.0.0.0"
	// the server answers on every address, and Host stays 127.0.0.1.
	ListenHost string
	// Port to bind; 0 is a free one.
	Port int
	// User logs in: "root" (the default), "nobody" (a user without rights,
	// internal-sftp only), or SSHDAccount, which exists for this server alone.
	User string
	// ExternalSFTP runs the sftp-server program instead of internal-sftp.
	ExternalSFTP bool
	// SFTPArgs are added to the SFTP server's command line.
	SFTPArgs []string
	// NoSFTP leaves the subsystem out.
	NoSFTP bool
	// Chroot confines the session: Home is then "/" to the client.
	Chroot bool
	// Hardened is the server of a careful administrator: public keys only,
	// ForceCommand internal-sftp, no PTY, no forwarding of any kind.
	Hardened bool
	// MaxSessions limits the channels of one connection; 0 is sshd's default.
	MaxSessions int
	// Password lets SSHDAccount log in with SSHDPassword (and no key);
	// KeyboardInteractive does so through PAM instead. Both imply User.
	Password, KeyboardInteractive bool
	// HostKeyTypes are "ed25519" (the default), "ecdsa", "rsa".
	HostKeyTypes []string
	// Config are lines put at the front of sshd_config, where they win.
	Config []string
	// Debug logs at DEBUG1 rather than VERBOSE.
	Debug bool
}

// SSHDAccount is a user that exists only inside a server started with
// Password or KeyboardInteractive (or as its User), and SSHDPassword is its
// password, SSHDUID its user and group number. None of it is known to the rest of
// the machine.
const (
	SSHDAccount  = "bridgetest"
	SSHDPassword = "correct horse"
	SSHDUID      = 4242
)

// SSHD is a running OpenSSH server with everything needed to log in to it.
// Its methods fail the test; they must be called from the test's goroutine.
type SSHD struct {
	Host string // the address to connect to
	Port int
	Addr string // Host:Port
	User string // who logs in
	// SSHDir is a ready ~/.ssh: config (with the alias Alias), known_hosts
	// and id_ed25519.
	SSHDir string
	// Alias is a host name in SSHDir/config that leads here.
	Alias        string
	IdentityFile string // SSHDir/id_ed25519
	KnownHosts   string // SSHDir/known_hosts
	// Home is the directory, on this machine, in which a session begins;
	// HomeSeen is its name for the client ("/" under Chroot).
	Home     string
	HomeSeen string
	// AuthorizedKeys and Dir are the server's own files.
	AuthorizedKeys string
	Dir            string

	t    testing.TB
	o    SSHDOptions
	proc *sshdProc
	log  *Buffer
}

// StartSSHD starts a server and stops it with the test. It needs root and sshd
// (see Require). When the test fails, the server's log is printed.
func StartSSHD(t testing.TB, o SSHDOptions) *SSHD {
	t.Helper()
	Require(t, "root", "sshd")
	if o.Password || o.KeyboardInteractive {
		o.User = SSHDAccount
	}
	if o.User == "" {
		o.User = "root"
	}
	if o.ListenHost == "" {
		o.ListenHost = "127.0.0.1"
	}
	if len(o.HostKeyTypes) == 0 {
		o.HostKeyTypes = []string{"ed25519"}
	}
	s := &SSHD{User: o.User, Alias: "testhost", Host: o.ListenHost, t: t, o: o, log: &Buffer{}}
	if ip := net.ParseIP(s.Host); ip != nil && ip.IsUnspecified() {
		s.Host = "127.0.0.1"
	}
	s.layout()
	s.Port = o.Port
	if s.Port == 0 {
		s.Port = freePort(t, o.ListenHost)
	}
	s.Addr = net.JoinHostPort(s.Host, strconv.Itoa(s.Port))
	s.NewHostKeys()
	s.newIdentity()
	s.writeClientFiles()
	t.Cleanup(func() {
		s.Stop()
		if t.Failed() {
			t.Logf("sshd on %s:\n%s", s.Addr, s.log.Tail(8<<10))
		}
	})
	s.Start()
	return s
}

// Remote is [USER@]HOST:PATH for path, through the alias of SSHDir/config.
func (s *SSHD) Remote(path string) string { return s.Alias + ":" + path }

// Log is what the server has logged so far.
func (s *SSHD) Log() string { return s.log.String() }

// layout makes the directories. A chroot must belong to root all the way up,
// and a user other than root must be able to get at its home, so
// t.TempDir (0700, below a sticky /tmp) serves neither.
func (s *SSHD) layout() {
	s.t.Helper()
	parent := os.TempDir()
	if s.o.Chroot {
		parent = "/run"
	}
	dir := PublicDir(s.t, parent)
	s.Dir, s.Home = dir, filepath.Join(dir, "home")
	s.HomeSeen = s.Home
	must(s.t, os.Mkdir(s.Home, 0o755))
	if s.o.Chroot {
		s.HomeSeen = "/"
	} else if s.o.User != "root" {
		must(s.t, os.Chmod(s.Home, 0o777))
	}
	s.SSHDir = filepath.Join(dir, "ssh")
	must(s.t, os.Mkdir(s.SSHDir, 0o700))
	// sshd separates its privileges into this directory.
	must(s.t, os.MkdirAll("/run/sshd", 0o755))
}

// NewHostKeys gives the server new host keys, used from its next start on, and
// returns their public parts. known_hosts is left alone.
func (s *SSHD) NewHostKeys() []ssh.PublicKey {
	s.t.Helper()
	for _, typ := range s.o.HostKeyTypes {
		path := s.HostKeyFile(typ)
		for _, p := range []string{path, path + ".pub"} {
			if err := os.Remove(p); err != nil && !errors.Is(err, os.ErrNotExist) {
				s.t.Fatal(err)
			}
		}
		RunOK(s.t, "ssh-keygen", "-q", "-t", typ, "-N", "", "-f", path)
	}
	return s.HostKeys()
}

// HostKeyFile is the server's private key of a type.
func (s *SSHD) HostKeyFile(typ string) string {
	return filepath.Join(s.Dir, "host_"+typ)
}

// HostKeys are the public host keys in the order of HostKeyTypes.
func (s *SSHD) HostKeys() []ssh.PublicKey {
	s.t.Helper()
	var keys []ssh.PublicKey
	for _, typ := range s.o.HostKeyTypes {
		data, err := os.ReadFile(s.HostKeyFile(typ) + ".pub")
		must(s.t, err)
		key, _, _, _, err := ssh.ParseAuthorizedKey(data)
		must(s.t, err)
		keys = append(keys, key)
	}
	return keys
}

func (s *SSHD) newIdentity() {
	s.t.Helper()
	s.IdentityFile = filepath.Join(s.SSHDir, "id_ed25519")
	RunOK(s.t, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "test", "-f", s.IdentityFile)
	s.AuthorizedKeys = filepath.Join(s.Dir, "authorized_keys")
	s.Authorize(s.IdentityFile + ".pub")
}

// Authorize adds a public key file (and options before the key, such as
// "cert-authority") to those that may log in.
func (s *SSHD) Authorize(pubFile string, options ...string) {
	s.t.Helper()
	data, err := os.ReadFile(pubFile)
	must(s.t, err)
	line := strings.TrimSpace(string(data)) + "\n"
	if len(options) > 0 {
		line = strings.Join(options, ",") + " " + line
	}
	f, err := os.OpenFile(s.AuthorizedKeys, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	must(s.t, err)
	_, err = f.WriteString(line)
	must(s.t, errors.Join(err, f.Close()))
}

// writeClientFiles writes what a person who knows this server would have.
func (s *SSHD) writeClientFiles() {
	s.t.Helper()
	config := fmt.Sprintf("Host %s\n  HostName %s\n  Port %d\n  User %s\n  IdentityFile ~/.ssh/id_ed25519\n  IdentitiesOnly yes\n",
		s.Alias, s.Host, s.Port, s.User)
	must(s.t, os.WriteFile(filepath.Join(s.SSHDir, "config"), []byte(config), 0o600))
	s.KnownHosts = filepath.Join(s.SSHDir, "known_hosts")
	s.TrustHostKeys()
}

// TrustHostKeys writes known_hosts anew, with the present host keys.
func (s *SSHD) TrustHostKeys() {
	s.t.Helper()
	var b strings.Builder
	for _, key := range s.HostKeys() {
		fmt.Fprintf(&b, "[%s]:%d %s", s.Host, s.Port, ssh.MarshalAuthorizedKey(key))
	}
	must(s.t, os.WriteFile(s.KnownHosts, []byte(b.String()), 0o600))
}

// Start starts the server (again), and returns when it accepts connections.
func (s *SSHD) Start() {
	s.t.Helper()
	if s.proc != nil {
		s.t.Fatal("testenv: sshd is already running")
	}
	config := filepath.Join(s.Dir, "sshd_config")
	must(s.t, os.WriteFile(config, []byte(s.serverConfig()), 0o600))
	proc, err := startSSHDProc(s.command(config), s.log)
	must(s.t, err)
	s.proc = proc
	Eventually(s.t, 20*time.Second, "sshd answers on "+s.Addr, func() bool {
		if proc.ended() {
			s.t.Fatalf("testenv: sshd ended at once:\n%s", s.Log())
		}
		c, err := (&net.Dialer{Timeout: time.Second}).DialContext(context.Background(), "tcp", s.Addr)
		if err == nil {
			c.Close()
		}
		return err == nil
	})
}

// Stop ends the server and every session of it at once, as a crash of the
// machine would (SIGKILL), but with the kernel still closing its connections.
// It does nothing where the server is not running.
func (s *SSHD) Stop() {
	s.t.Helper()
	if s.proc == nil {
		return
	}
	s.proc.kill()
	s.proc = nil
}

// Restart is Stop and Start: same port, same host keys.
func (s *SSHD) Restart() {
	s.t.Helper()
	s.Stop()
	s.Start()
}

// KillSessions ends every session at once and leaves the server listening.
func (s *SSHD) KillSessions() {
	s.t.Helper()
	if s.proc != nil {
		s.proc.killSessions()
	}
}

// Freeze stops (SIGSTOP) the server and all its sessions: connections stay,
// and nothing answers. Thaw lets them go on.
func (s *SSHD) Freeze() {
	s.t.Helper()
	if s.proc != nil {
		s.proc.freeze()
	}
}

// Thaw undoes Freeze.
func (s *SSHD) Thaw() {
	s.t.Helper()
	if s.proc != nil {
		s.proc.thaw()
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

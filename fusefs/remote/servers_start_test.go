package remote_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"sshfs-bridge/e2e/testenv"
)

// served is an SSH server that runs, with what it takes to log in.
type served struct {
	addr   string
	sshDir string // a ready ~/.ssh that knows the server as "testhost"
	dir    string // the root of the remote on this machine; "" where it cannot be seen
	root   string // the same as the client names it
	// stop ends the server and every session at once, start starts it again at
	// the same address.
	stop, start func()
	log         func() string // what the server has said; nil where nobody asks
}

// ownSSHD is testenv's OpenSSH as a server of the table.
func ownSSHD(o testenv.SSHDOptions) func(testing.TB) *served {
	return func(t testing.TB) *served {
		t.Helper()
		s := testenv.StartSSHD(t, o)
		return &served{addr: s.Addr, sshDir: s.SSHDir, dir: s.Home, root: s.HomeSeen, stop: s.Stop, start: s.Start}
	}
}

// machine is what the other servers are given: a directory that anybody can look
// into, an account that exists only for them, keys, and a free port.
type machine struct {
	t      testing.TB
	dir    string // the server's own files
	home   string // the account's home; the remote's root is below it
	port   int
	sshDir string
	key    string // the client's public key, a line
}

func newMachine(t testing.TB) *machine {
	t.Helper()
	testenv.Require(t, "root", "sshd") // ssh-keygen comes with it
	// Some servers trust no directory below /tmp, which everybody may write to.
	dir := testenv.PublicDir(t, "/run")
	m := &machine{t: t, dir: dir, home: filepath.Join(dir, "home"), sshDir: filepath.Join(dir, "ssh")}
	check(t, os.MkdirAll(filepath.Join(m.home, ".ssh"), 0o755))
	check(t, os.Mkdir(m.root(), 0o755))
	check(t, os.Mkdir(m.sshDir, 0o700))
	m.port = testenv.FreePort(t)
	testenv.RunOK(m.t, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "test", "-f", filepath.Join(m.sshDir, "id_ed25519"))
	pub, err := os.ReadFile(filepath.Join(m.sshDir, "id_ed25519.pub"))
	check(t, err)
	m.key = string(pub)
	m.write("home/.ssh/authorized_keys", m.key)
	m.write("ssh/config", fmt.Sprintf("Host testhost\n  HostName 127.0.0.1\n  Port %d\n  User root\n", m.port))
	// Root without its usual home, so that ~/.ssh is ours.
	passwd, err := os.ReadFile("/etc/passwd")
	check(t, err)
	_, others, _ := bytes.Cut(passwd, []byte("\n"))
	m.write("passwd", fmt.Sprintf("root:x:0:0:root:%s:/bin/sh\n%s", m.home, others))
	return m
}

func (m *machine) root() string { return filepath.Join(m.home, "files") }

func (m *machine) addr() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(m.port)) }

// write makes a file below dir that only root can read.
func (m *machine) write(name, content string) string {
	m.t.Helper()
	path := filepath.Join(m.dir, name)
	check(m.t, os.WriteFile(path, []byte(content), 0o600))
	return path
}

// hostKey makes a host key of OpenSSH's format.
func (m *machine) hostKey(typ string) string {
	m.t.Helper()
	path := filepath.Join(m.dir, "host_"+typ)
	testenv.RunOK(m.t, "ssh-keygen", "-q", "-t", typ, "-N", "", "-f", path)
	return path
}

// serve starts a program that listens on the machine's port, with the machine's own
// /etc/passwd, in a process namespace that ends as a whole when it is killed.
func (m *machine) serve(program string, args ...string) *served {
	m.t.Helper()
	script := fmt.Sprintf("mount --bind '%s/passwd' /etc/passwd && chmod 644 /etc/passwd && exec \"$@\"", m.dir)
	line := append([]string{
		"--mount", "--propagation", "private", "--pid", "--fork", "--kill-child",
		"sh", "-c", script, "sh", program,
	}, args...)
	var (
		cmd *exec.Cmd
		log testenv.Buffer
	)
	s := &served{addr: m.addr(), sshDir: m.sshDir, dir: m.root(), root: m.root()}
	s.start = func() {
		m.t.Helper()
		cmd = exec.Command("unshare", line...)
		cmd.Dir, cmd.Stdout, cmd.Stderr, cmd.WaitDelay = m.home, &log, &log, time.Second
		cmd.Env = append(os.Environ(), "HOME="+m.home)
		check(m.t, cmd.Start())
		m.answers(true)
	}
	s.stop = func() {
		m.t.Helper()
		if cmd == nil {
			return
		}
		check(m.t, cmd.Process.Kill())
		var exit *exec.ExitError
		if err := cmd.Wait(); err != nil && !errors.As(err, &exit) && !errors.Is(err, exec.ErrWaitDelay) {
			m.t.Error(err)
		}
		cmd = nil
		m.answers(false)
	}
	m.t.Cleanup(func() {
		s.stop()
		if m.t.Failed() {
			m.t.Logf("%s:\n%s", program, log.Tail(8<<10))
		}
	})
	s.start()
	return s
}

// answers waits until the port is served, or is no more.
func (m *machine) answers(want bool) {
	m.t.Helper()
	testenv.Eventually(m.t, time.Minute, fmt.Sprint("server answers: ", want), func() bool {
		c, err := net.DialTimeout("tcp", m.addr(), time.Second)
		if err == nil {
			c.Close()
		}
		return (err == nil) == want
	})
}

// serveConnections listens on the machine's port, and gives each connection to f in
// a goroutine of its own. f ends when its context does.
func (m *machine) serveConnections(f func(context.Context, *net.TCPConn)) *served {
	m.t.Helper()
	s := &served{addr: m.addr(), sshDir: m.sshDir, dir: m.root(), root: m.root()}
	var wg sync.WaitGroup
	end := func() {}
	s.start = func() {
		m.t.Helper()
		ctx, cancel := context.WithCancel(context.Background())
		l, err := net.Listen("tcp", m.addr())
		check(m.t, err)
		end = func() {
			cancel()
			l.Close()
		}
		wg.Go(func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				wg.Go(func() {
					defer c.Close()
					f(ctx, c.(*net.TCPConn))
				})
			}
		})
	}
	s.stop = func() {
		end()
		wg.Wait()
	}
	m.t.Cleanup(s.stop)
	s.start()
	return s
}

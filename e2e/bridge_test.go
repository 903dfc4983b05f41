package e2e

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"sshfs-bridge/e2e/testenv"

	"github.com/hirochachacha/go-smb2"
)

// bridgeOptions say how a bridge under test is started.
type bridgeOptions struct {
	SSHDir string
	Config string   // further lines of the smb section of its configuration file
	Env    []string // further environment
	Binary string   // the program; empty: the one under test
}

// bridge is a running `sshfs-bridge serve` with directories and a port of its own.
type bridge struct {
	t      testing.TB
	Dir    string // everything below lies in it
	RunDir string
	State  string
	Hub    string
	Port   int
	config string
	env    []string
	binary string
	under  []string // what `serve` is run by, if anything
	cmd    *exec.Cmd
	exited chan struct{}
	log    *testenv.Buffer
	stderr *os.File // where its log goes instead, if anywhere
}

// startBridge starts a supervisor and waits until it answers and shares. The
// test's end stops it and fails if it leaves a mount or a process behind.
func startBridge(t testing.TB, o bridgeOptions) *bridge {
	t.Helper()
	b := newBridge(t, o, testenv.FreePort(t))
	b.start()
	return b
}

// startBridgeUnready starts a supervisor on a port of the test's choice and
// waits only for its control socket: smbd may be unable to run.
func startBridgeUnready(t testing.TB, o bridgeOptions, port int) *bridge {
	t.Helper()
	b := newBridge(t, o, port)
	b.launch()
	b.eventually(20*time.Second, "the supervisor answers", func() error {
		if _, stderr, code := b.run("list"); code != 0 {
			return fmt.Errorf("exit %d: %s", code, stderr)
		}
		return nil
	})
	return b
}

func newBridge(t testing.TB, o bridgeOptions, port int) *bridge {
	t.Helper()
	testenv.Require(t, "root", "fuse", "smbd")
	dir := testenv.PublicDir(t, "")
	b := &bridge{t: t, Dir: dir, RunDir: filepath.Join(dir, "run"), State: filepath.Join(dir, "state"),
		Hub: filepath.Join(dir, "hub"), Port: port, config: filepath.Join(dir, "config.yaml"), binary: cmp.Or(o.Binary, binary), log: &testenv.Buffer{}}
	config := fmt.Sprintf("run_dir: %s\nstate_dir: %s\nhub: %s\nlog_level: debug\n", b.RunDir, b.State, b.Hub)
	if o.SSHDir != "" {
		config += "ssh_dir: " + o.SSHDir + "\n"
	}
	config += fmt.Sprintf("smb:\n  ports: [%d]\n  interfaces: [127.0.0.1]\n  published_port: %d\n", b.Port, b.Port)
	writeFile(t, b.config, config+o.Config)
	b.env = append(os.Environ(), "SSHFS_BRIDGE_SOCKET="+filepath.Join(b.RunDir, "control", "sock"))
	b.env = append(b.env, o.Env...)
	t.Cleanup(b.cleanup)
	return b
}

// launch runs serve, at first or again.
func (b *bridge) launch() {
	b.t.Helper()
	argv := append(slices.Clone(b.under), b.binary, "serve", "--config", b.config)
	b.cmd = exec.Command(argv[0], argv[1:]...)
	b.cmd.Env = b.env
	b.cmd.Stdout, b.cmd.Stderr = b.log, b.log
	if b.stderr != nil {
		b.cmd.Stderr = b.stderr
	}
	if err := b.cmd.Start(); err != nil {
		b.t.Fatal(err)
	}
	exited := make(chan struct{})
	b.exited = exited
	cmd := b.cmd
	go func() { cmd.Wait(); close(exited) }()
}

// start launches it and waits until the share answers.
func (b *bridge) start() {
	b.t.Helper()
	b.launch()
	b.eventually(20*time.Second, "the supervisor is healthy", func() error {
		_, stderr, code := b.run("healthcheck")
		if code != 0 {
			return fmt.Errorf("exit %d: %s", code, stderr)
		}
		return nil
	})
}

// stop sends sig and returns how long the supervisor took to end.
func (b *bridge) stop(sig syscall.Signal, limit time.Duration) time.Duration {
	b.t.Helper()
	begin := time.Now()
	b.cmd.Process.Signal(sig)
	select {
	case <-b.exited:
	case <-time.After(limit):
		b.cmd.Process.Signal(syscall.SIGQUIT)
		<-b.exited
		b.t.Errorf("the supervisor still ran %v after %v", limit, sig)
	}
	return time.Since(begin)
}

func (b *bridge) cleanup() {
	if b.cmd != nil {
		select {
		case <-b.exited:
		default:
			b.stop(syscall.SIGTERM, 15*time.Second)
		}
	}
	if left := testenv.MountsBelow(b.Dir); len(left) > 0 {
		b.t.Errorf("mounts left behind: %q", left)
		for i := len(left) - 1; i >= 0; i-- {
			syscall.Unmount(left[i], syscall.MNT_DETACH)
		}
	}
	if left := b.processes(); len(left) > 0 {
		b.t.Errorf("processes left behind: %q", left)
	}
	if b.t.Failed() {
		b.t.Logf("the supervisor's log:\n%s", b.log)
	}
}

// processes lists the command lines that mention the bridge's directory, and
// its workers: whatever must be gone with it.
func (b *bridge) processes() []string {
	var found []string
	dirs, _ := filepath.Glob("/proc/[0-9]*")
	for _, d := range dirs {
		cmdline, _ := os.ReadFile(filepath.Join(d, "cmdline"))
		environ, _ := os.ReadFile(filepath.Join(d, "environ"))
		exe, _ := os.Readlink(filepath.Join(d, "exe"))
		mine := bytes.Contains(cmdline, []byte(b.Dir)) || exe == b.binary && bytes.Contains(environ, []byte(b.Dir))
		if mine && d != fmt.Sprintf("/proc/%d", os.Getpid()) {
			found = append(found, d+" "+strings.ReplaceAll(string(cmdline), "\x00", " "))
		}
	}
	return found
}

// run runs a command of the program against this bridge.
func (b *bridge) run(args ...string) (stdout, stderr string, code int) {
	b.t.Helper()
	return b.runEnv(nil, args...)
}

func (b *bridge) runEnv(env []string, args ...string) (stdout, stderr string, code int) {
	b.t.Helper()
	return testenv.Run(b.t, append(b.env, env...), append([]string{b.binary}, args...)...)
}

// ok runs a command that must succeed and returns what it printed.
func (b *bridge) ok(args ...string) string {
	b.t.Helper()
	stdout, stderr, code := b.run(args...)
	if code != 0 {
		b.t.Fatalf("sshfs-bridge %s: exit %d\n%s%s", strings.Join(args, " "), code, stdout, stderr)
	}
	return stdout
}

// smbclient runs smbclient commands on a share as guest.
func (b *bridge) smbclient(share string, commands string) (string, int) {
	b.t.Helper()
	stdout, stderr, code := testenv.Run(b.t, nil, "smbclient", "-N", "-U", "guest%", "-p", fmt.Sprint(b.Port), "//127.0.0.1/"+share, "-c", commands)
	return stdout + stderr, code
}

// share connects go-smb2 to a share as guest; the test's end disconnects.
func (b *bridge) share(name string) *smb2.Share {
	b.t.Helper()
	s, err := b.dialShare(name)
	if err != nil {
		b.t.Fatalf("share %s: %v", name, err)
	}
	return s
}

func (b *bridge) dialShare(name string) (*smb2.Share, error) {
	return b.dialShareWith(&smb2.NTLMInitiator{User: "guest"}, name)
}

func (b *bridge) dialShareWith(who *smb2.NTLMInitiator, name string) (*smb2.Share, error) {
	shares, err := b.dialShares(who, name)
	if err != nil {
		return nil, err
	}
	return shares[0], nil
}

// dialShares connects to several shares in one session, as a Mac does.
func (b *bridge) dialShares(who *smb2.NTLMInitiator, names ...string) (shares []*smb2.Share, err error) {
	conn, err := net.DialTimeout("tcp", fmt.Sprintf("127.0.0.1:%d", b.Port), 5*time.Second)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	s, err := (&smb2.Dialer{Initiator: who}).DialContext(ctx, conn)
	if err != nil {
		conn.Close()
		return nil, err
	}
	for _, name := range names {
		share, err := s.Mount(name)
		if err != nil {
			conn.Close()
			return nil, err
		}
		shares = append(shares, share)
	}
	b.t.Cleanup(func() { conn.Close() })
	return shares, nil
}

func (b *bridge) eventually(limit time.Duration, what string, check func() error) {
	b.t.Helper()
	deadline := time.Now().Add(limit)
	for {
		err := check()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			b.t.Fatalf("not within %v: %s: %v\n%s", limit, what, err, b.log)
		}
		select {
		case <-b.exited:
			b.t.Fatalf("the supervisor ended while waiting: %s\n%s", what, b.log)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func writeFile(t testing.TB, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

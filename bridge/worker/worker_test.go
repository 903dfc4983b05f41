package worker

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sshfs-bridge/bridge/api"
	"sshfs-bridge/e2e/testenv"
)

func TestServesAndEndsWithTheMount(t *testing.T) {
	testenv.Require(t, "root", "fuse", "sshd")
	sshd := testenv.StartSSHD(t, testenv.SSHDOptions{})
	m := start(t, StartOptions{Spec: specFor(sshd, "")}).up()
	if openDescriptor(t, "/dev/fuse") {
		t.Error("the starter keeps /dev/fuse")
	}
	if err := os.WriteFile(filepath.Join(m.at, "hello"), []byte("hello"), 0o644); err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(filepath.Join(sshd.Home, "hello")); string(b) != "hello" {
		t.Errorf("on the server: %q, %v", b, err)
	}
	st, err := m.Stats(t.Context())
	if err != nil || st.Requests["write"] == 0 || st.Connections != 1 {
		t.Errorf("Stats: %+v, %v", st, err)
	}
	if err := m.Drain(t.Context()); err != nil {
		t.Errorf("Drain: %v", err)
	}
	if err := m.Refresh(); err != nil {
		t.Errorf("Refresh: %v", err)
	}
	if e := m.events.state(); e.State != api.StateUp || e.Cause != "" {
		t.Errorf("state: %+v", e)
	}
	if err := unix.Unmount(m.at, 0); err != nil {
		t.Fatal(err)
	}
	if err := m.ended(); err != nil {
		t.Errorf("after unmounting: %v", err)
	}
	if e := m.events.state(); e.State != api.StateUp {
		t.Errorf("the end is told as a state: %+v", e)
	}
	if err := m.Retry(); !errors.Is(err, ErrEnded) {
		t.Errorf("an order to a worker that ended: %v", err)
	}
}

func TestRights(t *testing.T) {
	testenv.Require(t, "root", "fuse", "sshd")
	sshd := testenv.StartSSHD(t, testenv.SSHDOptions{})
	const uid, gid = 34567, 45678
	own := func(path string, _ os.DirEntry, err error) error {
		return errors.Join(err, os.Lchown(path, uid, gid))
	}
	if err := filepath.WalkDir(sshd.SSHDir, own); err != nil {
		t.Fatal(err)
	}
	for dir := filepath.Dir(sshd.SSHDir); strings.Contains(dir, "Test"); dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for name, cred := range map[string]*Credential{"another user": {UID: uid, GID: gid, Groups: []uint32{7}}, "root": nil} {
		t.Run(name, func(t *testing.T) {
			spec := specFor(sshd, "")
			spec.Mount.Remote = "root@" + spec.Mount.Remote
			m := start(t, StartOptions{Spec: spec, Credential: cred})
			if cred != nil { // root without capabilities may not read another's keys
				m.up()
			} else {
				m.WaitConnected(t.Context())
			}
			status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", m.PID()))
			if err != nil {
				t.Fatal(err)
			}
			want := []string{"NoNewPrivs:\t1\n"}
			for _, set := range []string{"Inh", "Prm", "Eff", "Bnd", "Amb"} {
				want = append(want, "Cap"+set+":\t0000000000000000\n")
			}
			if cred != nil {
				want = append(want, "Uid:\t34567\t34567\t34567\t34567\n", "Gid:\t45678\t45678\t45678\t45678\n", "Groups:\t7 \n")
			}
			for _, w := range want {
				if !strings.Contains(string(status), w) {
					t.Errorf("the worker lacks %q:\n%s", w, status)
				}
			}
			// A process that is not dumpable belongs to root in /proc.
			fi, err := os.Stat(fmt.Sprintf("/proc/%d/environ", m.PID()))
			if err != nil || fi.Sys().(*syscall.Stat_t).Uid != 0 {
				t.Errorf("/proc/PID/environ: %+v, %v", fi, err)
			}
			env, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", m.PID()))
			if err != nil || strings.Contains(string(env), envStart) || strings.Contains(string(env), "BRIDGE_TEST") {
				t.Errorf("environment: %q, %v", env, err)
			}
		})
	}
}

func TestKilled(t *testing.T) {
	testenv.Require(t, "root", "fuse", "sshd")
	sshd := testenv.StartSSHD(t, testenv.SSHDOptions{})
	m := start(t, StartOptions{Spec: specFor(sshd, "")}).up()
	if err := syscall.Kill(m.PID(), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if err := m.ended(); !errors.Is(err, ErrEnded) || !strings.Contains(err.Error(), "killed") {
		t.Errorf("Err: %v", err)
	}
	// Nobody hangs on the mount, because nobody else holds the descriptor.
	if _, err := os.ReadDir(m.at); !errors.Is(err, syscall.ENOTCONN) {
		t.Errorf("the dead mount says %v", err)
	}
}

func TestStopWhileMounted(t *testing.T) {
	testenv.Require(t, "root", "fuse", "sshd")
	sshd := testenv.StartSSHD(t, testenv.SSHDOptions{})
	m := start(t, StartOptions{Spec: specFor(sshd, "")}).up()
	f, err := os.Create(filepath.Join(m.at, "open"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.Write([]byte("not closed")); err != nil {
		t.Fatal(err)
	}
	if err := m.Stop(t.Context()); err != nil {
		t.Errorf("Stop: %v", err)
	}
	if b, err := os.ReadFile(filepath.Join(sshd.Home, "open")); string(b) != "not closed" {
		t.Errorf("on the server: %q, %v", b, err)
	}
}

func TestReconnects(t *testing.T) {
	testenv.Require(t, "root", "fuse", "sshd")
	sshd := testenv.StartSSHD(t, testenv.SSHDOptions{})
	m := start(t, StartOptions{Spec: specFor(sshd, "")}).up()
	sshd.Stop()
	testenv.Eventually(t, 10*time.Second, "the loss is told", func() bool {
		e := m.events.state()
		return e.State == api.StateDegraded && e.Cause != "" && e.Reason == ReasonUnreachable
	})
	sshd.Start()
	if err := m.Retry(); err != nil {
		t.Fatal(err)
	}
	testenv.Eventually(t, 10*time.Second, "the state is up again", func() bool { return m.events.state().State == api.StateUp })
	if _, err := os.ReadDir(m.at); err != nil {
		t.Error(err)
	}
}

func TestOnDemand(t *testing.T) {
	testenv.Require(t, "root", "fuse", "sshd")
	sshd := testenv.StartSSHD(t, testenv.SSHDOptions{})
	spec := specFor(sshd, "")
	spec.Mount.OnDemand = true
	m := start(t, StartOptions{Spec: spec}).up()
	if st, err := m.Stats(t.Context()); err != nil || st.Connections != 0 {
		t.Errorf("before the first use: %+v, %v", st, err)
	}
	if err := os.WriteFile(filepath.Join(m.at, "x"), []byte("x"), 0o644); err != nil {
		t.Error(err)
	}
	if st, err := m.Stats(t.Context()); err != nil || st.Connections != 1 {
		t.Errorf("after the first use: %+v, %v", st, err)
	}
}

func TestContextEnds(t *testing.T) {
	testenv.Require(t, "root", "fuse", "sshd")
	sshd := testenv.StartSSHD(t, testenv.SSHDOptions{})
	m := start(t, StartOptions{Spec: specFor(sshd, "")})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := m.Drain(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Drain: %v", err)
	}
	if err := m.WaitConnected(ctx); err != nil && !errors.Is(err, context.Canceled) {
		t.Errorf("WaitConnected: %v", err)
	}
	m.Kill()
	if _, err := m.Stats(t.Context()); !errors.Is(err, ErrEnded) {
		t.Errorf("Stats after the end: %v", err)
	}
}

// Where the kernel cannot be told which names to forget, the worker asks its starter to
// have it forget what nobody uses: it then asks for them again, and only then.
func TestForgetsUnusedNames(t *testing.T) {
	testenv.Require(t, "root", "fuse", "sshd")
	sshd := testenv.StartSSHD(t, testenv.SSHDOptions{})
	m := start(t, StartOptions{Spec: specFor(sshd, "")}).up()
	names := []string{"unused", "open"}
	for _, name := range names {
		if err := os.WriteFile(filepath.Join(m.at, name), []byte(name), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	open, err := os.Open(filepath.Join(m.at, "open"))
	if err != nil {
		t.Fatal(err)
	}
	defer open.Close()
	lookups := func() uint64 {
		t.Helper()
		for _, name := range names {
			if _, err := os.Stat(filepath.Join(m.at, name)); err != nil {
				t.Fatal(err)
			}
		}
		st, err := m.Stats(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return st.Operations["lookup"].Count
	}
	before := lookups()
	if again := lookups(); again != before {
		t.Fatalf("%d lookups of names that the kernel knows", again-before)
	}
	m.take(report{ForgetUnused: true})
	testenv.Eventually(t, 10*time.Second, "the kernel asks for a name again", func() bool { return lookups() > before })
	if n := lookups() - before; n != 1 {
		t.Errorf("%d lookups of one name that was not in use", n)
	}
	if strings.Contains(m.log.String(), "remembers directories") {
		t.Errorf("log: %s", m.log)
	}
}

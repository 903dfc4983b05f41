package worker

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sshfs-bridge/e2e/testenv"
)

// A worker that talks nonsense is ended, and the reason is told.
func TestNonsense(t *testing.T) {
	testenv.Require(t, "root", "fuse")
	for kind, says := range map[string]string{
		"garbage": "not understood", "version": "version 99", "endless": "longer than", "panic": "something is wrong",
		"nothing": "ended",
	} {
		t.Run(kind, func(t *testing.T) {
			m := start(t, StartOptions{Args: []string{"fake", kind}})
			err := m.ended()
			if kind == "nothing" {
				err = errors.Join(err, m.WaitConnected(t.Context()))
			}
			if !errors.Is(err, ErrEnded) || !strings.Contains(err.Error(), says) {
				t.Errorf("Err: %v", err)
			}
			if testenv.Alive(m.PID()) {
				t.Error("it runs on")
			}
			if kind != "nothing" {
				if err := m.WaitConnected(t.Context()); !errors.Is(err, ErrEnded) {
					t.Errorf("WaitConnected: %v", err)
				}
			}
		})
	}
}

func TestDeafWorkerIsKilled(t *testing.T) {
	testenv.Require(t, "root", "fuse")
	m := start(t, StartOptions{Args: []string{"fake", "deaf"}})
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if err := m.Stop(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Stop: %v", err)
	}
	if testenv.Alive(m.PID()) {
		t.Error("it runs on")
	}
}

func TestProgramMissing(t *testing.T) {
	testenv.Require(t, "root", "fuse")
	dev, err := os.Open("/dev/null")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Start(t.Context(), StartOptions{Exe: filepath.Join(t.TempDir(), "none"), Dev: dev}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("Start: %v", err)
	}
	if err := dev.Close(); !errors.Is(err, os.ErrClosed) {
		t.Errorf("Dev was not closed: %v", err)
	}
}

func TestWorkerIsNotForPeople(t *testing.T) {
	out, err := exec.Command(os.Args[0], "worker").CombinedOutput()
	if err == nil || !strings.Contains(string(out), "not for people") {
		t.Errorf("%s, %v", out, err)
	}
}

// startStarter runs a starter of its own process and returns the worker's pid.
func startStarter(t *testing.T, spec Spec, at string, detached bool) (*exec.Cmd, int) {
	t.Helper()
	args, err := json.Marshal(map[string]any{"Spec": spec, "Mountpoint": at, "Detached": detached})
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0], "starter", string(args))
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	b := make([]byte, 256)
	n, _ := out.Read(b)
	pid, err := strconv.Atoi(strings.TrimSpace(string(b[:n])))
	if err != nil {
		t.Fatalf("starter: %s", b[:n])
	}
	return cmd, pid
}

func TestStarterDies(t *testing.T) {
	testenv.Require(t, "root", "fuse", "sshd")
	sshd := testenv.StartSSHD(t, testenv.SSHDOptions{})
	at := mountPoint(t)
	cmd, pid := startStarter(t, specFor(sshd, ""), at, false)
	f, err := os.Create(filepath.Join(at, "open"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.Write([]byte("written before")); err != nil {
		t.Fatal(err)
	}
	cmd.Process.Kill()
	cmd.Wait()
	testenv.Eventually(t, 10*time.Second, "the worker has ended", func() bool { return !testenv.Alive(pid) })
	if b, err := os.ReadFile(filepath.Join(sshd.Home, "open")); string(b) != "written before" {
		t.Errorf("on the server: %q, %v", b, err)
	}
}

func TestDetachedWorkerOutlivesItsStarter(t *testing.T) {
	testenv.Require(t, "root", "fuse", "sshd")
	sshd := testenv.StartSSHD(t, testenv.SSHDOptions{})
	at := mountPoint(t)
	cmd, pid := startStarter(t, specFor(sshd, ""), at, true)
	t.Cleanup(func() {
		if testenv.Alive(pid) {
			syscall.Kill(pid, syscall.SIGKILL)
		}
	})
	if err := cmd.Wait(); err != nil {
		t.Fatalf("starter: %v", err)
	}
	if err := os.WriteFile(filepath.Join(at, "later"), []byte("later"), 0o644); err != nil {
		t.Fatal(err)
	}
	// Losing the connection makes it write records: to nobody.
	sshd.KillSessions()
	testenv.Eventually(t, 15*time.Second, "it is connected again", func() bool {
		b, err := os.ReadFile(filepath.Join(at, "later"))
		return err == nil && string(b) == "later"
	})
	if !testenv.Alive(pid) {
		t.Fatal("the worker ended with its starter")
	}
	if err := unix.Unmount(at, 0); err != nil {
		t.Fatal(err)
	}
	testenv.Eventually(t, 10*time.Second, "the worker ends with the mount", func() bool { return !testenv.Alive(pid) })
}

package dropin

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sshfs-bridge/e2e/testenv"
	"sshfs-bridge/fusefs"
)

// machine is one user's machine: directories of its own, and a server.
type machine struct {
	t    *testing.T
	sshd *testenv.SSHD
	env  []string
	dir  string
}

func newMachine(t *testing.T, o testenv.SSHDOptions) *machine {
	t.Helper()
	testenv.Require(t, "root", "fuse", "sshd")
	dir := t.TempDir()
	sshd := testenv.StartSSHD(t, o)
	m := &machine{t: t, sshd: sshd, dir: dir}
	m.env = append(os.Environ(),
		"TEST_RUN_DIR="+filepath.Join(dir, "run"), "TEST_STATE_DIR="+filepath.Join(dir, "state"),
		"TEST_SSH_DIR="+sshd.SSHDir, "TEST_SOCKET=none", "TEST_TTY=/nonexistent", "SSH_AUTH_SOCK=")
	return m
}

// mountpoint makes one, and clears it after the test.
func (m *machine) mountpoint() string {
	m.t.Helper()
	dir, err := os.MkdirTemp(m.t.TempDir(), "mnt")
	if err != nil {
		m.t.Fatal(err)
	}
	m.t.Cleanup(func() {
		for on, err := fusefs.MountAt(dir); err == nil && on != nil; on, err = fusefs.MountAt(dir) {
			m.t.Errorf("%s is still mounted", dir)
			if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
				m.t.Fatal(err)
			}
		}
	})
	return dir
}

// command is a command line of a drop-in.
func (m *machine) command(name string, args ...string) *exec.Cmd {
	exe, err := os.Executable()
	if err != nil {
		m.t.Fatal(err)
	}
	cmd := exec.Command(exe, args...)
	cmd.Args[0] = name
	cmd.Env = m.env
	return cmd
}

// run runs it to its end and returns its exit code and what it printed.
func (m *machine) run(name string, args ...string) (int, string) {
	m.t.Helper()
	// A file, as a pipe would be read until the holder has let go of it.
	out, err := os.Create(filepath.Join(m.t.TempDir(), "out"))
	if err != nil {
		m.t.Fatal(err)
	}
	defer out.Close()
	cmd := m.command(name, args...)
	cmd.Stdout, cmd.Stderr = out, out
	err = cmd.Run()
	text, readErr := os.ReadFile(out.Name())
	if readErr != nil {
		m.t.Fatal(readErr)
	}
	if cmd.ProcessState == nil {
		m.t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), string(text)
}

// must runs it and wants it to succeed in silence.
func (m *machine) must(name string, args ...string) {
	m.t.Helper()
	if code, out := m.run(name, args...); code != 0 || out != "" {
		m.t.Fatalf("%s %q: %d, %q", name, args, code, out)
	}
}

// waitMounted waits until one of our mounts is, or is not, at dir.
func waitMounted(t *testing.T, dir string, want bool) {
	t.Helper()
	testenv.Eventually(t, 20*time.Second, fmt.Sprintf("mounted at %s: %v", dir, want), func() bool {
		on, err := fusefs.MountAt(dir)
		if err != nil || ours(on) != want {
			return false
		}
		// The mount is there before the connection is.
		_, err = os.ReadDir(dir)
		return err == nil
	})
}

package fusefs

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sshfs-bridge/e2e/testenv"
	"sshfs-bridge/fusefs/vfs"
)

const lockEnv = "FUSEFS_TEST_LOCK"

// TestLockHelper is not a test: it is the other process of TestLocksOfProcesses. It
// locks the first ten bytes of the file that the environment names, waiting or not,
// and keeps them until its input ends.
func TestLockHelper(t *testing.T) {
	how, name, ok := strings.Cut(os.Getenv(lockEnv), " ")
	if !ok {
		return
	}
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	must(t, err)
	defer f.Close()
	cmd := unix.F_SETLK
	if how == "wait" {
		cmd = unix.F_SETLKW
	}
	err = unix.FcntlFlock(f.Fd(), cmd, &unix.Flock_t{Type: unix.F_WRLCK, Len: 10})
	for errors.Is(err, syscall.EINTR) { // the Go runtime's own signals
		err = unix.FcntlFlock(f.Fd(), cmd, &unix.Flock_t{Type: unix.F_WRLCK, Len: 10})
	}
	fmt.Printf("#%v\n", err)
	io.Copy(io.Discard, os.Stdin)
}

// lockProcess is another process that holds, or waits for, a lock.
type lockProcess struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	got chan string // what came of it; "" at its end
}

func startLock(t *testing.T, name, how string) *lockProcess {
	t.Helper()
	p := &lockProcess{cmd: exec.Command(os.Args[0], "-test.run=^TestLockHelper$"), got: make(chan string, 1)}
	p.cmd.Env = append(os.Environ(), lockEnv+"="+how+" "+name)
	var err error
	p.in, err = p.cmd.StdinPipe()
	must(t, err)
	out, err := p.cmd.StdoutPipe()
	must(t, err)
	must(t, p.cmd.Start())
	go func() {
		defer close(p.got)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			if line, ok := strings.CutPrefix(lines.Text(), "#"); ok {
				p.got <- line
			}
		}
	}()
	t.Cleanup(func() {
		p.in.Close()
		p.cmd.Process.Kill()
		p.cmd.Wait()
	})
	return p
}

func (p *lockProcess) result(t *testing.T) string {
	t.Helper()
	select {
	case s := <-p.got:
		return s
	case <-time.After(20 * time.Second):
		t.Fatal("no word of the lock")
		return ""
	}
}

// Locks hold between processes: who does not wait is refused, who waits gets the lock
// when its holder lets go, or is killed.
func TestLocksOfProcesses(t *testing.T) {
	m := mountDir(t, serveSpec{Options: fixed(vfs.CacheDefault)})
	name := m.path("f")
	must(t, os.WriteFile(name, make([]byte, 100), 0o666))
	for _, end := range []struct {
		name string
		end  func(p *lockProcess)
	}{
		{"lets go", func(p *lockProcess) { p.in.Close() }},
		{"is killed", func(p *lockProcess) { p.cmd.Process.Kill() }},
	} {
		t.Run("the holder "+end.name, func(t *testing.T) {
			holder := startLock(t, name, "now")
			if got := holder.result(t); got != "<nil>" {
				t.Fatalf("the first: %s", got)
			}
			if got := startLock(t, name, "now").result(t); got != syscall.EAGAIN.Error() {
				t.Errorf("the second, not waiting: %s", got)
			}
			waiter := startLock(t, name, "wait")
			testenv.Eventually(t, 10*time.Second, "it waits for the lock", func() bool {
				locks, err := os.ReadFile("/proc/locks")
				return err == nil && strings.Contains(string(locks), fmt.Sprintf("-> POSIX  ADVISORY  WRITE %d ", waiter.cmd.Process.Pid))
			})
			select {
			case got := <-waiter.got:
				t.Fatalf("the waiter, while the lock is held: %s", got)
			default:
			}
			end.end(holder)
			if got := waiter.result(t); got != "<nil>" {
				t.Errorf("the waiter: %s", got)
			}
		})
	}
}

// flock(1) of another user is refused while ours holds the file, and not later.
func TestLocksOfUsers(t *testing.T) {
	testenv.Require(t, "setpriv")
	dir := testenv.PublicDir(t, "")
	m := mountDir(t, serveSpec{Dir: dir, Options: fixed(vfs.CacheDefault)})
	must(t, os.Chmod(m.mnt, 0o755))
	must(t, os.Chmod(filepath.Dir(m.mnt), 0o755))
	f, err := os.OpenFile(m.path("f"), os.O_CREATE|os.O_RDWR, 0o666)
	must(t, err)
	defer f.Close()
	other := func() int {
		_, stderr, code := testenv.Run(t, nil, "setpriv", "--reuid", "1000", "--regid", "1000", "--clear-groups",
			"flock", "--nonblock", "--conflict-exit-code", "7", m.path("f"), "true")
		if stderr != "" {
			t.Error(stderr)
		}
		return code
	}
	must(t, syscall.Flock(int(f.Fd()), syscall.LOCK_EX))
	if code := other(); code != 7 {
		t.Errorf("while it is locked: exit %d", code)
	}
	must(t, syscall.Flock(int(f.Fd()), syscall.LOCK_UN))
	if code := other(); code != 0 {
		t.Errorf("while it is free: exit %d", code)
	}
}

// POSIX mode: the kernel checks the remote's modes and owners for each user.
func TestRemoteModesAreChecked(t *testing.T) {
	testenv.Require(t, "setpriv")
	dir := testenv.PublicDir(t, "")
	for name, mode := range map[string]os.FileMode{"theirs": 0o600, "readable": 0o644, "all": 0o666, "group": 0o640} {
		must(t, os.WriteFile(dir+"/"+name, []byte("content"), mode))
		must(t, os.Chmod(dir+"/"+name, mode))
		must(t, os.Chown(dir+"/"+name, 1234, 4321))
	}
	must(t, os.WriteFile(dir+"/mine", []byte("content"), 0o600))
	must(t, os.Chown(dir+"/mine", 1000, 1000))
	must(t, os.Mkdir(dir+"/closed", 0o700))
	must(t, os.WriteFile(dir+"/closed/in", nil, 0o666))
	m := mountDir(t, serveSpec{Dir: dir})
	must(t, os.Chmod(filepath.Dir(m.mnt), 0o755))
	try := func(group, script string) bool {
		t.Helper()
		_, _, code := testenv.Run(t, nil, "setpriv", "--reuid", "1000", "--regid", group, "--clear-groups", "sh", "-c", "cd '"+m.mnt+"' && "+script)
		return code == 0
	}
	for script, want := range map[string]bool{
		"cat theirs": false, "cat readable": true, "echo x >>readable": false, "echo x >>all": true, "cat mine": true,
		"echo x >>mine": true, "cat closed/in": false, "ls closed": false, "cat group": false, "chmod 600 all": false, "touch new": false,
	} {
		if got := try("1000", script); got != want {
			t.Errorf("user 1000: %s: %v", script, got)
		}
	}
	if !try("4321", "cat group") {
		t.Error("the group cannot read what it may")
	}
}

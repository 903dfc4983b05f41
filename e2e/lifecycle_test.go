package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"sshfs-bridge/bridge/api"
	"sshfs-bridge/e2e/testenv"
)

// A machine that slept: everything here stands still, the server gives its sessions
// up, and then all timers are late at once. That is one dial, one login and one
// reconnect for each mount of the host, and no storm.
func TestSleepAndWake_oneReconnect(t *testing.T) {
	const mounts = 6
	sshd := testenv.StartSSHD(t, testenv.SSHDOptions{})
	writeFile(t, filepath.Join(sshd.Home, "hello"), "there")
	b := newBridge(t, bridgeOptions{SSHDir: sshd.SSHDir}, testenv.FreePort(t))
	config := "mounts:\n"
	for i := range mounts {
		config += fmt.Sprintf("  m%d: {remote: '%s'}\n", i, sshd.Remote(sshd.HomeSeen))
	}
	appendTo(t, b.config, config)
	b.start()
	allUp := func() error {
		if st := b.observed(); len(st.Mounts) != mounts || st.Degraded() {
			return fmt.Errorf("%+v", st)
		}
		return nil
	}
	b.eventually(20*time.Second, "all are up", allUp)
	before := b.observed().Mounts
	logins := strings.Count(sshd.Log(), "Accepted publickey")

	asleep := []int{b.cmd.Process.Pid}
	for _, m := range before {
		asleep = append(asleep, m.WorkerPID)
	}
	signal := func(sig syscall.Signal) {
		for _, pid := range asleep {
			if err := syscall.Kill(pid, sig); err != nil {
				t.Fatal(err)
			}
		}
	}
	signal(syscall.SIGSTOP)
	sshd.KillSessions()
	<-time.After(7 * time.Second) // real time: longer than a keepalive and a watch of the file
	signal(syscall.SIGCONT)
	woke := time.Now()
	for i := range mounts {
		b.eventually(10*time.Second, "the file can be read again", func() error {
			_, err := os.ReadFile(filepath.Join(b.Hub, fmt.Sprintf("m%d", i), "hello"))
			return err
		})
	}
	b.eventually(10*time.Second, "all are up again", allUp)
	t.Logf("all read %v after waking", time.Since(woke))
	for i, after := range b.observed().Mounts {
		if after.WorkerPID != before[i].WorkerPID || after.Restarts != 0 {
			t.Errorf("%s: the worker was started again: %+v", after.Name, after)
		}
		if after.Traffic == nil || after.Traffic.Reconnects != 1 || after.Traffic.Dials != before[i].Traffic.Dials+1 {
			t.Errorf("%s: not one dial and one reconnect: %+v, before %+v", after.Name, after.Traffic, before[i].Traffic)
		}
	}
	if n := strings.Count(sshd.Log(), "Accepted publickey") - logins; n != mounts {
		t.Errorf("%d logins after waking, want %d", n, mounts)
	}
}

// A client that reads through the hub is let go when the mount dies, as one of
// the mount's own share is, or when its worker answers nothing any more: it gets an
// error and does not hang.
func TestKilledWorker_hubClientsAreLetGo(t *testing.T) {
	t.Run("killed", func(t *testing.T) { hubClientsAreLetGo(t, syscall.SIGKILL, 10*time.Second) })
	t.Run("frozen", func(t *testing.T) { hubClientsAreLetGo(t, syscall.SIGSTOP, 45*time.Second) })
}

func hubClientsAreLetGo(t *testing.T, sig syscall.Signal, limit time.Duration) {
	sshd := testenv.StartSSHD(t, testenv.SSHDOptions{})
	writeFile(t, filepath.Join(sshd.Home, "hello"), "there")
	b := startBridge(t, bridgeOptions{SSHDir: sshd.SSHDir})
	b.ok("mount", sshd.Remote(sshd.HomeSeen), "files")
	hub := b.share("SSHFS Share")
	f, err := hub.Open("files/hello")
	if err != nil {
		t.Fatal(err)
	}
	pid := b.status("files").WorkerPID
	if err := syscall.Kill(pid, sig); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() {
		for { // what smbd holds already is answered without the mount
			if _, err := f.ReadAt(make([]byte, 1), 0); err != nil {
				ended <- err
				return
			}
		}
	}()
	b.eventually(limit, "the worker is back", func() error {
		if st := b.status("files"); st.WorkerPID == pid || st.State != api.StateUp {
			return fmt.Errorf("worker %d, %s", st.WorkerPID, st.State)
		}
		return nil
	})
	select {
	case <-ended:
	case <-time.After(10 * time.Second):
		t.Fatal("a client of the hub hangs in the dead mount")
	}
	again, err := b.dialShare("SSHFS Share")
	if err != nil {
		t.Fatal(err)
	}
	if data, err := again.ReadFile("files/hello"); err != nil || string(data) != "there" {
		local, e := os.ReadFile(filepath.Join(b.Hub, "files", "hello"))
		t.Errorf("a new client of the hub: %q, %v (here: %q, %v)", data, err, local, e)
	}
}

// A state directory that takes nothing any more: what is mounted goes on, what
// could not be kept is refused and says why, and it works again when it can. One
// that is read-only from the start keeps the supervisor from starting, in words.
func TestStateDirectory_fullOrReadOnly(t *testing.T) {
	sshd := testenv.StartSSHD(t, testenv.SSHDOptions{})
	writeFile(t, filepath.Join(sshd.Home, "hello"), "there")
	b := newBridge(t, bridgeOptions{SSHDir: sshd.SSHDir}, testenv.FreePort(t))
	if err := os.Mkdir(b.State, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("state", b.State, "tmpfs", 0, "size=8m"); err != nil {
		t.Fatal(err)
	}
	defer syscall.Unmount(b.State, syscall.MNT_DETACH)
	b.start()
	b.ok("mount", sshd.Remote(sshd.HomeSeen), "files")
	filler := filepath.Join(b.State, "filler")
	f, err := os.Create(filler)
	if err != nil {
		t.Fatal(err)
	}
	for block := make([]byte, 4096); err == nil; {
		_, err = f.Write(block)
	}
	f.Close()
	_, stderr, code := b.run("mount", sshd.Remote(""), "more")
	if code != 1 || !strings.Contains(stderr, "no space left") || !strings.Contains(stderr, b.State) {
		t.Errorf("full: exit %d: %s", code, stderr)
	}
	if out := b.ok("list"); strings.Contains(out, "more") {
		t.Errorf("full: half of it is left:\n%s", out)
	}
	if data, err := b.share("files").ReadFile("hello"); err != nil || string(data) != "there" {
		t.Errorf("full: the other mount does not go on: %q, %v", data, err)
	}
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	b.ok("mount", sshd.Remote(""), "more")
	if st := b.observed(); len(st.Problems) > 0 {
		t.Errorf("problems that are mended: %q", st.Problems)
	}
	b.stop(syscall.SIGTERM, 10*time.Second)

	if err := syscall.Mount("", b.State, "", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	_, stderr, code = b.run("serve", "--config", b.config)
	if code != 1 || !strings.Contains(stderr, "read-only") || !strings.Contains(stderr, b.State) {
		t.Errorf("read-only: exit %d: %s", code, stderr)
	}
	if err := syscall.Mount("", b.State, "", syscall.MS_REMOUNT, ""); err != nil {
		t.Fatal(err)
	}
	b.start()
	b.eventually(10*time.Second, "both mounts are back", func() error {
		if st := b.observed(); len(st.Mounts) != 2 || st.Degraded() {
			return fmt.Errorf("%+v", st)
		}
		return nil
	})
	b.stop(syscall.SIGTERM, 10*time.Second)
}

// The second supervisor of a state directory refuses, names the first, and
// disturbs nothing of it.
func TestTwoSupervisors_theSecondRefuses(t *testing.T) {
	sshd := testenv.StartSSHD(t, testenv.SSHDOptions{})
	b := startBridge(t, bridgeOptions{SSHDir: sshd.SSHDir})
	b.ok("mount", sshd.Remote(sshd.HomeSeen), "files")
	other := testenv.PublicDir(t, "")
	for name, args := range map[string][]string{
		"same directories":     nil,
		"same state directory": {"--run-dir", filepath.Join(other, "run"), "--hub", filepath.Join(other, "hub"), "--smb-port", fmt.Sprint(testenv.FreePort(t))},
	} {
		_, stderr, code := b.run(append([]string{"serve", "--config", b.config}, args...)...)
		if code != 1 || !strings.Contains(stderr, fmt.Sprintf("another supervisor (pid %d)", b.cmd.Process.Pid)) {
			t.Errorf("%s: exit %d: %s", name, code, stderr)
		}
	}
	if st := b.status("files"); st.State != api.StateUp || st.Restarts != 0 {
		t.Errorf("the first one was disturbed: %+v", st)
	}
}

package e2e

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"sshfs-bridge/bridge/api"
	"sshfs-bridge/e2e/testenv"
)

// A stop in the middle of a copy, over a link that is slow enough to have much on its
// way: it takes less than ten seconds, and what a client was told to be written is
// on the server.
func TestStopDuringACopy_acknowledgedDataAreThere(t *testing.T) {
	testenv.Require(t, "sshd", "smbd")
	const rate, size, chunk = 16 << 20, 64 << 20, 256 << 10
	sshd := testenv.StartSSHD(t, testenv.SSHDOptions{})
	link := testenv.NewFaultProxy(t, sshd.Addr)
	link.SetRate(testenv.ToServer, rate)
	_, port, _ := strings.Cut(link.Addr(), ":")
	b := startBridge(t, bridgeOptions{SSHDir: sshd.SSHDir})
	b.ok("mount", "-p", port, "-i", sshd.IdentityFile, "root@127.0.0.1:"+sshd.HomeSeen, "files")
	data := make([]byte, size)
	_, _ = rand.NewChaCha8([32]byte{5}).Read(data)
	share := b.share("files")
	if err := share.WriteFile("closed", data[:chunk], 0o644); err != nil {
		t.Fatal(err)
	}
	f, err := share.Create("copy")
	if err != nil {
		t.Fatal(err)
	}
	var told atomic.Int64 // bytes that the client knows to be written
	ended := make(chan error, 1)
	go func() {
		for off := int64(0); off < size; off += chunk {
			if _, err := f.WriteAt(data[off:off+chunk], off); err != nil {
				ended <- err
				return
			}
			told.Store(off + chunk)
		}
		ended <- nil
	}()
	testenv.Eventually(t, 30*time.Second, "the copy is under way", func() bool { return told.Load() >= 12<<20 })
	took := b.stop(syscall.SIGTERM, 10*time.Second)
	if err := <-ended; err == nil {
		t.Error("the copy was over before the stop: nothing was tried")
	}
	got, err := os.ReadFile(filepath.Join(sshd.Home, "copy"))
	if err != nil {
		t.Fatal(err)
	}
	n := told.Load()
	t.Logf("stopped in %v after %d of %d bytes were told to be written; the server has %d", took, n, size, len(got))
	if int64(len(got)) < n || !bytes.Equal(got[:n], data[:n]) {
		t.Errorf("the server has %d bytes, of which the first %d are not those that were written", len(got), n)
	}
	if closed, err := os.ReadFile(filepath.Join(sshd.Home, "closed")); err != nil || !bytes.Equal(closed, data[:chunk]) {
		t.Errorf("the file that was closed before: %d bytes, %v", len(closed), err)
	}
}

// A worker that answers nothing any more, as a stopped one, does not hold an unmount
// for long, and nobody else at all.
func TestUmountOfAFrozenWorker(t *testing.T) {
	sshd := testenv.StartSSHD(t, testenv.SSHDOptions{})
	b := startBridge(t, bridgeOptions{SSHDir: sshd.SSHDir})
	for _, name := range []string{"frozen", "forced", "other"} {
		b.ok("mount", sshd.Remote(sshd.HomeSeen), name)
	}
	for _, name := range []string{"frozen", "forced"} {
		if err := syscall.Kill(b.status(name).WorkerPID, syscall.SIGSTOP); err != nil {
			t.Fatal(err)
		}
	}
	type outcome struct {
		stderr string
		code   int
		took   time.Duration
	}
	umount := func(args ...string) <-chan outcome {
		done := make(chan outcome, 1)
		begin := time.Now()
		go func() {
			_, stderr, code := b.run(append([]string{"umount"}, args...)...)
			done <- outcome{stderr, code, time.Since(begin)}
		}()
		return done
	}
	patient := umount("frozen")
	b.eventually(5*time.Second, "it is leaving", func() error {
		if st := b.status("frozen"); st.State != api.StateUnmounting {
			return fmt.Errorf("%s", st.State)
		}
		return nil
	})
	forced := <-umount("--force", "forced")
	b.ok("umount", "other")
	b.ok("mount", sshd.Remote(sshd.HomeSeen), "another")
	select {
	case o := <-patient:
		t.Errorf("the frozen one left before all that: %+v", o)
	default:
	}
	o := <-patient
	if o.code != 0 || forced.code != 0 {
		t.Errorf("umount: %+v, forced: %+v", o, forced)
	}
	if !strings.Contains(o.stderr, "frozen: its worker does not answer") || !strings.Contains(o.stderr, "frozen is unmounted") {
		t.Errorf("umount says: %s", o.stderr)
	}
	t.Logf("umount of a frozen worker took %v, with --force %v", o.took, forced.took)
	if o.took > 20*time.Second || forced.took > o.took {
		t.Errorf("umount took %v, with --force %v", o.took, forced.took)
	}
}

// The program is replaced, and removed, while it runs: mounts stay, workers that
// start later are of the version that runs, and the next start is the new one's.
func TestUpgradeInPlace(t *testing.T) {
	sshd := testenv.StartSSHD(t, testenv.SSHDOptions{})
	writeFile(t, filepath.Join(sshd.Home, "hello"), "there")
	b := newBridge(t, bridgeOptions{SSHDir: sshd.SSHDir}, testenv.FreePort(t))
	program := filepath.Join(b.Dir, "sshfs-bridge")
	install := func(content []byte) {
		t.Helper()
		next := program + ".new" // as package managers do: the old file lives on where it runs
		if err := os.WriteFile(next, content, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(next, program); err != nil {
			t.Fatal(err)
		}
	}
	ours, err := os.ReadFile(binary)
	if err != nil {
		t.Fatal(err)
	}
	install(ours)
	b.under = []string{"sh", "-c", `shift; exec "$0" "$@"`, program}
	b.start()
	b.ok("mount", sshd.Remote(sshd.HomeSeen), "files")
	read := func() error {
		share, err := b.dialShare("files")
		if err != nil {
			return err
		}
		_, err = share.ReadFile("hello")
		return err
	}
	b.eventually(10*time.Second, "the file can be read", read)

	for _, step := range []struct {
		what    string
		replace func() error
	}{
		{"another program", func() error { install([]byte("#!/bin/sh\necho 'not this one' >&2\nexit 99\n")); return nil }},
		{"no program", func() error { return os.Remove(program) }},
	} {
		before := b.status("files")
		if err := step.replace(); err != nil {
			t.Fatal(err)
		}
		if err := read(); err != nil || b.status("files").WorkerPID != before.WorkerPID {
			t.Errorf("%s: the running mount was disturbed: %v", step.what, err)
		}
		for _, pid := range []int{before.WorkerPID, b.smbdPID()} {
			if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
		}
		b.eventually(15*time.Second, "worker and smbd are back with "+step.what+" at its path", func() error {
			st := b.observed()
			if st.Degraded() || st.Mounts[0].WorkerPID == before.WorkerPID || st.Mounts[0].Restarts != before.Restarts+1 {
				return fmt.Errorf("%+v", st)
			}
			return read()
		})
	}
	install(ours) // the new version
	b.stop(syscall.SIGTERM, 10*time.Second)
	b.start()
	b.eventually(10*time.Second, "the mount is back in the new version", read)
	if exe, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", b.status("files").WorkerPID)); err != nil || exe != program {
		t.Errorf("the worker runs %s, want %s (%v)", exe, program, err)
	}
}

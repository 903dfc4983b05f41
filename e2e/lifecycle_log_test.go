package e2e

import (
	"io"
	"os"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sshfs-bridge/e2e/testenv"
)

// TestStopWithoutALog: a log that nobody takes, because its reader is gone or reads no
// more, neither ends the supervisor nor holds it up: it stops as ever, and leaves no
// mount.
func TestStopWithoutALog(t *testing.T) {
	sshd := testenv.StartSSHD(t, testenv.SSHDOptions{})
	for what, spoil := range map[string]func(r, w *os.File) error{
		"its reader is gone": func(r, _ *os.File) error { return r.Close() },
		"its reader reads no more": func(r, w *os.File) error {
			size, err := unix.FcntlInt(w.Fd(), unix.F_GETPIPE_SZ, 0)
			if err == nil {
				_, err = w.Write(make([]byte, size)) // it is full
			}
			// One that hangs all the same can end when its log is read.
			late := time.AfterFunc(40*time.Second, func() { _, _ = io.Copy(io.Discard, r) })
			t.Cleanup(func() { late.Stop() })
			return err
		},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			r, w, err := os.Pipe()
			check(t, err)
			defer r.Close()
			defer w.Close()
			check(t, spoil(r, w))
			b := newBridge(t, bridgeOptions{SSHDir: sshd.SSHDir}, testenv.FreePort(t))
			b.stderr = w
			b.start()
			b.ok("mount", sshd.Remote(sshd.HomeSeen), "files")
			b.stop(syscall.SIGTERM, 10*time.Second)
			if code := b.cmd.ProcessState.ExitCode(); code != 0 {
				t.Errorf("it ended with %d: %v", code, b.cmd.ProcessState)
			}
		}) // cleanup finds mounts and processes that are left
	}
}

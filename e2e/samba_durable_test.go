package e2e

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"sshfs-bridge/e2e/testenv"
)

// TestOpenOverSleep: a Mac that slept has lost its connection, and takes the files
// that it had open up again over another one.
func TestOpenOverSleep(t *testing.T) {
	t.Parallel()
	sshd := testenv.StartSSHD(t, testenv.SSHDOptions{})
	link := testenv.NewFaultProxy(t, sshd.Addr)
	b := startBridge(t, bridgeOptions{SSHDir: sshd.SSHDir})
	_, port, _ := strings.Cut(link.Addr(), ":")
	b.ok("mount", "-p", port, "-i", sshd.IdentityFile, "-o", "StrictHostKeyChecking=accept-new", "root@127.0.0.1:"+sshd.HomeSeen, "files")
	b.share("files") // is there
	const first, second = "before it slept, ", "after it woke up"
	for what, slept := range map[string]time.Duration{"written": 0, "written, for a while": 3 * time.Second} {
		t.Run(what, func(t *testing.T) {
			mac := testenv.DialMacSMB(t, b.Port, "files")
			f, err := mac.Open(what, testenv.MacOpen{Create: testenv.CreateNew, Access: copyAccess, Lease: true, Durable: true})
			check(t, err)
			check(t, f.Write([]byte(first), 0))
			check(t, f.Flush())
			mac.Close()
			sleepUntilReclaimed(t, b.in(t), f, slept)
			if f.Size != uint64(len(first)) {
				t.Errorf("%d bytes long when it was taken up again, want %d", f.Size, len(first))
			}
			check(t, f.Write([]byte(second), uint64(len(first))))
			check(t, f.Close())
			got, err := os.ReadFile(filepath.Join(sshd.Home, what))
			if err != nil || string(got) != first+second {
				t.Errorf("on the server is %q, %v", got, err)
			}
		})
	}
	t.Run("over a slow link", func(t *testing.T) { wokenTooLate(t, b.in(t), link, sshd.Home) })
	t.Run("read", func(t *testing.T) {
		name := filepath.Join(sshd.Home, "read")
		writeFile(t, name, first+second)
		check(t, os.Chtimes(name, longAgo, longAgo)) // so that the server notes when it is read
		b.ok("refresh", "files")
		mac := testenv.DialMacSMB(t, b.Port, "files")
		f, err := mac.Open("read", testenv.MacOpen{Create: testenv.OpenExisting, Lease: true, Durable: true})
		check(t, err)
		got, err := f.Read(uint32(len(first)), 0)
		check(t, err)
		mac.Close()
		sleepUntilReclaimed(t, b.in(t), f, 3*time.Second) // until an open asks the server again
		rest, err := f.Read(uint32(len(second)), uint64(len(first)))
		if err != nil || string(got)+string(rest) != first+second {
			t.Errorf("read %q and %q, %v", got, rest, err)
		}
	})
}

// wokenTooLate: a file whose writing the server notes in another second than the mount
// did is another one to smbd, which may refuse it. Whether or not, what the Mac was told
// is written is on the server.
func wokenTooLate(t *testing.T, b *bridge, link *testenv.FaultProxy, home string) {
	mac := testenv.DialMacSMB(t, b.Port, "files")
	f, err := mac.Open("late", testenv.MacOpen{Create: testenv.CreateNew, Access: copyAccess, Lease: true, Durable: true})
	check(t, err)
	link.SetDelay(1200 * time.Millisecond)
	defer link.SetDelay(0)
	check(t, f.Write([]byte("written"), 0))
	mac.Close()
	b.eventually(15*time.Second, "smbd takes the file up or refuses it", func() error {
		mac := testenv.DialMacSMB(t, b.Port, "files")
		defer mac.Close()
		err := f.Reclaim(mac)
		if err == testenv.StatusNotFound && strings.Contains(b.log.String(), "denying durable reconnect") {
			return nil
		}
		return err
	})
	if got, err := os.ReadFile(filepath.Join(home, "late")); err != nil || string(got) != "written" {
		t.Errorf("on the server is %q, %v", got, err)
	}
}

// TestRestartBesideAnotherShare: a Mac has all its shares in one session, which ends when
// the worker of one of them dies. What it has open on another it takes up again.
func TestRestartBesideAnotherShare(t *testing.T) {
	t.Parallel()
	sshd := testenv.StartSSHD(t, testenv.SSHDOptions{})
	b := startBridge(t, bridgeOptions{SSHDir: sshd.SSHDir})
	b.ok("mount", sshd.Remote(sshd.HomeSeen), "files")
	b.ok("mount", sshd.Remote(sshd.HomeSeen), "dies")
	b.share("files") // is there
	b.share("dies")
	const first, second = "before, ", "afterwards"
	mac := testenv.DialMacSMB(t, b.Port, "files")
	mac.ConnectBeside("dies")
	f, err := mac.Open("copy", testenv.MacOpen{Create: testenv.CreateNew, Access: copyAccess, Lease: true, Durable: true})
	check(t, err)
	check(t, f.Write([]byte(first), 0))
	check(t, f.Flush())
	check(t, syscall.Kill(b.status("dies").WorkerPID, syscall.SIGKILL))
	b.eventually(10*time.Second, "the Mac's connection ends", func() error {
		_, err := f.Streams()
		if refused := testenv.NTStatus(0); err == nil || errors.As(err, &refused) {
			return fmt.Errorf("it is answered: %v", err)
		}
		return nil
	})
	sleepUntilReclaimed(t, b, f, 0)
	check(t, f.Write([]byte(second), uint64(len(first))))
	check(t, f.Close())
	got, err := os.ReadFile(filepath.Join(sshd.Home, "copy"))
	if err != nil || string(got) != first+second {
		t.Errorf("on the server is %q, %v", got, err)
	}
}

// sleepUntilReclaimed takes f up again after a time, as soon as smbd has noticed that
// the connection is gone.
func sleepUntilReclaimed(t *testing.T, b *bridge, f *testenv.MacFile, slept time.Duration) {
	t.Helper()
	since := time.Now()
	b.eventually(slept+10*time.Second, "the file is taken up again", func() error {
		if time.Since(since) < slept {
			return errors.New("the Mac still sleeps")
		}
		mac := testenv.DialMacSMB(t, b.Port, "files")
		err := f.Reclaim(mac)
		if err != nil {
			mac.Close()
		}
		return err
	})
}

package smbd

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"sshfs-bridge/e2e/testenv"
)

func TestServesWithFewRights(t *testing.T) {
	testenv.Require(t, "root", "smbd")
	s := newSetup(t)
	keys := filepath.Join(s.dir, "keys")
	state := filepath.Join(s.dir, "state-dir")
	kept := filepath.Join(state, "samba", "deep")
	file := filepath.Join(s.dir, "control.sock")
	for _, dir := range []string{keys, kept} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, path := range []string{keys + "/id", state + "/desired.json", kept + "/passdb", file} {
		if err := os.WriteFile(path, []byte("secret"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	s.o.Cover = []string{keys, state, file, filepath.Join(s.dir, "missing")}
	s.o.Keep = []string{kept}
	s.o.ProbeShare = "files"
	s.list = true
	srv := s.run()

	c := s.client("files")
	if err := c.share.WriteFile("hello.txt", []byte("hello"), 0o644); err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(filepath.Join(s.dir, "share-files", "hello.txt")); string(b) != "hello" {
		t.Errorf("written through SMB: %q, %v", b, err)
	}
	if n, err := srv.Sessions(t.Context()); err != nil || n < 1 {
		t.Errorf("Sessions: %d, %v", n, err)
	}

	for _, pid := range srv.pids() {
		root := fmt.Sprintf("/proc/%d/root", pid)
		for _, path := range []string{keys + "/id", state + "/desired.json"} {
			if _, err := os.Stat(root + path); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("process %d sees %s (%v)", pid, path, err)
			}
		}
		if b, err := os.ReadFile(root + file); len(b) != 0 {
			t.Errorf("process %d reads %s: %q, %v", pid, file, b, err)
		}
		if err := os.WriteFile(root+keys+"/x", nil, 0o666); !errors.Is(err, syscall.EROFS) {
			t.Errorf("the cover of %s can be written: %v", keys, err)
		}
		if b, err := os.ReadFile(root + kept + "/passdb"); string(b) != "secret" {
			t.Errorf("process %d does not see what is kept: %q, %v", pid, b, err)
		}
		status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		if err != nil {
			continue // a helper that ended
		}
		for _, want := range []string{"CapBnd:\t00000000000004c0\n", "CapInh:\t0000000000000000\n", "NoNewPrivs:\t1\n"} {
			if !strings.Contains(string(status), want) {
				t.Errorf("process %d lacks %q:\n%s", pid, want, status)
			}
		}
	}
	if _, err := os.ReadFile(keys + "/id"); err != nil {
		t.Errorf("the covers reached us: %v", err)
	}
	if fi, err := os.Stat(s.o.Dirs.Private); err != nil || fi.Mode().Perm() != 0o700 {
		t.Errorf("private directory: %v, %v", fi, err)
	}
}

func TestMainProcessKilled(t *testing.T) {
	testenv.Require(t, "root", "smbd")
	s := newSetup(t)
	s.list = true
	srv := s.run()
	s.client("files")
	pid := srv.Status().PID
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	testenv.Eventually(t, 5*time.Second, "another smbd is started", func() bool {
		st := srv.Status()
		return st.PID != pid && st.PID != 0
	})
	t.Logf("started again after %v", time.Since(start))
	testenv.Eventually(t, time.Minute, "it is ready", func() bool { return srv.Status().State == StateReady })
	t.Logf("ready again after %v", time.Since(start))
	s.client("files")
	if st := srv.Status(); st.Restarts != 1 || st.Cause != "" {
		t.Errorf("%+v", st)
	}
}

// One client's process dies; the other clients do not notice.
func TestClientProcessCrashes(t *testing.T) {
	testenv.Require(t, "root", "smbd")
	s := newSetup(t)
	srv := s.run()
	before := srv.clientProcesses(srv.Status().PID)
	a := s.client("files")
	var pidA int
	for _, pid := range srv.clientProcesses(srv.Status().PID) {
		if !slices.Contains(before, pid) && testenv.Alive(pid) {
			pidA = pid
		}
	}
	b := s.client("files")
	if pidA == 0 {
		t.Fatal("no process for the first client")
	}
	if err := syscall.Kill(pidA, syscall.SIGSEGV); err != nil {
		t.Fatal(err)
	}
	testenv.Eventually(t, 20*time.Second, "the first client's process is gone", func() bool { return !testenv.Alive(pidA) })
	if err := b.share.WriteFile("b", []byte("still here"), 0o644); err != nil {
		t.Errorf("the other client: %v", err)
	}
	if _, err := a.share.Stat("b"); err == nil {
		t.Error("the first client's connection goes on")
	}
	if st := srv.Status(); st.Restarts != 0 {
		t.Errorf("smbd was started anew: %+v", st)
	}
}

func TestReloadKeepsSessions(t *testing.T) {
	testenv.Require(t, "root", "smbd")
	s := newSetup(t)
	srv := s.run()
	c := s.client("files")
	f, err := c.share.Create("open.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	s.addShare("more")
	if err := srv.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	testenv.Eventually(t, 20*time.Second, "the new share in the old session", func() bool {
		share, err := c.session.Mount("more")
		if err != nil {
			return false
		}
		share.Umount()
		return true
	})
	if _, err := f.Write([]byte("goes on")); err != nil {
		t.Errorf("the open file: %v", err)
	}
	// A share that goes is gone for new clients.
	s.conf.Shares = s.conf.Shares[:1]
	s.writeConf()
	if err := srv.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	testenv.Eventually(t, 20*time.Second, "the share is gone", func() bool {
		c, err := s.dial("more")
		if err == nil {
			c.conn.Close()
		}
		return err != nil
	})
}

func TestPortBusy(t *testing.T) {
	testenv.Require(t, "root", "smbd")
	s := newSetup(t)
	other := newSetup(t)
	other.run()
	s.o.Listen = other.o.Listen
	err := New(s.o).Run(t.Context())
	var busy *PortBusyError
	if !errors.As(err, &busy) || busy.PID == 0 || busy.Name != "smbd" {
		t.Fatalf("Run on a busy port: %v", err)
	}
	for _, want := range []string{other.o.Listen[0], "smbd (pid ", "systemctl disable --now smbd"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q does not say %q", err, want)
		}
	}
}

func TestNotInstalled(t *testing.T) {
	s := Options{Program: filepath.Join(t.TempDir(), "smbd"), ConfPath: "/x"}
	err := New(s).Check(t.Context())
	if !errors.Is(err, ErrNotInstalled) || !strings.Contains(err.Error(), "apt-get install samba") {
		t.Errorf("Check: %v", err)
	}
}

// TestSupervisorKilled: smbd does not outlive us, and what does is ended
// before the next start.
func TestSupervisorKilled(t *testing.T) {
	testenv.Require(t, "root", "smbd")
	s := newSetup(t)
	pid := superviseIn(t, s)
	srv := New(s.o)
	testenv.Eventually(t, time.Minute, "smbd answers", func() bool {
		return Probe(t.Context(), s.o.Listen[0], "", "", "files", 20*time.Second) == nil
	})
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	testenv.Eventually(t, 20*time.Second, "smbd has ended by itself", func() bool {
		for _, pid := range srv.pids() {
			comm, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
			if strings.HasPrefix(string(comm), "smbd") {
				return false
			}
		}
		return true
	})
	s.run()
}

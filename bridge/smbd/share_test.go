package smbd

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sshfs-bridge/e2e/testenv"
	"sshfs-bridge/fusefs"
	"sshfs-bridge/smbconf"
)

func freeze(t *testing.T, pid int) {
	t.Helper()
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
}

func TestCloseShare(t *testing.T) {
	testenv.Require(t, "root", "smbd")
	s := newSetup(t)
	s.addShare("Other One")
	srv := s.run()
	a, b := s.client("Other One"), s.client("files")
	f, err := b.share.Create("open.txt")
	if err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	if err := srv.CloseShare(t.Context(), "oTHER one"); err != nil {
		t.Fatal(err)
	}
	t.Logf("closed after %v", time.Since(start))
	if _, err := a.share.ReadDir(""); err == nil {
		t.Error("the client of the share is still connected")
	}
	if _, err := f.Write([]byte("x")); err != nil {
		t.Errorf("the client of the other share: %v", err)
	}
	if _, err := s.dial("Other One"); err != nil {
		t.Errorf("connecting again: %v", err)
	}
	// A Mac has all its shares in one session, which is one process of smbd.
	left, err := b.session.Mount("Other One")
	if err != nil {
		t.Fatal(err)
	}
	g, err := left.Create("lost.txt")
	if err != nil {
		t.Fatal(err)
	}
	if err := srv.CloseShare(t.Context(), "Other One"); err != nil {
		t.Fatal(err)
	}
	if _, err := g.Write([]byte("x")); err == nil {
		t.Error("a file of the closed share is still open")
	}
	if _, err := f.Write([]byte("x")); err != nil {
		t.Errorf("an open file of the same client's other share: %v", err)
	}
	if left, err = b.session.Mount("Other One"); err != nil {
		t.Errorf("the same client connects to the share again: %v", err)
	} else if _, err := left.ReadDir(""); err != nil {
		t.Error(err)
	}
	// By path: whoever has something open there, through whatever share.
	if err := srv.ClosePath(t.Context(), filepath.Join(s.dir, "share-files", "open.txt", "below")); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write([]byte("x")); err != nil {
		t.Errorf("another path was closed: %v", err)
	}
	if err := srv.ClosePath(t.Context(), filepath.Join(s.dir, "share-files")+"/"); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write([]byte("x")); err == nil {
		t.Error("the open file is still open")
	}
}

// mute is a FUSE server that answers what a tree connect needs, and keeps
// everything else waiting: a worker whose remote hangs. It tells when the first
// request waits.
func mute(dev *os.File, waiting chan<- struct{}) {
	var once sync.Once
	buf := make([]byte, 1<<20)
	for {
		n, err := dev.Read(buf)
		if err != nil {
			return
		}
		req := buf[:n]
		le := func(b []byte) (v uint64) {
			for i := len(b) - 1; i >= 0; i-- {
				v = v<<8 | uint64(b[i])
			}
			return v
		}
		opcode, unique := le(req[4:8]), req[8:16]
		var body []byte
		const opGetattr, opInit, opAccess, opOpendir, opStatfs = 3, 26, 34, 27, 17
		switch opcode {
		case opInit:
			body = make([]byte, 64)
			body[0], body[4], body[20], body[22] = 7, 31, 0, 2 // version 7.31, max_write 128 KiB
		case opGetattr:
			body = make([]byte, 104)
			body[0] = 0 // attributes are asked for each time
			body[16] = 1
			mode := uint32(syscall.S_IFDIR | 0o777)
			body[76], body[77], body[78], body[79] = byte(mode), byte(mode>>8), byte(mode>>16), byte(mode>>24)
			body[80] = 2
		case opAccess, opStatfs:
			reply(dev, unique, nil, int32(syscall.ENOSYS))
			continue
		case opOpendir:
			body = make([]byte, 16)
		case 22, 23, 38: // extended attributes, interrupts and the like
			reply(dev, unique, nil, int32(syscall.ENOSYS))
			continue
		case 1: // lookup: no answer, ever
			once.Do(func() { close(waiting) })
			continue
		default:
			continue
		}
		reply(dev, unique, body, 0)
	}
}

func reply(dev *os.File, unique, body []byte, errno int32) {
	out := make([]byte, 16, 16+len(body))
	size := uint32(16 + len(body))
	out[0], out[1], out[2], out[3] = byte(size), byte(size>>8), byte(size>>16), byte(size>>24)
	e := uint32(-errno)
	out[4], out[5], out[6], out[7] = byte(e), byte(e>>8), byte(e>>16), byte(e>>24)
	copy(out[8:16], unique)
	dev.Write(append(out, body...))
}

// TestCloseShareOfDeadMount: a client waits for an answer of a mount, whose
// worker is killed. No smbd process may be left on it, and others go on.
func TestCloseShareOfDeadMount(t *testing.T) {
	testenv.Require(t, "root", "smbd", "fuse")
	s := newSetup(t)
	at := filepath.Join(s.dir, "mnt")
	if err := os.Mkdir(at, 0o755); err != nil {
		t.Fatal(err)
	}
	dev, err := fusefs.Mount(fusefs.MountOptions{Mountpoint: at, AllowOther: true})
	if err != nil {
		t.Fatal(err)
	}
	defer dev.Close()
	defer unix.Unmount(at, unix.MNT_DETACH)
	served, waiting := make(chan struct{}), make(chan struct{})
	go func() { defer close(served); mute(dev, waiting) }()
	s.conf.Shares = append(s.conf.Shares, smbconf.Share{Name: "remote", Path: at})
	s.writeConf()
	srv := s.run()

	stuck, other := s.client("remote"), s.client("files")
	waits := make(chan error, 1)
	go func() {
		_, err := stuck.share.Stat("anything")
		waits <- err
	}()
	select {
	case <-waiting:
	case <-time.After(20 * time.Second):
		t.Fatal("no request reaches the mount")
	}
	u, err := srv.usage(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var pid int
	for _, tcon := range u.Tcons {
		if tcon.Service == "remote" {
			pid, _ = strconv.Atoi(tcon.Server.PID)
		}
	}
	if !testenv.Alive(pid) {
		t.Fatalf("no process has the share: %+v", u)
	}

	// The worker dies; the mount is detached; the share is closed, by force in the end.
	unix.Unmount(at, unix.MNT_DETACH)
	dev.Close()
	start := time.Now()
	if err := srv.CloseShare(t.Context(), "remote"); err != nil {
		t.Fatal(err)
	}
	t.Logf("closed after %v", time.Since(start))
	if testenv.Alive(pid) {
		t.Error("the process that waited lives")
	}
	select {
	case err := <-waits:
		if err == nil {
			t.Error("the client got an answer")
		}
	case <-time.After(20 * time.Second):
		t.Error("the client still waits")
	}
	if err := other.share.WriteFile("goes-on", nil, 0o644); err != nil {
		t.Errorf("the other client: %v", err)
	}
	<-served
	if st := srv.Status(); st.Restarts != 0 {
		t.Errorf("smbd was started anew: %+v", st)
	}
}

// A share whose directory does not answer keeps nobody from the others.
func TestDeadProbeShare(t *testing.T) {
	testenv.Require(t, "root", "smbd", "fuse")
	s := newSetup(t)
	at := filepath.Join(s.dir, "mnt")
	if err := os.Mkdir(at, 0o755); err != nil {
		t.Fatal(err)
	}
	dev, err := fusefs.Mount(fusefs.MountOptions{Mountpoint: at, AllowOther: true})
	if err != nil {
		t.Fatal(err)
	}
	dev.Close() // dead
	defer unix.Unmount(at, unix.MNT_DETACH)
	s.conf.Shares = append(s.conf.Shares, smbconf.Share{Name: "hub", Path: at})
	s.writeConf()
	s.o.ProbeShare = "hub"
	srv := New(s.o)
	srv.policy.noList, srv.policy.shareFor = true, 100*time.Millisecond
	s.runServer(srv)
	s.ready(srv)
	if err := s.client("files").share.WriteFile("x", nil, 0o644); err != nil {
		t.Error(err)
	}
	if !strings.Contains(s.log.text(), "a share cannot be listed") {
		t.Error("nothing is told of the dead share")
	}
}

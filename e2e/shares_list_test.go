package e2e

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/hirochachacha/go-smb2"

	"sshfs-bridge/e2e/testenv"
)

// shareNames lists the shares as a client sees them.
func (b *bridge) shareNames() ([]string, error) {
	conn, err := net.DialTimeout("tcp", fmt.Sprintf("127.0.0.1:%d", b.Port), 5*time.Second)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		return nil, err
	}
	s, err := (&smb2.Dialer{Initiator: &smb2.NTLMInitiator{User: "guest"}}).DialContext(context.Background(), conn)
	if err != nil {
		return nil, err
	}
	names, err := s.ListSharenames()
	slices.Sort(names)
	return names, err
}

// TestSharesComeAndGo: one share a mount, by a name that Finder shows well; others'
// mounts that come and go disturb no client.
func TestSharesComeAndGo(t *testing.T) {
	testenv.Require(t, "smbclient")
	t.Parallel()
	sshd := testenv.StartSSHD(t, testenv.SSHDOptions{})
	b := startBridge(t, bridgeOptions{SSHDir: sshd.SSHDir})
	b.ok("mount", sshd.Remote(sshd.HomeSeen), "files")
	pid := b.smbdPID()
	f, err := b.share("files").Create("open")
	if err != nil {
		t.Fatal(err)
	}
	written := 0
	goesOn := func(when string) {
		t.Helper()
		n, err := f.Write([]byte("0123456789"))
		if written += n; err != nil {
			t.Fatalf("%s: the other client's open file: %v", when, err)
		}
	}
	names := []string{"Fotos_2026", "Müsik", "日本語", "with.dots-and_more"}
	want := []string{"IPC$", "SSHFS Share", "files"}
	for _, name := range names {
		dir := filepath.Join(sshd.Home, name)
		ownedBy(t, dir, sshd.User)
		writeFile(t, filepath.Join(dir, "in"), name)
		// The name is derived from the path, and URLs carry it encoded.
		out := b.ok("mount", sshd.Remote(filepath.Join(sshd.HomeSeen, name)))
		if !strings.Contains(out, "smb://guest:@127.0.0.1:") || !strings.Contains(b.ok("list"), name) {
			t.Errorf("mount of %s printed %s", name, out)
		}
		goesOn("mount " + name)
		want = append(want, name)
	}
	slices.Sort(want)
	b.eventually(10*time.Second, "all shares are listed", func() error {
		got, err := b.shareNames()
		if err == nil && !slices.Equal(got, want) {
			err = fmt.Errorf("%q, want %q", got, want)
		}
		return err
	})
	for _, name := range names {
		for client, c := range b.shareClients(name) {
			if got, err := c.read("in"); err != nil || got != name {
				t.Errorf("%s: %s: %q, %v", client, name, got, err)
			}
		}
	}
	for _, name := range names {
		b.ok("umount", name)
		goesOn("umount " + name)
		if _, err := b.dialShare(name); err == nil {
			t.Errorf("%s is still a share", name)
		}
	}
	if got, err := b.shareNames(); err != nil || !slices.Equal(got, []string{"IPC$", "SSHFS Share", "files"}) {
		t.Errorf("left: %q, %v", got, err)
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	if data, err := os.ReadFile(filepath.Join(sshd.Home, "open")); err != nil || len(data) != written {
		t.Errorf("%d bytes on the server, %v; %d were written", len(data), err, written)
	}
	if now := b.smbdPID(); now != pid {
		t.Errorf("smbd %d is another one than %d", now, pid)
	}
}

// quick is how long an answer may take while it is known that the remote is away:
// less than the 5 s for which who does not know it waits, and far less than the 12 s
// after which a Mac gives up a share (FIELD.md 3.4).
const quick = 4500 * time.Millisecond

// The statuses by which Finder tells a user that something is wrong with the disk,
// and not that he lacks permission or that the file does not exist.
var linkStatus = []uint32{
	0xC0000185, // STATUS_IO_DEVICE_ERROR, of EIO
	0xC00000B5, // STATUS_IO_TIMEOUT, of ETIMEDOUT
	0xC00000E9, // STATUS_UNEXPECTED_IO_ERROR, of EIO
}

func hasLinkStatus(err error) bool {
	var r *smb2.ResponseError
	return errors.As(err, &r) && slices.Contains(linkStatus, r.Code)
}

// TestShareOfADeadRemote: the share is listed, takes a client, and answers quickly,
// whether the remote was there before or never; other shares go on.
func TestShareOfADeadRemote(t *testing.T) {
	testenv.Require(t, "smbclient")
	t.Parallel()
	sshd := testenv.StartSSHD(t, testenv.SSHDOptions{})
	writeFile(t, filepath.Join(sshd.Home, "known"), "x")
	for _, dir := range []string{"folder", "another", "third"} {
		ownedBy(t, filepath.Join(sshd.Home, dir), sshd.User)
	}
	writeFile(t, filepath.Join(sshd.Home, "large"), strings.Repeat("x", 8<<20))
	proxy := testenv.NewFaultProxy(t, sshd.Addr)
	_, port, err := net.SplitHostPort(proxy.Addr())
	if err != nil {
		t.Fatal(err)
	}
	b := startBridge(t, bridgeOptions{SSHDir: sshd.SSHDir})
	b.ok("mount", sshd.Remote(sshd.HomeSeen), "near")
	through := []string{"-p", port, "-o", "StrictHostKeyChecking=accept-new", sshd.Remote(sshd.HomeSeen)}
	b.ok(append(append([]string{"mount"}, through...), "far")...)
	nobody := fmt.Sprint(testenv.FreePort(t))
	if _, stderr, code := b.run("mount", "--keep-trying", "-p", nobody, sshd.Remote(sshd.HomeSeen), "never"); code != 0 {
		t.Fatalf("mount --keep-trying: exit %d: %s", code, stderr)
	}
	never := b.share("never")
	shares, err := b.dialShares(&smb2.NTLMInitiator{User: "guest"}, "far", "near") // in one session, as a Mac has them
	check(t, err)
	far, near := shares[0], shares[1]
	_, err = far.ReadDir("")
	check(t, err)
	open, err := far.Open("large")
	check(t, err)
	defer open.Close()

	timed := func(what string, limit time.Duration, do func() error, check func(error) bool) {
		t.Helper()
		begin := time.Now()
		err := do()
		took := time.Since(begin)
		t.Logf("%-60s %6.0f ms  %v", what, float64(took.Microseconds())/1000, err)
		if took > limit {
			t.Errorf("%s took %v, more than %v", what, took, limit)
		}
		if !check(err) {
			t.Errorf("%s: %v", what, err)
		}
	}
	list := func(s *smb2.Share, dir string) func() error {
		return func() error { _, err := s.ReadDir(dir); return err }
	}
	isNil := func(err error) bool { return err == nil }
	lists := func() error {
		names, err := b.shareNames()
		if err == nil && (!slices.Contains(names, "far") || !slices.Contains(names, "never")) {
			err = fmt.Errorf("only %q", names)
		}
		return err
	}
	hub := b.share("SSHFS Share")
	timed("the hub, with a remote that was never there", quick, list(hub, ""), isNil)
	timed("a remote that was never there: list", quick, list(never, ""), hasLinkStatus)
	timed("a remote that was never there: open", quick, func() error { _, err := never.Open("x"); return err }, hasLinkStatus)
	timed("a remote that was never there: connect anew", quick, func() error { _, err := b.dialShare("never"); return err }, isNil)

	// The line goes silent: nobody has told us. The first to ask finds out, within
	// the deadline of path operations (5 s), others meanwhile too.
	proxy.Blackout(true)
	proxy.HalfOpen()
	reading := make(chan error, 1)
	go func() {
		_, err := open.ReadAt(make([]byte, 1<<20), 7<<20)
		reading <- err
	}()
	timed("a silent line: another share, while an open file is read", quick, list(near, ""), isNil)
	// smbd does what one Mac asks of names one after the other: whoever asks it for
	// something of another share waits as well, and no longer, however many ask.
	const silent = 6 * time.Second // one for who is scheduled late
	var asking sync.WaitGroup
	for _, dir := range []string{"folder", "another", "third"} {
		asking.Go(func() { timed("a silent line: what is not known", silent, list(far, dir), hasLinkStatus) })
	}
	asked := make(chan struct{})
	go func() { asking.Wait(); close(asked) }()
	for waiting := true; waiting; {
		timed("a silent line: another share of the same session", silent, list(near, ""), isNil)
		select {
		case <-asked:
			waiting = false
		default:
		}
	}
	b.eventually(20*time.Second, "the loss is noticed", func() error {
		if st := b.status("far"); st.State != "degraded" {
			return fmt.Errorf("state %s", st.State)
		}
		return nil
	})
	timed("a lost line: what is not known", quick, list(far, "folder"), hasLinkStatus)
	timed("a lost line: what was listed before", quick, list(far, ""), isNil)
	timed("a lost line: make a file", quick, func() error { _, err := far.Create("new"); return err }, hasLinkStatus)
	timed("a lost line: make a folder", quick, func() error { return far.Mkdir("new folder", 0o755) }, hasLinkStatus)
	timed("a lost line: rename", quick, func() error { return far.Rename("known", "other") }, hasLinkStatus)
	timed("a lost line: remove", quick, func() error { return far.Remove("known") }, hasLinkStatus)
	timed("a lost line: connect anew", quick, func() error { _, err := b.dialShare("far"); return err }, isNil)
	timed("the list of shares", 2*quick, lists, isNil)
	timed("the hub, with a remote that is lost", quick, list(hub, ""), isNil)
	timed("another share", quick, list(near, ""), isNil)
	if out, _ := b.smbclient("far", "ls folder/*"); !strings.Contains(out, "NT_STATUS_IO") && !strings.Contains(out, "NT_STATUS_UNEXPECTED_IO_ERROR") {
		t.Errorf("smbclient is told %s", out)
	}

	proxy.Blackout(false)
	proxy.Reset()        // attempts that are under way
	b.ok("login", "far") // now, and not after the pause that has grown meanwhile
	b.eventually(90*time.Second, "the remote is back", func() error { return list(far, "folder")() })
	if err := <-reading; err != nil && !hasLinkStatus(err) {
		t.Errorf("a file that was open and read meanwhile: %v", err)
	}
	if _, err := os.Stat(filepath.Join(sshd.Home, "known")); errors.Is(err, syscall.ENOENT) {
		t.Error("what was refused happened all the same")
	}
}

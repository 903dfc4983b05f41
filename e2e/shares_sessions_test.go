package e2e

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/hirochachacha/go-smb2"

	"sshfs-bridge/e2e/testenv"
)

// TestClientsOfAShare: several clients at once, clients that die, and what they hold
// while the link to the server or the worker goes.
func TestClientsOfAShare(t *testing.T) {
	testenv.Require(t, "smbclient")
	t.Parallel()
	sshd := testenv.StartSSHD(t, testenv.SSHDOptions{})
	other := testenv.StartSSHD(t, testenv.SSHDOptions{})
	b := startBridge(t, bridgeOptions{SSHDir: sshd.SSHDir})
	b.ok("mount", sshd.Remote(sshd.HomeSeen), "files")
	b.ok("mount", "-p", fmt.Sprint(other.Port), "-i", other.IdentityFile, "-o", "StrictHostKeyChecking=accept-new", "root@127.0.0.1:"+other.HomeSeen, "others")
	t.Run("two at once", func(t *testing.T) { twoClients(t, b.in(t), sshd) })
	t.Run("one dies with a file open", func(t *testing.T) { dyingClient(t, b.in(t)) })
	t.Run("a file open over a lost link", func(t *testing.T) { openOverReconnect(t, b.in(t), sshd) })
	t.Run("a file open while the worker dies", func(t *testing.T) { openOverRestart(t, b.in(t), sshd) })
}

// twoClients write different files and different parts of one.
func twoClients(t *testing.T, b *bridge, sshd *testenv.SSHD) {
	ownedBy(t, filepath.Join(sshd.Home, "both"), sshd.User)
	const part, parts = 64 << 10, 16
	want := map[string]string{"shared": strings.Repeat("a", part*parts/2) + strings.Repeat("b", part*parts/2)}
	var shares []*smb2.Share
	for range 2 {
		shares = append(shares, b.share("files"))
	}
	if err := shares[0].WriteFile("both/shared", nil, 0o644); err != nil {
		t.Fatal(err)
	}
	var clients sync.WaitGroup
	errs := make([]error, 2)
	for i, who := range []string{"a", "b"} {
		for n := range 20 {
			want[fmt.Sprintf("%s%d", who, n)] = who
		}
		clients.Go(func() {
			f, err := shares[i].OpenFile("both/shared", os.O_RDWR, 0o644)
			if err != nil {
				errs[i] = err
				return
			}
			for n := range parts / 2 {
				off := int64(i*parts/2+n) * part
				if _, err := f.WriteAt([]byte(strings.Repeat(who, part)), off); err != nil {
					errs[i] = errors.Join(errs[i], err)
				}
			}
			errs[i] = errors.Join(errs[i], f.Close())
			for n := range 20 {
				errs[i] = errors.Join(errs[i], shares[i].WriteFile(fmt.Sprintf("both/%s%d", who, n), []byte(who), 0o644))
			}
		})
	}
	clients.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Error(err)
	}
	if got := tree(t, filepath.Join(sshd.Home, "both")); !maps.Equal(got, want) {
		t.Errorf("on the server are %d files, want %d, or one has other bytes", len(got), len(want))
	}
	// What one has written and closed, the other sees at once, and the other way.
	for n := range 10 {
		text := fmt.Sprintf("%d: %s", n, strings.Repeat("x", n))
		if err := shares[n%2].WriteFile("both/talk", []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if got, err := shares[1-n%2].ReadFile("both/talk"); err != nil || string(got) != text {
			t.Errorf("written %q, the other reads %q, %v", text, got, err)
		}
	}
}

// dyingClient holds a file open so that nobody may remove it, and is killed.
func dyingClient(t *testing.T, b *bridge) {
	share := b.share("files")
	if err := share.WriteFile("held", []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("smbclient", "-N", "-U", "guest%", "-p", fmt.Sprint(b.Port), "//127.0.0.1/files")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	var said testenv.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	killed := false
	defer func() {
		if !killed {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		}
	}()
	if _, err := io.WriteString(in, "open held\n"); err != nil {
		t.Fatal(err)
	}
	const sharingViolation = 0xC0000043
	var r *smb2.ResponseError
	b.eventually(20*time.Second, "the other client holds it", func() error {
		err := share.Remove("held")
		if err == nil { // too early: it is put back
			err = share.WriteFile("held", []byte("x"), 0o644)
			_, _ = io.WriteString(in, "open held\n")
			return errors.Join(errors.New("not held yet"), err)
		}
		if !errors.As(err, &r) || r.Code != sharingViolation {
			return err
		}
		return nil
	})
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	killed = true
	begin := time.Now()
	b.eventually(20*time.Second, "what the dead client held is free", func() error { return share.Remove("held") })
	t.Logf("free %v after the client was killed", time.Since(begin).Round(time.Millisecond))
}

// openOverReconnect writes one file and reads another while the server ends all
// sessions, twice.
func openOverReconnect(t *testing.T, b *bridge, sshd *testenv.SSHD) {
	const piece, pieces = 256 << 10, 48
	data := make([]byte, piece*pieces)
	_, _ = rand.NewChaCha8([32]byte{9}).Read(data)
	if err := os.WriteFile(filepath.Join(sshd.Home, "reads"), data, 0o644); err != nil {
		t.Fatal(err)
	}
	b.ok("refresh", "files")
	share := b.share("files")
	w, err := share.Create("writes")
	if err != nil {
		t.Fatal(err)
	}
	r, err := share.Open("reads")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	reconnects := func() uint64 {
		if tr := b.status("files").Traffic; tr != nil {
			return tr.Reconnects
		}
		return 0
	}
	before := reconnects()
	got := make([]byte, 0, len(data))
	for i := range pieces {
		if i == pieces/3 || i == 2*pieces/3 {
			sshd.KillSessions()
		}
		if _, err := w.Write(data[i*piece : (i+1)*piece]); err != nil {
			t.Fatalf("write %d: %v", i, err)
		}
		buf := make([]byte, piece)
		if _, err := io.ReadFull(r, buf); err != nil {
			t.Fatalf("read %d: %v", i, err)
		}
		got = append(got, buf...)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, data) {
		t.Error("what was read has other bytes")
	}
	written, err := os.ReadFile(filepath.Join(sshd.Home, "writes"))
	if err != nil || sha256.Sum256(written) != sha256.Sum256(data) {
		t.Errorf("what was written has other bytes: %d of %d, %v", len(written), len(data), err)
	}
	if n := reconnects() - before; n < 2 {
		t.Errorf("%d reconnects: the link was not lost while the files were open", n)
	}
}

// TestUmountBesideAnotherShare: a Mac has all its shares in one session. One of them
// goes, and what it has open on another goes on.
func TestUmountBesideAnotherShare(t *testing.T) {
	testenv.Require(t, "smbclient")
	t.Parallel()
	sshd := testenv.StartSSHD(t, testenv.SSHDOptions{})
	b := startBridge(t, bridgeOptions{SSHDir: sshd.SSHDir})
	b.ok("mount", sshd.Remote(sshd.HomeSeen), "stays")
	b.ok("mount", sshd.Remote(sshd.HomeSeen), "goes")
	shares, err := b.dialShares(&smb2.NTLMInitiator{User: "guest"}, "stays", "goes")
	if err != nil {
		t.Fatal(err)
	}
	f, err := shares[0].Create("copy")
	if err != nil {
		t.Fatal(err)
	}
	lost, err := shares[1].Create("lost")
	if err != nil {
		t.Fatal(err)
	}
	want := ""
	write := func(when string) {
		t.Helper()
		if _, err := f.Write([]byte(when)); err != nil {
			t.Fatalf("%s: an open file of the other share: %v", when, err)
		}
		want += when
	}
	write("before")
	b.ok("umount", "goes")
	write("after")
	if _, err := lost.Write([]byte("x")); err == nil {
		t.Error("a file of the share that went is still open")
	}
	if strings.Contains(b.log.String(), "detached lazily") {
		t.Error("smbd still held the mount")
	}
	// It comes back to the same session.
	b.ok("mount", sshd.Remote(sshd.HomeSeen), "goes")
	write("and again")
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	if data, err := os.ReadFile(filepath.Join(sshd.Home, "copy")); err != nil || string(data) != want {
		t.Errorf("on the server: %q, %v", data, err)
	}
}

// openOverRestart has a file open when the worker dies: the file fails, nothing
// hangs, the client connects again by itself, and clients of other shares notice
// nothing.
func openOverRestart(t *testing.T, b *bridge, sshd *testenv.SSHD) {
	f, err := b.share("files").Create("open when it died")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write([]byte("landed")); err != nil {
		t.Fatal(err)
	}
	if err := f.Sync(); err != nil {
		t.Fatal(err)
	}
	g, err := b.share("others").Create("goes on")
	if err != nil {
		t.Fatal(err)
	}
	stop, bystander := make(chan struct{}), make(chan error, 1)
	go func() {
		for {
			select {
			case <-stop:
				bystander <- g.Close()
				return
			default:
				if _, err := g.Write([]byte("x")); err != nil {
					bystander <- err
					return
				}
			}
		}
	}()
	pid := b.status("files").WorkerPID
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() {
		for {
			if _, err := f.Write([]byte("lost")); err != nil {
				ended <- err
				return
			}
		}
	}()
	select {
	case err := <-ended:
		t.Logf("the open file: %v", err)
	case <-time.After(20 * time.Second):
		t.Fatal("the client hangs with its open file")
	}
	begin := time.Now()
	b.eventually(10*time.Second, "a client that connects again reads what had landed", func() error {
		s, err := b.dialShare("files")
		if err != nil {
			return err
		}
		data, err := s.ReadFile("open when it died")
		if err == nil && !strings.HasPrefix(string(data), "landed") {
			err = fmt.Errorf("read %q", data)
		}
		return err
	})
	t.Logf("connected again after %v", time.Since(begin).Round(time.Millisecond))
	close(stop)
	select {
	case err := <-bystander:
		if err != nil {
			t.Errorf("a client of another share: %v", err)
		}
	case <-time.After(20 * time.Second):
		t.Error("a client of another share hangs")
	}
	if data, err := os.ReadFile(filepath.Join(sshd.Home, "open when it died")); err != nil || !strings.HasPrefix(string(data), "landed") {
		t.Errorf("on the server: %q, %v", data, err)
	}
	if st := b.status("files"); st.WorkerPID == pid || st.Restarts != 1 {
		t.Errorf("after the restart: %+v", st)
	}
}

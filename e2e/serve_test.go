package e2e

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"sshfs-bridge/bridge/api"
	"sshfs-bridge/e2e/testenv"
)

// servers are the two that everything must work with: a plain sshd, and that
// of a careful administrator.
var servers = map[string]testenv.SSHDOptions{
	"plain sshd":    {},
	"hardened sshd": {Hardened: true, Chroot: true, User: testenv.SSHDAccount},
}

func TestCopyThroughTheShare(t *testing.T) {
	testenv.Require(t, "smbclient")
	const size = 128 << 20
	for name, o := range servers {
		t.Run(name, func(t *testing.T) {
			sshd := testenv.StartSSHD(t, o)
			b := startBridge(t, bridgeOptions{SSHDir: sshd.SSHDir})
			// Below the root of a chroot, which is never the user's to write.
			dir := filepath.Join(sshd.Home, "data")
			ownedBy(t, dir, sshd.User)
			out := b.ok("mount", sshd.Remote(filepath.Join(sshd.HomeSeen, "data")), "files")
			if url := fmt.Sprintf("smb://guest:@127.0.0.1:%d/files", b.Port); !strings.Contains(out, url) {
				t.Errorf("mount does not print the URL %s:\n%s", url, out)
			}

			local := filepath.Join(t.TempDir(), "big")
			want := randomFile(t, local, size)
			start := time.Now()
			if out, code := b.smbclient("files", fmt.Sprintf("put %s by-smbclient", local)); code != 0 {
				t.Fatalf("put: %s", out)
			}
			put := time.Since(start)
			if got := hashFile(t, filepath.Join(dir, "by-smbclient")); got != want {
				t.Error("what smbclient put has another hash on the server")
			}
			start = time.Now()
			if out, code := b.smbclient("files", fmt.Sprintf("get by-smbclient %s.back", local)); code != 0 {
				t.Fatalf("get: %s", out)
			}
			t.Logf("128 MB: put %v, get %v", put, time.Since(start))
			if hashFile(t, local+".back") != want {
				t.Error("what smbclient got back has another hash")
			}

			share := b.share("files")
			f, err := share.Create("by go-smb2")
			if err != nil {
				t.Fatal(err)
			}
			h := sha256.New()
			if _, err := io.Copy(io.MultiWriter(f, h), io.LimitReader(rand.NewChaCha8([32]byte{7}), 8<<20)); err != nil {
				t.Fatal(err)
			}
			if err := f.Close(); err != nil {
				t.Fatal(err)
			}
			if got := hashFile(t, filepath.Join(dir, "by go-smb2")); got != string(h.Sum(nil)) {
				t.Error("what go-smb2 wrote has another hash on the server")
			}
			// The hub shows the mount as a folder.
			if out, code := b.smbclient("SSHFS Share", "ls files/*"); code != 0 || !strings.Contains(out, "by-smbclient") {
				t.Errorf("the hub does not show the mount: %s", out)
			}
			if log := b.log.String(); !strings.Contains(log, "client=127.0.0.1 share=files") {
				t.Error("the log does not say who connected to the share")
			}
		})
	}
}

func TestOldProtocolIsRefused(t *testing.T) {
	testenv.Require(t, "smbclient")
	b := startBridge(t, bridgeOptions{})
	out, stderr, code := testenv.Run(t, nil, "smbclient", "-N", "-U", "guest%", "-p", fmt.Sprint(b.Port),
		"--option=client min protocol=CORE", "-m", "NT1", "//127.0.0.1/SSHFS Share", "-c", "ls")
	if code == 0 {
		t.Fatalf("an SMB1 client was let in:\n%s%s", out, stderr)
	}
	if !strings.Contains(out+stderr, "negotiation") && !strings.Contains(out+stderr, "NT_STATUS_CONNECTION") && !strings.Contains(out+stderr, "NT_STATUS_INVALID_NETWORK_RESPONSE") {
		t.Errorf("refused for another reason: %s%s", out, stderr)
	}
}

// Where nothing is mounted, nobody can write: it would vanish with the container.
func TestNothingIsWrittenWhereNothingIsMounted(t *testing.T) {
	testenv.Require(t, "smbclient")
	b := startBridge(t, bridgeOptions{})
	file := filepath.Join(t.TempDir(), "f")
	writeFile(t, file, "lost")
	if out, code := b.smbclient("SSHFS Share", "put "+file+" f"); code == 0 {
		t.Errorf("a guest could write into the bare hub: %s", out)
	}
	if err := os.WriteFile(filepath.Join(b.Hub, "f"), nil, 0o644); err == nil {
		t.Error("root could write into the bare hub")
	}
}

func TestKilledWorkerComesBack(t *testing.T) {
	sshd := testenv.StartSSHD(t, testenv.SSHDOptions{})
	writeFile(t, filepath.Join(sshd.Home, "hello"), "there")
	other := testenv.StartSSHD(t, testenv.SSHDOptions{})
	writeFile(t, filepath.Join(other.Home, "other"), "remote")
	b := startBridge(t, bridgeOptions{SSHDir: sshd.SSHDir})
	b.ok("mount", sshd.Remote(sshd.HomeSeen), "files")
	b.ok("mount", "-p", fmt.Sprint(other.Port), "-i", other.IdentityFile, "root@127.0.0.1:"+other.HomeSeen, "others")

	held := b.share("files") // a client with the share open through it all
	bystander := b.share("others")
	if _, err := held.ReadFile("hello"); err != nil {
		t.Fatal(err)
	}
	before := b.status("files")
	syscall.Kill(before.WorkerPID, syscall.SIGKILL)
	killed := time.Now()
	b.eventually(3*time.Second, "a client that reconnects finds its file", func() error {
		if st := b.status("files"); st.WorkerPID == before.WorkerPID {
			return fmt.Errorf("still worker %d", st.WorkerPID)
		}
		share, err := b.dialShare("files")
		if err != nil {
			return err
		}
		_, err = share.ReadFile("hello")
		return err
	})
	t.Logf("back %v after kill -9 of the worker", time.Since(killed))
	if data, err := bystander.ReadFile("other"); err != nil || string(data) != "remote" {
		t.Errorf("the other mount's client was disturbed: %q, %v", data, err)
	}
	if st := b.status("files"); st.State != api.StateUp || st.Restarts != 1 {
		t.Errorf("status after the restart: %+v", st)
	}
	// No smbd may be left that holds the dead mount: it would hang for ever.
	if _, err := held.ReadFile("hello"); err == nil {
		t.Log("the held connection still works")
	}
}

func TestKilledSmbdComesBack(t *testing.T) {
	sshd := testenv.StartSSHD(t, testenv.SSHDOptions{})
	writeFile(t, filepath.Join(sshd.Home, "hello"), "there")
	b := startBridge(t, bridgeOptions{SSHDir: sshd.SSHDir})
	b.ok("mount", sshd.Remote(sshd.HomeSeen), "files")
	pid := b.smbdPID()
	syscall.Kill(pid, syscall.SIGKILL)
	killed := time.Now()
	b.eventually(3*time.Second, "smbd is back", func() error {
		if b.smbdPID() == pid {
			return fmt.Errorf("still smbd %d", pid)
		}
		share, err := b.dialShare("files")
		if err != nil {
			return err
		}
		_, err = share.ReadFile("hello")
		return err
	})
	t.Logf("back %v after kill -9 of smbd", time.Since(killed))
}

// What was mounted by command is mounted again after a stop, and after a kill
// that left its mounts behind.
func TestSupervisorStopsAndStartsAgain(t *testing.T) {
	sshd := testenv.StartSSHD(t, testenv.SSHDOptions{})
	writeFile(t, filepath.Join(sshd.Home, "hello"), "there")
	b := startBridge(t, bridgeOptions{SSHDir: sshd.SSHDir})
	b.ok("mount", sshd.Remote(sshd.HomeSeen), "files")
	read := func() error {
		share, err := b.dialShare("files")
		if err != nil {
			return err
		}
		_, err = share.ReadFile("hello")
		return err
	}

	took := b.stop(syscall.SIGTERM, 10*time.Second)
	t.Logf("SIGTERM: ended after %v", took)
	if code := b.cmd.ProcessState.ExitCode(); code != 0 {
		t.Errorf("SIGTERM: exit %d", code)
	}
	if left := testenv.MountsBelow(b.Dir); len(left) > 0 {
		t.Errorf("mounts left after SIGTERM: %q", left)
	}
	b.start()
	b.eventually(10*time.Second, "the mount is back after a restart", read)

	b.stop(syscall.SIGKILL, 5*time.Second)
	b.start()
	b.eventually(10*time.Second, "the mount is back after kill -9", read)
	seen := map[string]int{}
	for _, m := range testenv.MountsBelow(b.Dir) {
		if seen[m]++; seen[m] > 1 && strings.HasSuffix(m, "/files") {
			t.Errorf("%s is mounted twice", m)
		}
	}
	b.ok("umount", "files")
	if out := b.ok("list"); strings.Contains(out, "files") {
		t.Errorf("still listed after umount:\n%s", out)
	}
}

// ownedBy makes a directory that the server's user may write to.
func ownedBy(t testing.TB, dir, user string) {
	t.Helper()
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if user != "root" {
		if err := os.Chown(dir, testenv.SSHDUID, testenv.SSHDUID); err != nil {
			t.Fatal(err)
		}
	}
}

// observed is what status --json says, degraded (exit 5) or not.
func (b *bridge) observed() api.Status {
	b.t.Helper()
	stdout, stderr, code := b.run("status", "--json")
	if code != 0 && code != 5 {
		b.t.Fatalf("status: exit %d\n%s", code, stderr)
	}
	var all api.Status
	if err := json.Unmarshal([]byte(stdout), &all); err != nil {
		b.t.Fatalf("status: %v\n%s", err, stdout)
	}
	return all
}

func (b *bridge) status(name string) api.MountStatus {
	b.t.Helper()
	all := b.observed()
	for _, m := range all.Mounts {
		if m.Name == name {
			return m
		}
	}
	b.t.Fatalf("no mount %s in %+v", name, all)
	return api.MountStatus{}
}

func (b *bridge) smbdPID() int { return b.observed().SMB.PID }

func randomFile(t testing.TB, path string, size int64) (hash string) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(io.MultiWriter(f, h), io.LimitReader(rand.NewChaCha8([32]byte{1}), size)); err != nil {
		t.Fatal(err)
	}
	return string(h.Sum(nil))
}

func hashFile(t testing.TB, path string) string {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		t.Fatal(err)
	}
	return string(h.Sum(nil))
}

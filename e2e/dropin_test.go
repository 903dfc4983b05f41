package e2e

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sshfs-bridge/e2e/testenv"
)

// links makes the names by which the binary is the drop-in.
func links(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"sshfs", "fusermount", "umount"} {
		if err := os.Symlink(binary, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// alone is an environment in which no supervisor can be reached.
func alone(t *testing.T) []string {
	return append(os.Environ(), "SSHFS_BRIDGE_SOCKET="+filepath.Join(t.TempDir(), "none"))
}

func sshfsArgs(sshd *testenv.SSHD, mountpoint string, more ...string) []string {
	args := []string{"-p", fmt.Sprint(sshd.Port), "-o", "allow_other,uid=1000,gid=1000,IdentityFile=" + sshd.IdentityFile + ",UserKnownHostsFile=" + sshd.KnownHosts,
		"root@127.0.0.1:" + sshd.HomeSeen, mountpoint}
	return append(args, more...)
}

func TestSshfsInTheBackground(t *testing.T) {
	testenv.Require(t, "root", "fuse")
	sshd := testenv.StartSSHD(t, testenv.SSHDOptions{})
	writeFile(t, filepath.Join(sshd.Home, "hello"), "there")
	bin := links(t)
	for _, unmount := range [][]string{{"fusermount", "-u"}, {"umount"}} {
		dir := t.TempDir()
		t.Cleanup(func() { syscall.Unmount(dir, syscall.MNT_DETACH) })
		if _, stderr, code := testenv.Run(t, alone(t), append([]string{filepath.Join(bin, "sshfs")}, sshfsArgs(sshd, dir)...)...); code != 0 {
			t.Fatalf("sshfs: exit %d\n%s", code, stderr)
		}
		if data, err := os.ReadFile(filepath.Join(dir, "hello")); err != nil || string(data) != "there" {
			t.Errorf("read: %q, %v", data, err)
		}
		fi, err := os.Stat(filepath.Join(dir, "hello"))
		if err != nil || fi.Sys().(*syscall.Stat_t).Uid != 1000 || fi.Sys().(*syscall.Stat_t).Gid != 1000 {
			t.Errorf("owner: %+v, %v", fi, err)
		}
		if got := kernelReadAhead(t, fi); got != "512" {
			t.Errorf("the kernel reads a large file in requests of %s KiB, want 512", got)
		}
		writeFile(t, filepath.Join(dir, "new"), "written")
		argv := append([]string{filepath.Join(bin, unmount[0])}, append(unmount[1:], dir)...)
		if _, stderr, code := testenv.Run(t, alone(t), argv...); code != 0 {
			t.Fatalf("%q: exit %d\n%s", argv, code, stderr)
		}
		if len(testenv.MountsBelow(dir)) > 0 {
			t.Errorf("still mounted after %q", unmount)
		}
		if data, err := os.ReadFile(filepath.Join(sshd.Home, "new")); err != nil || string(data) != "written" {
			t.Errorf("on the server: %q, %v", data, err)
		}
	}
}

// kernelReadAhead gives how much the kernel reads at once on the mount of a file, in KiB.
func kernelReadAhead(t *testing.T, on os.FileInfo) string {
	t.Helper()
	dev := on.Sys().(*syscall.Stat_t).Dev
	b, err := os.ReadFile(fmt.Sprintf("/sys/class/bdi/%d:%d/read_ahead_kb", unix.Major(dev), unix.Minor(dev)))
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(b))
}

func TestSshfsInTheForeground(t *testing.T) {
	testenv.Require(t, "root", "fuse")
	sshd := testenv.StartSSHD(t, testenv.SSHDOptions{})
	dir := t.TempDir()
	t.Cleanup(func() { syscall.Unmount(dir, syscall.MNT_DETACH) })
	cmd := exec.Command(binary, append([]string{"sshfs", "-f"}, sshfsArgs(sshd, dir)...)...)
	cmd.Env = alone(t)
	out := &testenv.Buffer{}
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	testenv.Eventually(t, 10*time.Second, "it is mounted", func() bool { return len(testenv.MountsBelow(dir)) > 0 })
	writeFile(t, filepath.Join(dir, "new"), "written")
	cmd.Process.Signal(syscall.SIGINT)
	select {
	case err := <-ended:
		if err != nil {
			t.Errorf("SIGINT: %v\n%s", err, out)
		}
	case <-time.After(10 * time.Second):
		cmd.Process.Kill()
		t.Fatalf("still there 10 s after SIGINT\n%s", out)
	}
	if len(testenv.MountsBelow(dir)) > 0 {
		t.Error("still mounted after SIGINT")
	}
	if data, err := os.ReadFile(filepath.Join(sshd.Home, "new")); err != nil || string(data) != "written" {
		t.Errorf("on the server: %q, %v", data, err)
	}
}

// With a supervisor, sshfs asks it, so that list shows the mount, and one over
// the hub takes its place until it is unmounted.
func TestSshfsOverTheHub(t *testing.T) {
	testenv.Require(t, "smbclient")
	sshd := testenv.StartSSHD(t, testenv.SSHDOptions{})
	writeFile(t, filepath.Join(sshd.Home, "hello"), "there")
	b := startBridge(t, bridgeOptions{SSHDir: sshd.SSHDir})
	deleteTheFolder := func(options string, env []string) {
		precious := linkTree(t, sshd.Home)
		if _, stderr, code := testenv.Run(t, env, append([]string{binary, "sshfs", "-o", options}, sshfsArgs(sshd, b.Hub)...)...); code != 0 {
			t.Fatalf("sshfs -o %s: exit %d\n%s", options, code, stderr)
		}
		for _, doomed := range []string{"doomed", "shortcut"} {
			b.smbclient("SSHFS Share", "deltree "+doomed)
		}
		if got := tree(t, filepath.Join(sshd.Home, "precious")); !maps.Equal(got, precious) {
			t.Errorf("-o %s: deleting a folder on the share leaves, of what links lead to, %q", options, got)
		}
		// smbclient gives up at what is refused below a link that is shown as a folder.
		if _, err := os.Stat(filepath.Join(sshd.Home, "doomed", "own")); err == nil && options != "follow_symlinks" {
			t.Errorf("-o %s: the folder's own file is still there", options)
		}
		if _, stderr, code := testenv.Run(t, env, binary, "fusermount", "-u", b.Hub); code != 0 {
			t.Fatalf("fusermount: exit %d\n%s", code, stderr)
		}
		for _, dir := range []string{"doomed", "precious", "shortcut"} {
			if err := os.RemoveAll(filepath.Join(sshd.Home, dir)); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, options := range []string{"contain_symlinks", "no_contain_symlinks", "follow_symlinks"} {
		deleteTheFolder(options, b.env)
	}
	deleteTheFolder("no_contain_symlinks", alone(t))
	b.ok(append([]string{"sshfs"}, sshfsArgs(sshd, b.Hub)...)...)
	if out := b.ok("list"); !strings.Contains(out, b.Hub) {
		t.Errorf("list does not show it:\n%s", out)
	}
	if out, code := b.smbclient("SSHFS Share", "ls"); code != 0 || !strings.Contains(out, "hello") {
		t.Errorf("the share does not show it: %s", out)
	}
	file := filepath.Join(t.TempDir(), "f")
	want := randomFile(t, file, 1<<20)
	if out, code := b.smbclient("SSHFS Share", "put "+file+" f"); code != 0 {
		t.Errorf("put: %s", out)
	}
	if hashFile(t, filepath.Join(sshd.Home, "f")) != want {
		t.Error("another hash on the server")
	}
	if _, stderr, code := testenv.Run(t, b.env, binary, "fusermount", "-u", b.Hub); code != 0 {
		t.Fatalf("fusermount: exit %d\n%s", code, stderr)
	}
	b.eventually(3*time.Second, "the hub is empty again", func() error {
		out, code := b.smbclient("SSHFS Share", "ls")
		if code != 0 || strings.Contains(out, "hello") {
			return fmt.Errorf("exit %d\n%s", code, out)
		}
		return nil
	})
}

func TestSshfsSaysWhatIsWrong(t *testing.T) {
	testenv.Require(t, "root", "fuse")
	sshd := testenv.StartSSHD(t, testenv.SSHDOptions{})
	dir := t.TempDir()
	for _, c := range []struct {
		name string
		args []string
		says string
	}{
		{"unknown option", append(sshfsArgs(sshd, dir), "-o", "no_such_option"), "no_such_option"},
		{"no mount point", sshfsArgs(sshd, filepath.Join(dir, "none")), "none"},
		{"mount point that is a file", sshfsArgs(sshd, sshd.KnownHosts), "directory"},
		{"nobody listens", []string{"-p", fmt.Sprint(testenv.FreePort(t)), "root@127.0.0.1:/", dir}, "refused"},
		{"missing path", []string{"-p", fmt.Sprint(sshd.Port), "-o", "IdentityFile=" + sshd.IdentityFile + ",UserKnownHostsFile=" + sshd.KnownHosts, "root@127.0.0.1:/no/such", dir}, "/no/such"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, stderr, code := testenv.Run(t, alone(t), append([]string{binary, "sshfs"}, c.args...)...)
			if code != 1 || !strings.Contains(stderr, c.says) {
				t.Errorf("exit %d, want 1 and %q:\n%s", code, c.says, stderr)
			}
			if len(testenv.MountsBelow(dir)) > 0 {
				t.Error("half mounted")
				syscall.Unmount(dir, syscall.MNT_DETACH)
			}
		})
	}
}

package dropin

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"sshfs-bridge/e2e/testenv"
)

// The same command line shows the same tree as sshfs itself.
func TestMount_sameTreeAsSSHFS(t *testing.T) {
	testenv.Require(t, "sshfs")
	m := newMachine(t, testenv.SSHDOptions{})
	writeTree(t, m.sshd.Home)
	for _, options := range []string{"reconnect,ServerAliveInterval=15", "uid=1000,gid=1001,ro,allow_other,dir_cache=no"} {
		t.Run(options, func(t *testing.T) {
			ours, theirs := m.mountpoint(), m.mountpoint()
			args := []string{
				"-o", options, "-o", "IdentityFile=" + m.sshd.IdentityFile, "-o", "UserKnownHostsFile=" + m.sshd.KnownHosts,
				"-p", strconv.Itoa(m.sshd.Port), "-o", "no_contain_symlinks", m.sshd.User + "@" + m.sshd.Host + ":" + m.sshd.HomeSeen + "/tree",
			}
			if code, out := m.run("sshfs", append(args, ours)...); code != 0 {
				t.Fatalf("%d, %s", code, out)
			}
			real := exec.Command("/usr/bin/sshfs", append(args, theirs)...)
			if out, err := real.CombinedOutput(); err != nil {
				t.Fatalf("sshfs: %v, %s", err, out)
			}
			a, b := treeOf(t, ours), treeOf(t, theirs)
			m.must("fusermount", "-u", ours)
			if err := unix.Unmount(theirs, 0); err != nil {
				t.Error(err)
			}
			for path, want := range b {
				if a[path] != want {
					t.Errorf("%s: %s, with sshfs %s", path, a[path], want)
				}
			}
			if len(a) != len(b) {
				t.Errorf("%d entries, with sshfs %d", len(a), len(b))
			}
		})
	}
}

// Links that lead out of the mount are followed only where the command line says
// so; sshfs 3.7.6 and later do the same.
func TestMount_containsLinks(t *testing.T) {
	m := newMachine(t, testenv.SSHDOptions{})
	writeTree(t, m.sshd.Home)
	for options, want := range map[string]error{"reconnect": unix.EPERM, "follow_symlinks": nil, "no_contain_symlinks": nil} {
		t.Run(options, func(t *testing.T) {
			mnt := m.mountpoint()
			if code, out := m.run("sshfs", "-o", options, "-o", "IdentityFile="+m.sshd.IdentityFile, "-o", "UserKnownHostsFile="+m.sshd.KnownHosts,
				"-p", strconv.Itoa(m.sshd.Port), m.sshd.User+"@"+m.sshd.Host+":"+m.sshd.HomeSeen+"/tree", mnt); code != 0 {
				t.Fatalf("%d, %s", code, out)
			}
			defer m.must("fusermount", "-u", mnt)
			if text, err := os.ReadFile(mnt + "/link"); string(text) != "text" {
				t.Errorf("a link inside: %q, %v", text, err)
			}
			if _, err := os.ReadFile(mnt + "/abs"); !errors.Is(err, want) {
				t.Errorf("a link out of the mount: %v, want %v", err, want)
			}
		})
	}
}

func writeTree(t *testing.T, home string) {
	t.Helper()
	dir := filepath.Join(home, "tree")
	for _, d := range []string{"a/b/c", "empty", "caf\u00e9", "u\u0308ber"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for name, content := range map[string]string{"a/file": "text", "a/b/12:30 \"x\".": "odd", "caf\u00e9/1": "", "u\u0308ber/2": "two", "back\\slash": "b", "\xff\xfe raw": "bytes", "._x": "dot", ".DS_Store": "ds"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o640); err != nil {
			t.Fatal(err)
		}
	}
	for name, target := range map[string]string{"link": "a/file", "dangling": "nowhere", "up": "../../x", "abs": "/etc/hostname", "a/dir": "b"} {
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(filepath.Join(dir, "a/file"), 0o4751); err != nil {
		t.Fatal(err)
	}
}

// treeOf is every entry with what stat and its content say.
func treeOf(t *testing.T, dir string) map[string]string {
	t.Helper()
	tree := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		var st unix.Stat_t
		if err := unix.Lstat(path, &st); err != nil {
			return err
		}
		what := strconv.FormatUint(uint64(st.Mode), 8) + " " + strconv.Itoa(int(st.Uid)) + ":" + strconv.Itoa(int(st.Gid)) + " " + strconv.FormatInt(st.Mtim.Sec, 10)
		switch {
		case d.Type().IsRegular():
			data, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			what += " " + strconv.FormatInt(st.Size, 10) + " " + string(data)
		case d.Type()&fs.ModeSymlink != 0:
			target, err := os.Readlink(path)
			if err != nil {
				return err
			}
			what += " -> " + target
		}
		tree[strings.TrimPrefix(path, dir)] = what
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

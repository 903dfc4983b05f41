package e2e

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sshfs-bridge/e2e/testenv"
)

// Each kind of bad input gets one clear line, the right exit code, and leaves
// nothing half mounted; what else runs is untouched.
func TestBadMounts(t *testing.T) {
	sshd := testenv.StartSSHD(t, testenv.SSHDOptions{})
	writeFile(t, filepath.Join(sshd.Home, "a file"), "x")
	writeFile(t, filepath.Join(sshd.Home, "hello"), "there")
	b := startBridge(t, bridgeOptions{SSHDir: sshd.SSHDir})
	b.ok("mount", sshd.Remote(sshd.HomeSeen), "good")
	bystander := b.share("good")

	silent, err := net.Listen("tcp", "127.0.0.1:0") // accepts, and says nothing
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	wrongKey := filepath.Join(t.TempDir(), "id")
	if _, stderr, code := testenv.Run(t, nil, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", wrongKey); code != 0 {
		t.Fatal(stderr)
	}

	for _, c := range []struct {
		name string
		args []string
		code int
		says []string
	}{
		{"unknown option", []string{"mount", "--no-such-thing", "h:/p"}, 2, []string{"no-such-thing"}},
		{"no remote", []string{"mount"}, 2, []string{"HOST"}},
		{"malformed remote", []string{"mount", "user@:/p"}, 2, []string{"user@:/p"}},
		{"remote that looks like an option", []string{"mount", "--", "-oProxyCommand=x:/p"}, 2, []string{"-oProxyCommand"}},
		{"name with a slash", []string{"mount", sshd.Remote("/"), "a/b"}, 2, []string{"a/b"}},
		{"nobody listens", []string{"mount", "-p", fmt.Sprint(testenv.FreePort(t)), "root@127.0.0.1:/", "bad"}, 5, []string{"127.0.0.1", "refused"}},
		{"unknown host", []string{"mount", "root@host.invalid:/", "bad"}, 5, []string{"host.invalid"}},
		{"server that says nothing", []string{"mount", "-o", "ConnectTimeout=2", "-p", fmt.Sprint(silent.Addr().(*net.TCPAddr).Port), "root@127.0.0.1:/", "bad"}, 5, []string{"127.0.0.1"}},
		{"wrong key", []string{"mount", "-o", "IdentitiesOnly=yes", "-o", "IdentityFile=" + wrongKey, "-o", "StrictHostKeyChecking=accept-new", "-p", fmt.Sprint(sshd.Port), "root@127.0.0.1:/", "bad"}, 5, []string{"root", "127.0.0.1"}},
		{"missing path", []string{"mount", sshd.Remote(sshd.HomeSeen + "/no/such"), "bad"}, 5, []string{"no/such"}},
		{"path that is a file", []string{"mount", sshd.Remote(sshd.HomeSeen + "/a file"), "bad"}, 5, []string{"a file", "directory"}},
		{"name that is taken", []string{"mount", sshd.Remote("/tmp"), "good"}, 1, []string{"good"}},
		{"umount of nothing", []string{"umount", "nothing"}, 1, []string{"nothing"}},
		{"url of nothing", []string{"url", "nothing"}, 1, []string{"nothing"}},
		{"unknown command", []string{"mont"}, 2, []string{"mont", "mount"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			begin := time.Now()
			stdout, stderr, code := b.run(c.args...)
			if code != c.code {
				t.Errorf("exit %d, want %d\n%s%s", code, c.code, stdout, stderr)
			}
			for _, s := range c.says {
				if !strings.Contains(stderr, s) {
					t.Errorf("the error does not say %q:\n%s", s, stderr)
				}
			}
			if took := time.Since(begin); took > 20*time.Second {
				t.Errorf("took %v", took)
			}
			if out := b.ok("list"); strings.Contains(out, "bad") {
				t.Errorf("half mounted:\n%s", out)
			}
			for _, m := range testenv.MountsBelow(b.Dir) {
				if strings.HasSuffix(m, "/bad") {
					t.Errorf("still mounted: %s", m)
				}
			}
		})
	}

	t.Run("changed host key", func(t *testing.T) {
		b.ok("umount", "good")
		sshd.Stop()
		sshd.NewHostKeys()
		sshd.Start()
		_, stderr, code := b.run("mount", sshd.Remote(sshd.HomeSeen), "good")
		if code != 5 {
			t.Errorf("exit %d, want 5", code)
		}
		for _, s := range []string{"host key", "SHA256:", "known_hosts"} {
			if !strings.Contains(stderr, s) {
				t.Errorf("the error does not say %q:\n%s", s, stderr)
			}
		}
		sshd.TrustHostKeys()
	})
	b.ok("mount", sshd.Remote(sshd.HomeSeen), "good")
	_ = bystander
	if data, err := b.share("good").ReadFile("hello"); err != nil || string(data) != "there" {
		t.Errorf("after all that: %q, %v", data, err)
	}
}

func TestBadConfigNamesEveryProblem(t *testing.T) {
	file := filepath.Join(t.TempDir(), "config.yaml")
	writeFile(t, file, "colour: red\nuid: many\nmounts:\n  media:\n    remote: 'alice@:/x'\n    reed_only: true\nsmb:\n  ports: [70000]\n")
	for _, args := range [][]string{{"config", "check", file}, {"serve", "--config", file}} {
		_, stderr, code := testenv.Run(t, nil, append([]string{binary}, args...)...)
		if code != 3 {
			t.Errorf("%q: exit %d, want 3\n%s", args, code, stderr)
		}
		for _, s := range []string{":1:", "colour", ":2:", "uid", ":5:", "remote", ":6:", "reed_only", ":8:", "ports"} {
			if !strings.Contains(stderr, s) {
				t.Errorf("%q does not say %q:\n%s", args, s, stderr)
			}
		}
	}
}

func TestServeOnABadMachine(t *testing.T) {
	testenv.Require(t, "root", "fuse", "smbd")
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	busyPort := busy.Addr().(*net.TCPAddr).Port

	serve := func(t *testing.T, config string, wrap ...string) (string, int) {
		t.Helper()
		dir := testenv.PublicDir(t, "")
		file := filepath.Join(dir, "config.yaml")
		writeFile(t, file, fmt.Sprintf("run_dir: %s/run\nstate_dir: %s/state\nhub: %s/hub\n%s", dir, dir, dir, config))
		stdout, stderr, code := testenv.Run(t, os.Environ(), append(wrap, binary, "serve", "--config", file)...)
		return stdout + stderr, code
	}
	t.Run("no privilege", func(t *testing.T) {
		testenv.Require(t, "root")
		out, code := serve(t, fmt.Sprintf("smb: {ports: [%d]}\n", testenv.FreePort(t)), "setpriv", "--bounding-set=-all", "--inh-caps=-all", "--reuid=65534", "--regid=65534", "--clear-groups")
		if code == 0 || !strings.Contains(out, "root") && !strings.Contains(out, "privilege") && !strings.Contains(out, "CAP_SYS_ADMIN") {
			t.Errorf("exit %d\n%s", code, out)
		}
	})
	// What is missing for smbd must not stop the mounts, so the supervisor goes
	// on and says it in status: see TestMissingSmbdLeavesMounts.
	t.Run("busy port", func(t *testing.T) {
		b := startBridgeUnready(t, bridgeOptions{}, busyPort)
		b.eventually(10*time.Second, "status names the busy port", func() error {
			out, _, _ := b.run("status")
			if !strings.Contains(out, fmt.Sprint(busyPort)) || !strings.Contains(out, "use") {
				return fmt.Errorf("status says:\n%s", out)
			}
			return nil
		})
	})
}

func TestMissingSmbdLeavesMounts(t *testing.T) {
	sshd := testenv.StartSSHD(t, testenv.SSHDOptions{})
	writeFile(t, filepath.Join(sshd.Home, "hello"), "there")
	b := startBridgeUnready(t, bridgeOptions{SSHDir: sshd.SSHDir, Config: "  program: /nonexistent/smbd\n"}, testenv.FreePort(t))
	b.eventually(10*time.Second, "status says what to install", func() error {
		out, _, _ := b.run("status")
		if !strings.Contains(out, "apt-get install samba") {
			return fmt.Errorf("status says:\n%s", out)
		}
		return nil
	})
	b.ok("mount", sshd.Remote(sshd.HomeSeen), "files")
	if data, err := os.ReadFile(filepath.Join(b.Hub, "files", "hello")); err != nil || string(data) != "there" {
		t.Errorf("the mount itself: %q, %v", data, err)
	}
}

func TestNoSupervisor(t *testing.T) {
	env := append(os.Environ(), "SSHFS_BRIDGE_SOCKET="+filepath.Join(t.TempDir(), "none"))
	for _, args := range [][]string{{"status"}, {"list"}, {"mount", "h:/p"}, {"umount", "x"}} {
		_, stderr, code := testenv.Run(t, env, append([]string{binary}, args...)...)
		if code != 4 || !strings.Contains(stderr, "serve") {
			t.Errorf("%q: exit %d\n%s", args, code, stderr)
		}
	}
}

package dropin

import (
	"bytes"
	"crypto/rand"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sshfs-bridge/e2e/testenv"
	"sshfs-bridge/fusefs"
)

func TestMount_backgroundAndUnmount(t *testing.T) {
	m := newMachine(t, testenv.SSHDOptions{})
	data := make([]byte, 3<<20)
	_, _ = rand.Read(data)
	for _, unmount := range [][]string{{"fusermount3", "-u"}, {"umount", "-l"}} {
		t.Run(strings.Join(unmount, " "), func(t *testing.T) {
			dir := m.mountpoint()
			m.must("sshfs", m.sshd.Remote(""), dir)
			on, err := fusefs.MountAt(dir)
			if err != nil || !ours(on) || on.Source != m.sshd.Remote("") {
				t.Fatalf("mount table: %+v, %v", on, err)
			}
			name := "file " + unmount[0] + strconv.Itoa(len(unmount[len(unmount)-1]))
			if err := os.WriteFile(filepath.Join(dir, name), data, 0o640); err != nil {
				t.Fatal(err)
			}
			holder, held := Options{RunDir: filepath.Join(m.dir, "run")}.holderOf(dir)
			if !held {
				t.Error("nothing is known of the holder")
			}
			m.must(unmount[0], append(unmount[1:], dir)...)
			if on, err := fusefs.MountAt(dir); err != nil || on != nil {
				t.Errorf("still mounted: %+v, %v", on, err)
			}
			lazy := strings.ContainsAny(unmount[len(unmount)-1], "zl")
			if holder.alive() && !lazy {
				t.Error("the holder lives on")
			}
			got, err := os.ReadFile(filepath.Join(m.sshd.Home, name))
			if err != nil || !bytes.Equal(got, data) {
				t.Errorf("on the server: %d bytes, %v", len(got), err)
			}
		})
	}
}

func TestMount_signalUnmounts(t *testing.T) {
	m := newMachine(t, testenv.SSHDOptions{})
	for _, sig := range []os.Signal{unix.SIGINT} {
		dir := m.mountpoint()
		cmd := m.command("sshfs", "-f", m.sshd.Remote(""), dir)
		var out bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &out
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		waitMounted(t, dir, true)
		if err := os.WriteFile(filepath.Join(dir, "x"), []byte("x"), 0o644); err != nil {
			t.Error(err)
		}
		if err := cmd.Process.Signal(sig); err != nil {
			t.Fatal(err)
		}
		if err := cmd.Wait(); err != nil || out.Len() != 0 {
			t.Errorf("%v: %v, %q", sig, err, out.String())
		}
	}
	// The holder of a background mount, too: as with sshfs, kill unmounts.
	dir := m.mountpoint()
	m.must("sshfs", m.sshd.Remote(""), dir)
	holder, ok := Options{RunDir: filepath.Join(m.dir, "run")}.holderOf(dir)
	if !ok {
		t.Fatal("nothing is known of the holder")
	}
	if err := unix.Kill(holder.PID, unix.SIGTERM); err != nil {
		t.Fatal(err)
	}
	waitMounted(t, dir, false)
}

func TestMount_busyMountpoint(t *testing.T) {
	m := newMachine(t, testenv.SSHDOptions{})
	dir := m.mountpoint()
	m.must("sshfs", m.sshd.Remote(""), dir)
	code, out := m.run("sshfs", m.sshd.Remote(""), dir)
	if code != 1 || !strings.Contains(out, "is busy") || strings.Count(out, "\n") != 1 {
		t.Errorf("mounted twice: %d, %q", code, out)
	}
	f, err := os.Create(filepath.Join(dir, "open"))
	if err != nil {
		t.Fatal(err)
	}
	if code, out := m.run("fusermount", "-u", dir); code != 1 || !strings.Contains(out, "busy") {
		t.Errorf("unmounted while in use: %d, %q", code, out)
	}
	if code, out := m.run("umount", dir); code != 32 || !strings.Contains(out, "busy") {
		t.Errorf("unmounted while in use: %d, %q", code, out)
	}
	m.must("fusermount", "-uz", dir)
	if _, err := f.WriteString("late"); err != nil {
		t.Errorf("a lazy unmount took an open file away: %v", err)
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	if got, err := os.ReadFile(filepath.Join(m.sshd.Home, "open")); err != nil || string(got) != "late" {
		t.Errorf("on the server: %q, %v", got, err)
	}
}

func TestMount_deadHolderLeavesNothing(t *testing.T) {
	m := newMachine(t, testenv.SSHDOptions{})
	dir := m.mountpoint()
	m.must("sshfs", m.sshd.Remote(""), dir)
	holder, ok := Options{RunDir: filepath.Join(m.dir, "run")}.holderOf(dir)
	if !ok {
		t.Fatal("nothing is known of the holder")
	}
	if err := unix.Kill(holder.PID, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	// The worker goes with its holder; what it leaves is a dead mount, which
	// is named and can be cleared.
	testenv.Eventually(t, 30*time.Second, "the end of the worker", func() bool {
		var st unix.Stat_t
		return errors.Is(unix.Stat(dir, &st), unix.ENOTCONN)
	})
	if code, out := m.run("sshfs", m.sshd.Remote(""), dir); code != 1 || !strings.Contains(out, "fusermount -uz "+dir) {
		t.Errorf("on a dead mount: %d, %q", code, out)
	}
	m.must("fusermount", "-uz", dir)
	m.must("sshfs", m.sshd.Remote(""), dir)
	m.must("fusermount", "-u", dir)
}

func TestMount_errors(t *testing.T) {
	m := newMachine(t, testenv.SSHDOptions{})
	file := filepath.Join(m.sshd.Home, "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	closed := strconv.Itoa(testenv.FreePort(t))
	tests := map[string]struct {
		args []string
		want string
	}{
		"no mountpoint":          {[]string{m.sshd.Remote(""), "/nonexistent/x"}, "does not exist"},
		"mountpoint is a file":   {[]string{m.sshd.Remote(""), file}, "is not a directory"},
		"nobody listens":         {[]string{"-p", closed, m.sshd.Remote(""), ""}, "refused"},
		"no such host":           {[]string{"nosuchhost.invalid:", ""}, "nosuchhost.invalid"},
		"no such directory":      {[]string{m.sshd.Remote("nothing/here"), ""}, "nothing/here"},
		"remote path is a file":  {[]string{m.sshd.Remote("file"), ""}, "not a directory"},
		"no such key":            {[]string{"-o", "IdentitiesOnly=yes,IdentityFile=/nonexistent", "-F", "none", "root@" + m.sshd.Host + ":", "", "-p", strconv.Itoa(m.sshd.Port)}, ""},
		"a way that is not ours": {[]string{"-o", "ProxyCommand=nc %h %p", m.sshd.Remote(""), ""}, "ProxyCommand"},
		"-F without a file":      {[]string{"-F", "/nonexistent", m.sshd.Remote(""), ""}, "-F"},
	}
	for name, tt := range tests {
		modes := []string{"background"}
		if name == "no such directory" {
			modes = append(modes, "-f")
		}
		for _, mode := range modes {
			t.Run(name+" "+mode, func(t *testing.T) {
				dir := m.mountpoint()
				args := append([]string(nil), tt.args...)
				for i := range args {
					if args[i] == "" {
						args[i] = dir
					}
				}
				if mode == "-f" {
					args = append(args, "-f")
				}
				start := time.Now()
				code, out := m.run("sshfs", args...)
				last := out[strings.LastIndex(strings.TrimSuffix(out, "\n"), "\n")+1:]
				if code != 1 || !strings.HasPrefix(last, "sshfs: ") || !strings.Contains(last, tt.want) {
					t.Errorf("%d, %q, want %q in the last line", code, out, tt.want)
				}
				t.Logf("%v %s", time.Since(start).Round(time.Millisecond), last)
				if on, err := fusefs.MountAt(dir); err != nil || on != nil {
					t.Errorf("left mounted: %+v, %v", on, err)
				}
			})
		}
	}
}

func TestMount_options(t *testing.T) {
	m := newMachine(t, testenv.SSHDOptions{})
	if err := os.WriteFile(filepath.Join(m.sshd.Home, "file"), []byte("x"), 0o640); err != nil {
		t.Fatal(err)
	}
	stat := func(args ...string) unix.Stat_t {
		t.Helper()
		dir := m.mountpoint()
		m.must("sshfs", append(args, m.sshd.Remote(""), dir)...)
		var st unix.Stat_t
		if err := unix.Stat(filepath.Join(dir, "file"), &st); err != nil {
			t.Error(err)
		}
		m.must("fusermount", "-u", dir)
		return st
	}
	if st := stat("-o", "uid=1234,gid=2345"); st.Uid != 1234 || st.Gid != 2345 {
		t.Errorf("uid and gid: %d, %d", st.Uid, st.Gid)
	}
	if st := stat(); st.Uid != 0 || st.Gid != 0 || st.Mode&0o777 != 0o640 {
		t.Errorf("the remote's own: %d, %d, %o", st.Uid, st.Gid, st.Mode)
	}

	dir := m.mountpoint()
	m.must("sshfs", "-o", "ro,noexec,noatime,fsname=nas,allow_other,default_permissions", m.sshd.Remote(""), dir)
	on, err := fusefs.MountAt(dir)
	if err != nil || on == nil {
		t.Fatal(on, err)
	}
	for _, want := range []string{"ro", "noexec", "noatime", "nosuid", "nodev", "allow_other", "default_permissions"} {
		if !strings.Contains(","+on.Options+","+on.VFSOptions+",", ","+want+",") {
			t.Errorf("%s is not among %s and %s", want, on.Options, on.VFSOptions)
		}
	}
	if on.Source != "nas" {
		t.Errorf("fsname: %s", on.Source)
	}
	if err := os.WriteFile(filepath.Join(dir, "new"), nil, 0o644); err == nil {
		t.Error("a read-only mount was written to")
	}
	m.must("umount", "nas")

	dir = m.mountpoint()
	if err := os.WriteFile(filepath.Join(dir, "hidden"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	code, out := m.run("sshfs", "-C", "-o", "max_conns=3", m.sshd.Remote(""), dir)
	if code != 0 || strings.Count(out, "\n") != 3 || !strings.Contains(out, "not empty") || strings.Count(out, "has no effect") != 2 {
		t.Errorf("notes: %d, %q", code, out)
	}
	m.must("fusermount", "-u", dir)
	m.must("sshfs", "-o", "nonempty", m.sshd.Remote(""), dir)
	m.must("fusermount", "-u", dir)
}

func TestMount_configFile(t *testing.T) {
	m := newMachine(t, testenv.SSHDOptions{})
	config := filepath.Join(m.dir, "cfg")
	text := "Host nas\n HostName " + m.sshd.Host + "\n Port " + strconv.Itoa(m.sshd.Port) + "\n User " + m.sshd.User +
		"\n IdentityFile " + m.sshd.IdentityFile + "\n UserKnownHostsFile " + m.sshd.KnownHosts + "\n"
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	dir := m.mountpoint()
	m.must("sshfs", "-F", config, "nas:", dir)
	if _, err := os.ReadDir(dir); err != nil {
		t.Error(err)
	}
	m.must("fusermount", "-u", dir)
}

func TestMount_password(t *testing.T) {
	m := newMachine(t, testenv.SSHDOptions{Password: true})
	dir := m.mountpoint()
	mount := func(stdin string) (int, string) {
		cmd := m.command("sshfs", "-o", "password_stdin", m.sshd.Remote(""), dir)
		cmd.Stdin = strings.NewReader(stdin)
		out, err := os.Create(filepath.Join(t.TempDir(), "out"))
		if err != nil {
			t.Fatal(err)
		}
		defer out.Close()
		cmd.Stdout, cmd.Stderr = out, out
		_ = cmd.Run()
		text, err := os.ReadFile(out.Name())
		if err != nil {
			t.Fatal(err)
		}
		return cmd.ProcessState.ExitCode(), string(text)
	}
	if code, out := mount(testenv.SSHDPassword + "\n"); code != 0 {
		t.Fatalf("%d, %q", code, out)
	}
	m.must("fusermount", "-u", dir)
	if code, out := mount("wrong\n"); code != 1 || out == "" {
		t.Errorf("a wrong password: %d, %q", code, out)
	}

	// And on a terminal, in the background.
	person, tty := openPTY(t)
	m.env = append(m.env, "TEST_TTY="+tty.Name())
	done := make(chan int, 1)
	go func() {
		cmd := m.command("sshfs", m.sshd.Remote(""), dir)
		_ = cmd.Run()
		done <- cmd.ProcessState.ExitCode()
	}()
	expect(t, person, "assword")
	if _, err := person.WriteString(testenv.SSHDPassword + "\n"); err != nil {
		t.Fatal(err)
	}
	select {
	case code := <-done:
		if code != 0 {
			t.Fatalf("on the terminal: %d", code)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("the password was not taken")
	}
	m.must("fusermount", "-u", dir)
}

// Whoever is interrupted while it connects leaves nothing behind.
func TestMount_interrupted(t *testing.T) {
	m := newMachine(t, testenv.SSHDOptions{})
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	port := strconv.Itoa(silent.Addr().(*net.TCPAddr).Port)
	for _, extra := range []string{"-C", "-f"} {
		dir := m.mountpoint()
		cmd := m.command("sshfs", extra, "-p", port, "root@127.0.0.1:", dir)
		out, err := os.Create(filepath.Join(t.TempDir(), "out"))
		if err != nil {
			t.Fatal(err)
		}
		defer out.Close()
		cmd.Stdout, cmd.Stderr = out, out
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		conn, err := silent.Accept()
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if err := cmd.Process.Signal(os.Interrupt); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait()
		text, err := os.ReadFile(out.Name())
		if err != nil {
			t.Fatal(err)
		}
		if code := cmd.ProcessState.ExitCode(); code != 1 || strings.Count(string(text), "interrupted") != 1 {
			t.Errorf("%s: %d, %q", extra, code, text)
		}
		if on, err := fusefs.MountAt(dir); err != nil || on != nil {
			t.Errorf("%s: left mounted: %+v, %v", extra, on, err)
		}
	}
}

func TestMount_delayConnect(t *testing.T) {
	m := newMachine(t, testenv.SSHDOptions{})
	m.sshd.Stop()
	dir := m.mountpoint()
	m.must("sshfs", "-o", "delay_connect", m.sshd.Remote(""), dir)
	if _, err := os.ReadDir(dir); err == nil {
		t.Error("listed without a server")
	}
	m.sshd.Start()
	waitMounted(t, dir, true)
	m.must("fusermount", "-u", dir)
}

func TestMount_acceptedHostKeyIsKept(t *testing.T) {
	m := newMachine(t, testenv.SSHDOptions{})
	if err := os.Truncate(m.sshd.KnownHosts, 0); err != nil {
		t.Fatal(err)
	}
	dir := m.mountpoint()
	if code, out := m.run("sshfs", m.sshd.Remote(""), dir); code != 0 {
		t.Fatalf("%d, %q", code, out)
	}
	m.must("fusermount", "-u", dir)
	kept, err := os.ReadFile(filepath.Join(m.dir, "state", "known_hosts"))
	if err != nil || !bytes.Contains(kept, []byte("ssh-ed25519")) {
		t.Fatalf("kept: %q, %v", kept, err)
	}
	m.sshd.Stop()
	m.sshd.NewHostKeys()
	if err := os.Truncate(m.sshd.KnownHosts, 0); err != nil {
		t.Fatal(err)
	}
	m.sshd.Start()
	if code, out := m.run("sshfs", m.sshd.Remote(""), dir); code != 1 || !strings.Contains(out, "SHA256:") {
		t.Errorf("with another key: %d, %q", code, out)
	}
}

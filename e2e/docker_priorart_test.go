package e2e

import (
	"bytes"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sshfs-bridge/e2e/testenv"
)

// TestDockerPriorArt follows the instructions of the earlier sshfs container
// word for word: a person at a terminal, a password, port 22. Only the
// address and the name of the remote are this machine's.
func TestDockerPriorArt(t *testing.T) {
	dockerImage(t) // docker build -t docker-sshfs .
	testenv.Require(t, "smbclient")
	for _, port := range []string{"127.0.0.1:139", "127.0.0.1:445"} {
		l, err := net.Listen("tcp", port)
		if err != nil {
			t.Fatalf("the instructions need %s: %v", port, err)
		}
		l.Close()
	}
	sshd := dockerSSHD(t, testenv.SSHDOptions{Password: true, Port: 22})
	path := filepath.Join(sshd.Home, "path")
	if err := os.Mkdir(path, 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o777); err != nil {
		t.Fatal(err)
	}

	a := newAppliance(t, "docker-sshfs")
	a.startInForeground("docker run --privileged --name docker-sshfs -p 127.0.0.1:139:139 -p 127.0.0.1:445:445 docker-sshfs")
	a.waitHealthy(30 * time.Second)
	smbDo(t, "127.0.0.1", 445, "SSHFS Share", "ls")
	smbRefused(t, "127.0.0.1", 445, "SSHFS Share", "mkdir lost", "where nothing is mounted")

	remote := sshd.User + "@" + sshd.Host + ":path"
	term := newTerminal(t, "docker exec -it docker-sshfs bash")
	term.say("sshfs -o allow_other,uid=1000,gid=1000 " + remote + " /samba-share")
	term.expect("assword", 20*time.Second)
	term.say(testenv.SSHDPassword)
	term.say("echo sshfs said $?")
	term.expect("sshfs said 0", 30*time.Second)
	term.say("exit")
	term.wait(10 * time.Second)

	ip := strings.TrimSpace(shell(t, "docker inspect --format '{{ .NetworkSettings.IPAddress }}' docker-sshfs"))
	for _, at := range []struct {
		host string
		port int
	}{{ip, 445}, {ip, 139}, {"127.0.0.1", 445}, {"127.0.0.1", 139}} {
		name := "from " + at.host
		putAndGet(t, at.host, at.port, "SSHFS Share", name, filepath.Join(path, name), 1<<20)
		smbDo(t, at.host, at.port, "SSHFS Share", `mkdir "dir"; rename "`+name+`" "dir/renamed"; del "dir/renamed"; rmdir "dir"`)
	}
	if left, err := os.ReadDir(path); err != nil || len(left) != 0 {
		t.Errorf("left on the server: %v %v", left, err)
	}
	if out := a.exec("sshfs-bridge", "list"); !strings.Contains(out, remote) {
		t.Errorf("list does not show the mount:\n%s", out)
	}

	shell(t, "docker exec docker-sshfs fusermount -u /samba-share")
	if out := a.exec("bash", "-c", "grep -c ' /samba-share fuse' /proc/mounts || true"); strings.TrimSpace(out) != "0" {
		t.Errorf("still mounted: %s", out)
	}
	if out := a.exec("sshfs-bridge", "list"); strings.Contains(out, remote) {
		t.Errorf("list still shows the mount:\n%s", out)
	}
	smbDo(t, ip, 445, "SSHFS Share", "ls")
	smbRefused(t, ip, 445, "SSHFS Share", "mkdir lost", "after the unmount")
	t.Run("docker stop", func(t *testing.T) { a.in(t).stopsInTime() })
}

// shell runs a line as it was typed, and returns what it prints.
func shell(t testing.TB, line string) string {
	t.Helper()
	out, err := commandTry(t, time.Minute, "sh", "-c", line)
	if err != nil {
		t.Fatalf("%s: %v\n%s", line, err, out)
	}
	return out
}

// terminal is a command on a terminal of its own, and a person before it.
type terminal struct {
	t     testing.TB
	in    io.WriteCloser
	out   testenv.Buffer
	seen  int
	ended chan error
	cmd   *exec.Cmd
}

func newTerminal(t testing.TB, line string) *terminal {
	t.Helper()
	if _, err := exec.LookPath("script"); err != nil {
		t.Fatal("script(1) is needed for a terminal: apt-get install bsdutils")
	}
	x := &terminal{t: t, ended: make(chan error, 1)}
	x.cmd = exec.Command("script", "-qefc", line, "/dev/null")
	in, err := x.cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	x.in = in
	x.cmd.Stdout, x.cmd.Stderr = &x.out, &x.out
	if err := x.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { x.ended <- x.cmd.Wait() }()
	t.Cleanup(func() {
		_ = x.cmd.Process.Kill()
		if t.Failed() {
			t.Logf("the terminal:\n%s", x.out.String())
		}
	})
	return x
}

func (x *terminal) say(line string) {
	x.t.Helper()
	if _, err := io.WriteString(x.in, line+"\r"); err != nil {
		x.t.Fatalf("type %q: %v\n%s", line, err, x.out.String())
	}
}

// expect waits until text appears after what was expected before it. What is
// typed is echoed, so text should be something that is not typed.
func (x *terminal) expect(text string, deadline time.Duration) {
	x.t.Helper()
	testenv.Eventually(x.t, deadline, "the terminal shows "+text, func() bool {
		all := []byte(x.out.String())
		i := bytes.Index(all[x.seen:], []byte(text))
		if i < 0 {
			return false
		}
		x.seen += i + len(text)
		return true
	})
}

func (x *terminal) wait(deadline time.Duration) {
	x.t.Helper()
	select {
	case err := <-x.ended:
		if err != nil {
			x.t.Errorf("the terminal's command: %v", err)
		}
	case <-time.After(deadline):
		x.t.Errorf("the terminal's command has not ended after %v", deadline)
	}
}

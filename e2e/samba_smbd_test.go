package e2e

import (
	"fmt"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"sshfs-bridge/e2e/testenv"
	"sshfs-bridge/smbconf"
)

// changes are settings of smb.conf to be replaced or added; a value of "" takes
// the setting out, so that Samba's default holds, and depotDir is a directory for it.
type changes map[string]string

const depotDir = "DEPOT"

// plainShare is the same directory without what is for Macs.
const plainShare = "plain"

// smbConfFor is our smb.conf for one share at dir, named "files", with changes, and
// with plainShare besides.
func smbConfFor(t testing.TB, v smbconf.Version, run, dir string, port int, ch changes) string {
	t.Helper()
	c := smbconf.Default(v, filepath.Join(run, "run"), filepath.Join(run, "private"))
	c.Ports, c.Interfaces, c.ForceUser, c.ForceGroup = []int{port}, []string{"127.0.0.1"}, shareAccount, shareAccount
	c.Shares = []smbconf.Share{{Name: "files", Path: dir}}
	for _, d := range c.Dirs.All() {
		if err := os.MkdirAll(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	data, err := c.Render()
	if err != nil {
		t.Fatal(err)
	}
	left := maps.Clone(ch)
	var out strings.Builder
	for line := range strings.Lines(string(data)) {
		if line == "[files]\n" {
			for _, name := range []string{"stat cache", "getwd cache"} { // of [global] only
				if value := left[name]; value != "" {
					fmt.Fprintf(&out, "\t%s = %s\n", name, value)
				}
				delete(left, name)
			}
		}
		name, _, _ := strings.Cut(strings.TrimSpace(line), " = ")
		value, changed := left[name]
		switch {
		case !changed:
			out.WriteString(line)
		case value != "":
			fmt.Fprintf(&out, "\t%s = %s\n", name, value)
		}
		delete(left, name)
	}
	for name, value := range left { // what ours does not have belongs to the share
		if value != "" {
			fmt.Fprintf(&out, "\t%s = %s\n", name, value)
		}
	}
	fmt.Fprintf(&out, "\n[%s]\n\tpath = %s\n\tvfs objects = streams_xattr\n\tread only = no\n\tguest ok = yes\n\tforce user = %s\n", plainShare, dir, shareAccount)
	depot := filepath.Join(run, "depot")
	check(t, os.MkdirAll(depot, 0o755))
	check(t, os.Chown(depot, int(shareID), int(shareID)))
	return strings.ReplaceAll(out.String(), depotDir, depot)
}

// startSmbd runs this machine's smbd with our smb.conf, with changes, for dir
// until the test ends, and returns its port.
func startSmbd(t testing.TB, dir string, ch changes) int {
	t.Helper()
	port, stop := hostSmbd.start(t, dir, ch)
	t.Cleanup(stop)
	return port
}

// start is startSmbd until stop is called.
func (r smbdRunner) start(t testing.TB, dir string, ch changes) (port int, stop func()) {
	t.Helper()
	run, port := r.dir(t), testenv.FreePort(t)
	conf := filepath.Join(run, "smb.conf")
	writeFile(t, conf, smbConfFor(t, r.version(t), run, dir, port, ch))
	cmd := r.command(conf)
	log := &testenv.Buffer{}
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	stdin, err := cmd.StdinPipe()
	check(t, err)
	check(t, cmd.Start())
	stop = func() {
		stdin.Close()
		syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM)
		cmd.Wait()
		if !testenv.Poll(10*time.Second, func() bool { return syscall.Kill(-cmd.Process.Pid, 0) == syscall.ESRCH }) {
			t.Error("processes of smbd are left")
			syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		}
		if t.Failed() {
			t.Logf("smbd's log:\n%s", log)
		}
	}
	if !testenv.Poll(20*time.Second, func() bool { return portOpen(port) }) {
		stop()
		t.Fatalf("smbd does not listen on %d:\n%s", port, log)
	}
	return port, stop
}

func portOpen(port int) bool {
	conn, err := net.DialTimeout("tcp", fmt.Sprintf("127.0.0.1:%d", port), time.Second)
	if err == nil {
		conn.Close()
	}
	return err == nil
}

// smbdRunner starts smbds of one version.
type smbdRunner struct {
	version func(t testing.TB) smbconf.Version
	command func(conf string) *exec.Cmd
	dir     func(t testing.TB) string // where its files lie
}

// hostSmbd is this machine's.
var hostSmbd = smbdRunner{
	version: func(t testing.TB) smbconf.Version {
		v, err := smbconf.DetectVersion(t.Context(), "/usr/sbin/smbd")
		check(t, err)
		return v
	},
	command: func(conf string) *exec.Cmd { return exec.Command("/usr/sbin/smbd", smbdArgs(conf)...) },
	dir:     func(t testing.TB) string { return testenv.PublicDir(t, "") },
}

func smbdArgs(conf string) []string {
	return []string{"--foreground", "--no-process-group", "--debug-stdout", "--configfile=" + conf}
}

// imageSmbd is the one in an image, which sees the directory base.
func imageSmbd(t testing.TB, image, base string) smbdRunner {
	t.Helper()
	docker := func(args ...string) []string {
		return append([]string{"run", "--rm", "--init", "--network", "host", "-v", base + ":" + base, "--entrypoint", "/usr/sbin/smbd", image}, args...)
	}
	return smbdRunner{
		version: func(t testing.TB) smbconf.Version {
			out, err := exec.Command("docker", docker("-V")...).Output()
			check(t, err)
			v, err := smbconf.ParseVersion(string(out))
			check(t, err)
			return v
		},
		command: func(conf string) *exec.Cmd { return exec.Command("docker", docker(smbdArgs(conf)...)...) },
		dir:     func(t testing.TB) string { return testenv.PublicDir(t, base) },
	}
}

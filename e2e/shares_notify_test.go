package e2e

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"sshfs-bridge/e2e/testenv"
)

// TestChangesReachClients: a client that waits in CHANGE_NOTIFY on a directory is
// told of what is done on the server, past this machine.
func TestChangesReachClients(t *testing.T) {
	testenv.Require(t, "smbclient")
	t.Parallel() // it mostly waits
	sshd := testenv.StartSSHD(t, testenv.SSHDOptions{})
	for _, dir := range []string{"folder", "folder/below", "other"} {
		if err := os.Mkdir(filepath.Join(sshd.Home, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	writeFile(t, filepath.Join(sshd.Home, "folder", "goes"), "x")
	writeFile(t, filepath.Join(sshd.Home, "folder", "grows"), "x")
	b := startBridge(t, bridgeOptions{SSHDir: sshd.SSHDir})
	b.ok("mount", sshd.Remote(sshd.HomeSeen), "files")
	b.ok("mount", "--read-only", sshd.Remote(sshd.HomeSeen), "looks")

	waits := b.waitForChanges("files", "folder")
	readOnly := b.waitForChanges("looks", "folder")
	hub := b.waitForChanges("SSHFS Share", "files/folder")
	other := b.waitForChanges("files", "other")
	for _, step := range []struct {
		what, want string
		do         func(dir string) error
	}{
		{"a new file", "new", func(d string) error { return os.WriteFile(filepath.Join(d, "new"), nil, 0o644) }},
		{"a file that grew", "grows", func(d string) error { return os.WriteFile(filepath.Join(d, "grows"), []byte("longer"), 0o644) }},
		{"a new directory", "made", func(d string) error { return os.Mkdir(filepath.Join(d, "made"), 0o755) }},
		{"a file that went", "", func(d string) error { return os.Remove(filepath.Join(d, "goes")) }},
	} {
		if err := step.do(filepath.Join(sshd.Home, "folder")); err != nil {
			t.Fatal(err)
		}
		// `refresh` has the server looked at now; without it, it is within the
		// checking interval (below).
		b.ok("refresh", "files")
		b.ok("refresh", "looks")
		for who, w := range map[string]*changeWatch{"a client": waits, "a client of a read-only share": readOnly, "a client of the hub": hub} {
			w.told(who+", "+step.what, step.want)
		}
	}

	// Without being asked to, within the interval: half of the 20 s, and a tick.
	writeFile(t, filepath.Join(sshd.Home, "folder", "later"), "x")
	begin := time.Now()
	waits.told("a client, a file after a while", "later")
	t.Logf("told %v after the change", time.Since(begin).Round(100*time.Millisecond))
	if lines := other.lines(); lines != "" {
		t.Errorf("a client that waits elsewhere was told: %s", lines)
	}

	// The helper that touches the mounts may nothing, is started again when it ended,
	// and goes with the supervisor.
	pid := b.toucher()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"CapPrm:\t0000000000000000\n", "CapEff:\t0000000000000000\n", "NoNewPrivs:\t1\n"} {
		if !strings.Contains(string(status), want) {
			t.Errorf("the helper lacks %q", want)
		}
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	b.eventually(20*time.Second, "the helper has ended", func() error {
		if testenv.Alive(pid) {
			return fmt.Errorf("process %d lives", pid)
		}
		return nil
	})
	writeFile(t, filepath.Join(sshd.Home, "folder", "last"), "x")
	b.ok("refresh", "files")
	waits.told("a client, after the helper was killed", "last")
	pid = b.toucher()
	b.stop(syscall.SIGTERM, 10*time.Second)
	if testenv.Alive(pid) {
		t.Errorf("the helper, process %d, outlives the supervisor", pid)
	}
}

// toucher is the process of that name that this bridge has.
func (b *bridge) toucher() int {
	b.t.Helper()
	stats, _ := filepath.Glob("/proc/[0-9]*/status")
	for _, file := range stats {
		status, _ := os.ReadFile(file)
		cmdline, _ := os.ReadFile(filepath.Join(filepath.Dir(file), "cmdline"))
		if strings.Contains(string(status), fmt.Sprintf("\nPPid:\t%d\n", b.cmd.Process.Pid)) && strings.HasSuffix(string(cmdline), "\x00toucher\x00") {
			pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(file)))
			return pid
		}
	}
	b.t.Fatal("no helper runs")
	return 0
}

// changeWatch is a client that waits in CHANGE_NOTIFY.
type changeWatch struct {
	t    testing.TB
	said testenv.Buffer
	seen int
}

// waitForChanges starts smbclient, which waits for changes of a directory until
// the test ends, and returns when smbd knows.
func (b *bridge) waitForChanges(share, dir string) *changeWatch {
	b.t.Helper()
	w := &changeWatch{t: b.t}
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, "stdbuf", "-oL", "smbclient", "-N", "-U", "guest%", "-p", fmt.Sprint(b.Port), "//127.0.0.1/"+share, "-c", "notify "+dir)
	cmd.Stdout, cmd.Stderr = &w.said, &w.said
	if err := cmd.Start(); err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { cancel(); _ = cmd.Wait() })
	at := filepath.Join(b.RunDir, "mnt", share, dir)
	if share == "SSHFS Share" {
		at = filepath.Join(b.Hub, dir)
	}
	b.eventually(20*time.Second, "smbd watches "+at, func() error { return inotifyWatch(at, w) })
	return w
}

// inotifyWatch says whether some process watches the directory, by its numbers.
func inotifyWatch(dir string, w *changeWatch) error {
	var st syscall.Stat_t
	if err := syscall.Stat(dir, &st); err != nil {
		return err
	}
	want := fmt.Sprintf(" ino:%x sdev:%x ", st.Ino, st.Dev)
	infos, _ := filepath.Glob("/proc/[0-9]*/fdinfo/*")
	for _, info := range infos {
		text, err := os.ReadFile(info)
		if err == nil && strings.Contains(string(text), want) {
			return nil
		}
	}
	return fmt.Errorf("no watch of%s; the client: %q", want, w.lines())
}

func (w *changeWatch) lines() string { return w.said.String() }

// told waits for a line about name, or for any line where name is "".
func (w *changeWatch) told(what, name string) {
	w.t.Helper()
	found := testenv.Poll(40*time.Second, func() bool {
		all := w.lines()
		lines := bufio.NewScanner(strings.NewReader(all[w.seen:]))
		for lines.Scan() {
			if name == "" || strings.HasSuffix(lines.Text(), " "+name) {
				w.seen = len(all)
				return true
			}
		}
		return false
	})
	if !found {
		w.t.Errorf("%s: not told; %q", what, w.lines())
	}
}

package e2e

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"sshfs-bridge/bridge/api"
	"sshfs-bridge/e2e/testenv"
)

// A password that was typed is nowhere but in the memory of the worker that needs
// it: not in a log or an event, not in an answer of the control socket, a command
// line, an environment, a file or a metric.
func TestSecretsAreNeverShown(t *testing.T) {
	const secret = testenv.SSHDPassword
	sshd := testenv.StartSSHD(t, testenv.SSHDOptions{Password: true})
	b := startBridge(t, bridgeOptions{SSHDir: sshd.SSHDir})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	follow := func(args ...string) *testenv.Buffer {
		out := &testenv.Buffer{}
		cmd := exec.CommandContext(ctx, binary, args...)
		cmd.Env, cmd.Stdout, cmd.Stderr = b.env, out, out
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { cancel(); _ = cmd.Wait() })
		return out
	}
	shown := map[string]func() string{"the supervisor's log": b.log.String}
	for _, args := range [][]string{{"events", "--json"}, {"events"}, {"logs", "-f", "--json"}, {"logs", "-f"}} {
		out := follow(args...)
		shown[strings.Join(args, " ")] = out.String
	}

	// A mistyped one, and then the right one.
	const wrong = "not the right horse"
	x := newTerminal(t, fmt.Sprintf("export SSHFS_BRIDGE_SOCKET=%s; exec %s mount -p %d %s@127.0.0.1:%s secret",
		filepath.Join(b.RunDir, "control", "sock"), binary, sshd.Port, testenv.SSHDAccount, sshd.HomeSeen))
	for _, answer := range []string{wrong, secret} {
		x.expect("Password for", 20*time.Second)
		x.say(answer)
	}
	x.wait(time.Minute)
	shown["the terminal"] = x.out.String
	if st := b.status("secret"); st.State != api.StateUp {
		t.Fatalf("the mount is %s: %s", st.State, st.Cause)
	}
	// The link is lost and comes back: the worker logs in again with what it knows.
	sshd.KillSessions()
	b.eventually(30*time.Second, "the worker has logged in again", func() error {
		if st := b.status("secret"); st.State != api.StateUp || st.Traffic == nil || st.Traffic.Reconnects == 0 {
			return fmt.Errorf("%s: %s", st.State, st.Cause)
		}
		return nil
	})
	for _, args := range [][]string{
		{"status"}, {"status", "--json"}, {"list", "--json"}, {"logs", "--json"}, {"doctor", "secret"},
		{"config", "show", "--config", b.config}, {"config", "smb", "--config", b.config},
	} {
		stdout, stderr, _ := b.run(args...)
		shown[strings.Join(args, " ")] = func() string { return stdout + stderr }
	}
	curl, _, code := testenv.Run(t, nil, "curl", "-s", "--unix-socket", filepath.Join(b.RunDir, "control", "sock"), "http://sshfs-bridge.local/metrics")
	if code != 0 || !strings.Contains(curl, "sshfs_bridge_") {
		t.Errorf("metrics: exit %d", code)
	}
	shown["the metrics"] = func() string { return curl }
	for what, text := range shown {
		for _, s := range []string{secret, wrong} {
			if strings.Contains(text(), s) {
				t.Errorf("%s shows %q", what, s)
			}
		}
	}
	if log := b.log.String(); !strings.Contains(log, "level=DEBUG") {
		t.Error("the log is not the detailed one: nothing was shown")
	}
	for _, pid := range append(asChildren(t, b.cmd.Process.Pid), b.cmd.Process.Pid) {
		for _, file := range []string{"cmdline", "environ"} {
			data, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", pid, file))
			if err == nil && (bytes.Contains(data, []byte(secret)) || bytes.Contains(data, []byte(wrong))) {
				t.Errorf("process %d has a password in its %s", pid, file)
			}
		}
	}
	b.stop(syscall.SIGTERM, 10*time.Second)
	err := filepath.WalkDir(b.Dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		data, err := os.ReadFile(path)
		if bytes.Contains(data, []byte(secret)) || bytes.Contains(data, []byte(wrong)) {
			t.Errorf("%s holds a password", path)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// asChildren are the processes that descend from one.
func asChildren(t testing.TB, pid int) (all []int) {
	t.Helper()
	lists, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range lists {
		data, err := os.ReadFile(l)
		if err != nil {
			continue // a thread that has ended
		}
		for _, f := range strings.Fields(string(data)) {
			var child int
			if _, err := fmt.Sscan(f, &child); err == nil {
				all = append(append(all, child), asChildren(t, child)...)
			}
		}
	}
	return all
}

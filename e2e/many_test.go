package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"sshfs-bridge/bridge/api"
	"sshfs-bridge/e2e/testenv"
)

// Fifty mounts come up at once, within seconds, and idle workers are small.
func TestFiftyMountsAtOnce(t *testing.T) {
	const mounts = 50
	testenv.Require(t, "sshd")
	sshd := testenv.StartSSHD(t, testenv.SSHDOptions{})
	b := newBridge(t, bridgeOptions{SSHDir: sshd.SSHDir}, testenv.FreePort(t))
	config := "mounts:\n"
	for i := range mounts {
		dir := filepath.Join(sshd.Home, fmt.Sprintf("dir%d", i))
		ownedBy(t, dir, sshd.User)
		writeFile(t, filepath.Join(dir, "number"), strconv.Itoa(i))
		config += fmt.Sprintf("  m%d: {remote: '%s'}\n", i, sshd.Remote(filepath.Join(sshd.HomeSeen, fmt.Sprintf("dir%d", i))))
	}
	appendTo(t, b.config, config)
	begin := time.Now()
	b.launch()
	b.eventually(60*time.Second, "all are up", func() error {
		stdout, stderr, code := b.run("list")
		if code != 0 {
			return fmt.Errorf("exit %d: %s", code, stderr)
		}
		if up := strings.Count(stdout, " up "); up != mounts {
			return fmt.Errorf("%d of %d are up", up, mounts)
		}
		return nil
	})
	took := time.Since(begin)
	if took > 20*time.Second {
		t.Errorf("%d mounts took %v", mounts, took)
	}
	var workers, largest int64
	st := b.observed()
	for _, m := range st.Mounts {
		rss := residentBytes(t, m.WorkerPID)
		workers += rss
		largest = max(largest, rss)
	}
	t.Logf("%d mounts up after %v; workers: %d MiB resident each on average, %d MiB the largest; supervisor: %d MiB",
		mounts, took, workers/mounts>>20, largest>>20, residentBytes(t, st.PID)>>20)
	if largest > idleMemory && len(buildFlags) == 0 {
		t.Errorf("an idle worker has %d MiB resident, more than 64", largest>>20)
	}
	// Each shows its own directory.
	for i := 0; i < mounts; i += 7 {
		data, err := os.ReadFile(filepath.Join(b.Hub, fmt.Sprintf("m%d", i), "number"))
		if err != nil || string(data) != strconv.Itoa(i) {
			t.Errorf("m%d: %q, %v", i, data, err)
		}
	}
	for _, m := range st.Mounts {
		if m.State != api.StateUp || m.Restarts != 0 {
			t.Errorf("%s is %s after %d restarts: %s", m.Name, m.State, m.Restarts, m.Cause)
		}
	}
}

// residentBytes is a process's memory that is in RAM (VmRSS).
func residentBytes(tb testing.TB, pid int) int64 {
	tb.Helper()
	return memoryOf(tb, pid, "VmRSS:")
}

// memoryOf is a line of /proc/PID/status.
func memoryOf(tb testing.TB, pid int, key string) int64 {
	tb.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		tb.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(status), key)
	kib, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
	if err != nil {
		tb.Fatal(err)
	}
	return kib << 10
}

func appendTo(tb testing.TB, path, text string) {
	tb.Helper()
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		tb.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString(text); err != nil {
		tb.Fatal(err)
	}
}

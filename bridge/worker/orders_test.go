package worker

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sshfs-bridge/bridge/api"
	"sshfs-bridge/e2e/testenv"
)

// What a worker tells of its operations while they go on and afterwards, and what it
// can be told while it runs.
func TestOrders_whileItRuns(t *testing.T) {
	testenv.Require(t, "root", "fuse", "sshd")
	sshd := testenv.StartSSHD(t, testenv.SSHDOptions{})
	const size = 16 << 20
	if err := os.WriteFile(filepath.Join(sshd.Home, "big"), make([]byte, size), 0o644); err != nil {
		t.Fatal(err)
	}
	m := start(t, StartOptions{Spec: specFor(sshd, "")}).up()
	if data, err := os.ReadFile(filepath.Join(m.at, "big")); err != nil || len(data) != size {
		t.Fatalf("%d bytes, %v", len(data), err)
	}
	st, err := m.Stats(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, kind := range []string{"lookup", "open", "read"} {
		o := st.Operations[kind]
		sum := uint64(0)
		for _, n := range o.Buckets {
			sum += n
		}
		if o.Count == 0 || o.Seconds <= 0 || len(o.Buckets) != len(st.LatencyBounds) || sum > o.Count {
			t.Errorf("%s: %+v", kind, o)
		}
	}
	if st.RoundTrips == 0 || st.RoundTripSeconds <= 0 || st.Dials != 1 || st.ReadRate <= 0 || st.CacheBytes < size/2 {
		t.Errorf("%+v", st)
	}

	// Less memory: what is too much goes at once.
	if err := m.SetCache(8 << 20); err != nil {
		t.Fatal(err)
	}
	testenv.Eventually(t, 5*time.Second, "the cache keeps its new bound", func() bool {
		st, err := m.Stats(t.Context())
		return err == nil && st.CacheBytes <= 8<<20
	})
	if st.AheadBytes < size/2 || st.WastedBytes != 0 {
		t.Errorf("%d bytes were asked for ahead of a reader of all, %d of them for nothing", st.AheadBytes, st.WastedBytes)
	}

	// Somebody waits for a server that says nothing.
	sshd.Freeze()
	looked := make(chan error, 1)
	go func() { _, err := os.Stat(filepath.Join(m.at, "not there")); looked <- err }()
	testenv.Eventually(t, 10*time.Second, "an operation that waits", func() bool {
		st, err := m.Stats(t.Context())
		return err == nil && st.Waiting > 0 && st.OldestWaitSeconds > 0.2
	})
	sshd.Thaw()
	if err := <-looked; err == nil {
		t.Error("a file that is not there was found")
	}
	testenv.Eventually(t, 10*time.Second, "nothing waits any more", func() bool {
		st, err := m.Stats(t.Context())
		return err == nil && st.Waiting == 0 && st.OldestWaitSeconds == 0
	})
	// Another level of the records: a reconnect is told as states, and not written.
	if err := m.SetLogLevel(slog.LevelError); err != nil {
		t.Fatal(err)
	}
	if _, err := m.Stats(t.Context()); err != nil { // orders are followed one after the other
		t.Fatal(err)
	}
	before, told := strings.Count(m.log.String(), "state changed"), len(m.events.all())
	sshd.KillSessions()
	testenv.Eventually(t, 10*time.Second, "the link is lost and back", func() bool {
		return len(m.events.all()) >= told+2 && m.events.state().State == api.StateUp
	})
	if n := strings.Count(m.log.String(), "state changed"); n != before || before == 0 {
		t.Errorf("%d records of states, before the level was changed %d", n, before)
	}
	// ps shows what it is, and not by which way it was executed.
	comm, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", m.PID()))
	if err != nil || strings.TrimSpace(string(comm)) != processName {
		t.Errorf("ps shows %q, %v", comm, err)
	}
}

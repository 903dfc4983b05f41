package bridge

import (
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// fakeManager is systemd's end of sd_notify.
func fakeManager(t *testing.T) (socket string, next func(want string) string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "notify") // a socket's path must be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	socket = filepath.Join(dir, "sock")
	l, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return socket, func(want string) string {
		t.Helper()
		buf := make([]byte, 4096)
		if err := l.SetReadDeadline(time.Now().Add(5 * time.Second)); err != nil {
			t.Fatal(err)
		}
		for {
			n, err := l.Read(buf)
			if err != nil {
				t.Fatalf("waiting for %s: %v", want, err)
			}
			if got := string(buf[:n]); strings.HasPrefix(got, want) {
				return got
			}
		}
	}
}

func TestServiceManager_hearsOfTheWholeLife(t *testing.T) {
	socket, next := fakeManager(t)
	s, _, _ := testSupervisor(t, testConfig(t, configured("media", "alice@nas:/srv")))
	s.o.Reload = func() (Config, error) { return s.Config(), nil }
	s.notify.m = ServiceManager{NotifySocket: socket, Watchdog: 300 * time.Millisecond}
	stop := run(t, s)
	next(notifyReady)
	for range 3 {
		if got := next(notifyAlive); !strings.Contains(got, "STATUS=") {
			t.Errorf("no status beside the sign of life: %q", got)
		}
	}
	if _, err := s.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := next("RELOADING=1"); !strings.Contains(got, "\nMONOTONIC_USEC=") {
		t.Errorf("systemd needs the time of the reload: %q", got)
	}
	next(notifyReady)
	if _, err := s.WaitMount(t.Context(), "media"); err != nil {
		t.Fatal(err)
	}
	for !strings.Contains(next(notifyAlive), "1 of 1 mounts up, smbd up") {
	}
	stop()
	next(notifyStopping)
}

// A supervisor that is locked up gives no sign of life.
func TestServiceManager_hearsNothingFromALockedSupervisor(t *testing.T) {
	socket, next := fakeManager(t)
	s, _, _ := testSupervisor(t, testConfig(t))
	s.notify.m = ServiceManager{NotifySocket: socket, Watchdog: 150 * time.Millisecond}
	stop := run(t, s)
	next(notifyAlive)
	self := s.self()
	if err := s.answers(t.Context(), self, 5*time.Second); err != nil {
		t.Fatalf("a healthy one does not answer itself: %v", err)
	}
	s.mu.Lock()
	err := s.answers(t.Context(), self, 100*time.Millisecond)
	s.mu.Unlock()
	if err == nil {
		t.Error("a locked supervisor gave a sign of life")
	}
	stop()
}

func TestServiceManagerFromEnv(t *testing.T) {
	for _, tc := range []struct {
		usec, pid string
		want      time.Duration
	}{
		{"30000000", "", 30 * time.Second},
		{"30000000", strconv.Itoa(os.Getpid()), 30 * time.Second},
		{"30000000", "1", 0}, // meant for another process
		{"", "", 0},
		{"nonsense", "", 0},
	} {
		t.Setenv("NOTIFY_SOCKET", "/run/systemd/notify")
		t.Setenv("WATCHDOG_USEC", tc.usec)
		t.Setenv("WATCHDOG_PID", tc.pid)
		got := ServiceManagerFromEnv()
		if want := (ServiceManager{NotifySocket: "/run/systemd/notify", Watchdog: tc.want}); got != want {
			t.Errorf("%+v: %+v, want %+v", tc, got, want)
		}
		for _, name := range []string{"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"} {
			if v, ok := os.LookupEnv(name); ok {
				t.Errorf("%s=%s is left for the children", name, v)
			}
		}
	}
}

func TestServiceManager_thatIsGoneChangesNothing(t *testing.T) {
	s, _, _ := testSupervisor(t, testConfig(t))
	s.notify.m = ServiceManager{NotifySocket: filepath.Join(t.TempDir(), "nobody"), Watchdog: time.Minute}
	run(t, s)()
}

package smbd

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"sshfs-bridge/e2e/testenv"
)

// fakeServer is a Server whose smbd misbehaves.
func fakeServer(t *testing.T, behaviour string) (*setup, *Server, *history) {
	t.Helper()
	s := newSetup(t)
	bin := filepath.Join(s.dir, "bin")
	if err := os.Mkdir(bin, 0o755); err != nil {
		t.Fatal(err)
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	s.o.Program = filepath.Join(bin, "smbd")
	if err := os.Symlink(exe, s.o.Program); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(bin, "behaviour"), []byte(behaviour+" "+s.o.Listen[0]), 0o644); err != nil {
		t.Fatal(err)
	}
	h := &history{}
	s.o.OnState = h.add
	s.o.ProbeTimeout = 200 * time.Millisecond
	s.o.StopGrace = 100 * time.Millisecond
	srv := New(s.o)
	srv.policy.readyTimeout = 500 * time.Millisecond
	srv.policy.backoffFirst = 10 * time.Millisecond
	srv.policy.backoffMax = 50 * time.Millisecond
	return s, srv, h
}

type history struct {
	mu   sync.Mutex
	list []Status
}

func (h *history) add(s Status) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.list = append(h.list, s)
}

func (h *history) count(state State, says string) (n int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, s := range h.list {
		if s.State == state && strings.Contains(s.Cause, says) {
			n++
		}
	}
	return n
}

func TestEndsAtOnce(t *testing.T) {
	testenv.Require(t, "root")
	s, srv, h := fakeServer(t, "exit")
	s.runServer(srv)
	testenv.Eventually(t, 20*time.Second, "three restarts with the cause", func() bool {
		return h.count(StateBackoff, "exit status 7: the configuration is bad") >= 3
	})
	if st := srv.Status(); st.Restarts < 3 || srv.Healthy() == nil {
		t.Errorf("%+v", st)
	}
	select {
	case <-srv.Ready():
		t.Error("ready")
	default:
	}
	if _, err := srv.Sessions(t.Context()); err != nil {
		t.Errorf("Sessions without smbd: %v", err)
	}
	if err := srv.CloseShare(t.Context(), "files"); err != nil {
		t.Errorf("CloseShare without smbd: %v", err)
	}
}

// One that listens, never answers and ignores SIGTERM is killed.
func TestDeaf(t *testing.T) {
	testenv.Require(t, "root")
	s, srv, h := fakeServer(t, "deaf")
	s.runServer(srv)
	testenv.Eventually(t, 20*time.Second, "it is given up", func() bool { return h.count(StateBackoff, "did not answer within") >= 1 })
}

func TestStopsWhileStarting(t *testing.T) {
	testenv.Require(t, "root")
	_, srv, _ := fakeServer(t, "deaf")
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- srv.Run(ctx) }()
	testenv.Eventually(t, 20*time.Second, "it runs", func() bool { return srv.Status().PID != 0 })
	cancel()
	select {
	case err := <-done:
		if err != nil {
			t.Errorf("Run: %v", err)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("Run does not end")
	}
	if st := srv.Status(); st.State != StateStopped || st.PID != 0 || len(srv.pids()) > 0 {
		t.Errorf("%+v, %v", st, srv.pids())
	}
}

// smbd that runs and stops answering is started anew.
func TestFrozen(t *testing.T) {
	testenv.Require(t, "root", "smbd")
	s := newSetup(t)
	h := &history{}
	s.o.OnState, s.o.HealthEvery, s.o.StopGrace = h.add, 50*time.Millisecond, 100*time.Millisecond
	s.o.ProbeTimeout = time.Second
	srv := New(s.o)
	srv.policy.noList = true
	srv.policy.sickPause, srv.policy.sickFor = 10*time.Millisecond, time.Second
	s.runServer(srv)
	s.ready(srv)
	pid := srv.Status().PID
	freeze(t, pid)
	testenv.Eventually(t, time.Minute, "another smbd is ready", func() bool {
		st := srv.Status()
		return st.State == StateReady && st.PID != pid
	})
	if h.count(StateSick, "") == 0 {
		t.Error("the state was never sick")
	}
}

func TestSMBDExecRefuses(t *testing.T) {
	for _, args := range [][]string{nil, {"x"}, {"{}"}, {"{}", "{}"}, {`{"argv":["/bin/true"]}`}} {
		if err := ExecMain(args); err == nil {
			t.Errorf("ExecMain(%q) is accepted", args)
		}
	}
	if err := Probe(t.Context(), "127.0.0.1:1", "", "", "", time.Second); err == nil || errors.Is(err, errProbeRefused) {
		t.Errorf("Probe of nothing: %v", err)
	}
}

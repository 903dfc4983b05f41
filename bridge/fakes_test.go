package bridge

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"sshfs-bridge/bridge/api"
	"sshfs-bridge/bridge/smbd"
	"sshfs-bridge/bridge/worker"
	"sshfs-bridge/smbconf"
)

// fakeWorker is a worker that does what a test says.
type fakeWorker struct {
	pid     int
	spec    Mount
	person  bool // started with a person to ask
	onEvent func(worker.Event)
	done    chan struct{}

	mu       sync.Mutex
	err      error
	ended    bool
	answers  []api.Answer
	calls    []string
	onLogin  func()
	onAnswer func(api.Answer)
	stuck    bool // its writes never land
	deaf     bool // answers no Stats
	cache    int64
}

func (w *fakeWorker) PID() int              { return w.pid }
func (w *fakeWorker) Done() <-chan struct{} { return w.done }

func (w *fakeWorker) Err() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.err
}

// end ends the worker; nil is an orderly end.
func (w *fakeWorker) end(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.ended {
		w.ended, w.err = true, err
		close(w.done)
	}
}

func (w *fakeWorker) call(name string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.calls = append(w.calls, name)
}

func (w *fakeWorker) called() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.calls)
}

func (w *fakeWorker) Answer(a api.Answer) error {
	w.mu.Lock()
	w.answers = append(w.answers, a)
	f := w.onAnswer
	w.mu.Unlock()
	if f != nil {
		f(a)
	}
	return nil
}

func (w *fakeWorker) Login() error {
	w.call("login")
	w.mu.Lock()
	f := w.onLogin
	w.mu.Unlock()
	if f != nil {
		f()
	}
	return nil
}
func (w *fakeWorker) SetCache(n int64) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cache = n
	return nil
}

func (w *fakeWorker) cacheNow() int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.cache
}

func (w *fakeWorker) SetLogLevel(l slog.Level) error { w.call("log level " + l.String()); return nil }

func (w *fakeWorker) Refresh() error { w.call("refresh"); return nil }

func (w *fakeWorker) Drain(ctx context.Context) error {
	w.call("drain")
	w.mu.Lock()
	stuck := w.stuck
	w.mu.Unlock()
	if stuck {
		<-ctx.Done()
		return ctx.Err()
	}
	return nil
}

// neverLands makes the worker's writes wait for ever.
func (w *fakeWorker) neverLands() { w.set(func() { w.stuck = true }) }

// set changes what the worker does, while it may be asked already.
func (w *fakeWorker) set(f func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f()
}

func (w *fakeWorker) Stats(ctx context.Context) (api.TrafficStats, error) {
	w.mu.Lock()
	deaf := w.deaf
	w.mu.Unlock()
	if deaf {
		<-ctx.Done()
		return api.TrafficStats{}, ctx.Err()
	}
	return api.TrafficStats{
		ReadBytes: 42, AheadBytes: 30, WastedBytes: 20, ListedAhead: 4, ListedUsed: 3, Requests: map[string]uint64{"read": 7}, RoundTrips: 5, RoundTripSeconds: 0.5, Waiting: 2, OldestWaitSeconds: 1.5,
		LatencyBounds: []float64{0.001, 0.1}, Operations: map[string]api.OperationStats{"lookup": {Count: 6, Seconds: 3, Buckets: []uint64{1, 2}}},
	}, nil
}
func (w *fakeWorker) Stop(context.Context) error { w.call("stop"); w.end(nil); return nil }
func (w *fakeWorker) Kill()                      { w.call("kill"); w.end(errors.New("killed")) }

func (w *fakeWorker) state(s api.State, cause string, why worker.Reason) {
	w.onEvent(worker.Event{State: &worker.StateEvent{State: s, Cause: cause, Reason: why}})
}

// fakeSystem is a machine where mounting is a note in a list.
type fakeSystem struct {
	mu       sync.Mutex
	log      []string
	workers  []*fakeWorker
	setupErr error
	mountErr error
	// behave is called for each new worker, in a goroutine of its own.
	behave func(*fakeWorker)
}

func (f *fakeSystem) note(s string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.log = append(f.log, s)
}

func (f *fakeSystem) notes() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.log)
}

func (f *fakeSystem) all() []*fakeWorker {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.workers)
}

func (f *fakeSystem) setup(context.Context) error    { f.note("setup"); return f.setupErr }
func (f *fakeSystem) teardown(context.Context) error { f.note("teardown"); return nil }
func (f *fakeSystem) mountpoint(m Mount) string      { return "/mnt/" + m.Name }

func (f *fakeSystem) mount(m Mount) (*os.File, error) {
	f.note("mount " + m.Name)
	f.mu.Lock()
	defer f.mu.Unlock()
	return nil, f.mountErr
}

func (f *fakeSystem) detach(m Mount, lazy bool) error {
	how := "detach "
	if lazy {
		how = "detach lazily "
	}
	f.note(how + m.Name)
	return nil
}
func (f *fakeSystem) release(m Mount) error { f.note("release " + m.Name); return nil }

func (f *fakeSystem) start(_ context.Context, m Mount, _ *os.File, interactive bool, onEvent func(worker.Event)) (mountWorker, error) {
	f.mu.Lock()
	w := &fakeWorker{pid: 1000 + len(f.workers), spec: m, person: interactive, onEvent: onEvent, done: make(chan struct{})}
	f.workers = append(f.workers, w)
	behave := f.behave
	f.mu.Unlock()
	if behave != nil {
		go behave(w)
	}
	return w, nil
}

// comesUp is a worker whose remote answers at once.
func comesUp(w *fakeWorker) {
	w.state(api.StateConnecting, "", "")
	w.state(api.StateUp, "", "")
}

// fakeSMB is an smbd that is ready at once.
type fakeSMB struct {
	mu     sync.Mutex
	state  smbd.Status
	closed []string
	check  error
	loads  int

	refused []string
	onState func(smbd.Status)
}

func (f *fakeSMB) Check(context.Context) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.check
}

func (f *fakeSMB) Run(ctx context.Context) error {
	f.mu.Lock()
	f.state = smbd.Status{State: smbd.StateReady, Since: time.Now(), PID: 99, Refused: f.refused}
	st, tell := f.state, f.onState
	f.mu.Unlock()
	if tell != nil {
		tell(st)
	}
	<-ctx.Done()
	return nil
}

func (f *fakeSMB) Status() smbd.Status {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.state
}

func (f *fakeSMB) Reload(context.Context) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.loads++
	return nil
}

func (f *fakeSMB) CloseShare(_ context.Context, share string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed = append(f.closed, share)
	return nil
}
func (f *fakeSMB) EndShare(_ context.Context, share string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed = append(f.closed, "end "+share)
	return nil
}
func (f *fakeSMB) ClosePath(_ context.Context, path string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed = append(f.closed, path)
	return nil
}
func (f *fakeSMB) SetPassword(context.Context, string, string) error { return nil }
func (f *fakeSMB) Sessions(context.Context) (int, error)             { return 3, nil }

// testConfig is a configuration with directories of the test's own.
func testConfig(t *testing.T, mounts ...Mount) Config {
	t.Helper()
	dir := t.TempDir()
	c := DefaultConfig()
	c.SSHDir, c.StateDir = filepath.Join(dir, "ssh"), filepath.Join(dir, "state")
	c.RunDir, c.Hub = filepath.Join(dir, "run"), filepath.Join(dir, "hub")
	c.UID, c.GID = uint32(os.Getuid()), uint32(os.Getgid())
	c.SMB.Ports, c.SMB.PublishedPort = []int{10445}, 10445
	c.Mounts = mounts
	return c
}

func configured(name, remote string) Mount {
	return Mount{MountSpec: api.MountSpec{Name: name, Remote: remote}, Source: api.SourceConfig}
}

// testSupervisor is a Supervisor on a fake machine, not yet running.
func testSupervisor(t *testing.T, c Config) (*Supervisor, *fakeSystem, *fakeSMB) {
	t.Helper()
	s, err := New(Options{Config: c, Logger: testLogger(t), Exe: "/nonexistent", Version: api.Version{Version: "test"}})
	if err != nil {
		t.Fatal(err)
	}
	sys, smb := &fakeSystem{behave: comesUp}, &fakeSMB{}
	s.sys = sys
	s.smb.newServer = func(o smbd.Options) smbServer {
		smb.mu.Lock()
		defer smb.mu.Unlock()
		smb.onState = o.OnState
		return smb
	}
	s.smb.detect = func(context.Context, string) (smbconf.Version, error) { return smbconf.ParseVersion("4.22.0") }
	s.smb.check = func(context.Context, string, smbconf.Config) error { return nil }
	return s, sys, smb
}

// run runs s until the test ends, or stop is called, which waits.
func run(t *testing.T, s *Supervisor) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	var once sync.Once
	stop = func() {
		once.Do(func() {
			cancel()
			if err := <-done; err != nil {
				t.Errorf("Run: %v", err)
			}
		})
	}
	t.Cleanup(stop)
	return stop
}

// testLogger logs to the test, as long as that runs.
func testLogger(t *testing.T) *slog.Logger {
	t.Helper()
	return slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug}))
}

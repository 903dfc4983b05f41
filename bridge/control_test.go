package bridge

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"sshfs-bridge/bridge/api"
	"sshfs-bridge/bridge/client"
	"sshfs-bridge/bridge/worker"
	"sshfs-bridge/e2e/testenv"
)

// await polls until ok says yes.
func await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	testenv.Eventually(t, 10*time.Second, what, ok)
}

// controlled is a running supervisor on a fake machine, and a client of it.
type controlled struct {
	*client.Client
	s    *Supervisor
	sys  *fakeSystem
	smb  *fakeSMB
	stop func()
}

func newControlled(t *testing.T, c Config, prepare ...func(*controlled)) *controlled {
	t.Helper()
	s, sys, smb := testSupervisor(t, c)
	ct := &controlled{Client: &client.Client{Socket: c.ControlSocket()}, s: s, sys: sys, smb: smb}
	for _, f := range prepare {
		f(ct)
	}
	ct.stop = run(t, s)
	await(t, "the supervisor answers", func() bool { _, err := ct.Status(t.Context()); return err == nil })
	return ct
}

// state is a mount's state, empty while there is no such mount.
func (ct *controlled) state(name string) api.State {
	if u := ct.s.find(name); u != nil {
		return u.status().State
	}
	return ""
}

func TestControl_mountUmount(t *testing.T) {
	ct := newControlled(t, testConfig(t))
	var kinds []api.EventKind
	st, err := ct.Mount(t.Context(), api.MountRequest{Spec: api.MountSpec{Remote: "alice@nas:/srv/media"}}, func(e api.Event) { kinds = append(kinds, e.Kind) }, nil)
	if err != nil {
		t.Fatal(err)
	}
	if st.Name != "media" || st.State != api.StateUp || st.URL != "smb://guest:@127.0.0.1:10445/media" || st.Source != api.SourceCommand {
		t.Errorf("status %+v", st)
	}
	if !slices.Contains(kinds, api.EventAdded) || kinds[len(kinds)-1] != api.EventDone {
		t.Errorf("events %q", kinds)
	}
	await(t, "smbd is up", func() bool { return ct.s.Status().Ready })
	conf, err := os.ReadFile(ct.s.c.smbConfPath())
	if err != nil || !strings.Contains(string(conf), "[media]") {
		t.Errorf("smb.conf without the share: %v\n%s", err, conf)
	}
	m, err := ct.MountStatus(t.Context(), "MEDIA")
	if err != nil || m.Traffic == nil || m.Traffic.ReadBytes != 42 {
		t.Errorf("one mount: %+v, %v", m, err)
	}
	// The same again is no error, another under its name is.
	if _, err := ct.Mount(t.Context(), api.MountRequest{Spec: api.MountSpec{Remote: "alice@nas:/srv/media"}}, nil, nil); err != nil {
		t.Errorf("the same again: %v", err)
	}
	_, err = ct.Mount(t.Context(), api.MountRequest{Spec: api.MountSpec{Remote: "bob@nas:/x", Name: "media"}}, nil, nil)
	if code(err) != api.CodeExists {
		t.Errorf("a name that is taken: %v", err)
	}
	if st, err := ct.Mount(t.Context(), api.MountRequest{Spec: api.MountSpec{Remote: "bob@nas:/media"}}, nil, nil); err != nil || st.Name != "media-2" {
		t.Errorf("a derived name that is taken: %+v, %v", st, err)
	}
	if err := ct.Unmount(t.Context(), "media", 0); err != nil {
		t.Fatal(err)
	}
	if _, err := ct.MountStatus(t.Context(), "media"); code(err) != api.CodeNotFound {
		t.Errorf("unmounted and still there: %v", err)
	}
	d, _, err := loadDesired(ct.s.c.StateDir)
	if err != nil || len(d.Mounts) != 1 || d.Mounts[0].Name != "media-2" {
		t.Errorf("kept: %+v, %v", d, err)
	}
}

func code(err error) api.ErrorCode {
	var e *api.Error
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

func TestControl_mountThatFailsLeavesNothing(t *testing.T) {
	for _, tc := range []struct {
		state api.State
		why   worker.Reason
		code  api.ErrorCode
	}{
		{api.StateDegraded, worker.ReasonUnreachable, api.CodeNotUp},
		{api.StateDown, worker.ReasonHostKey, api.CodeNotUp},
		{api.StateDown, worker.ReasonNoPath, api.CodeNotUp},
		{api.StateDown, worker.ReasonConfig, api.CodeInvalid},
		{api.StateNeedsLogin, worker.ReasonNeedsPerson, api.CodeNotUp},
	} {
		t.Run(string(tc.why), func(t *testing.T) {
			ct := newControlled(t, testConfig(t))
			ct.sys.behave = func(w *fakeWorker) {
				w.state(api.StateConnecting, "", "")
				w.state(tc.state, "the exact reason", tc.why)
			}
			_, err := ct.Mount(t.Context(), api.MountRequest{Spec: api.MountSpec{Remote: "nas:/media"}}, nil, nil)
			if code(err) != tc.code || !strings.Contains(fmt.Sprint(err), "the exact reason") {
				t.Errorf("error %v", err)
			}
			mounts, err := ct.Mounts(t.Context())
			if err != nil || len(mounts) != 0 {
				t.Errorf("left: %+v, %v", mounts, err)
			}
			if d, _, _ := loadDesired(ct.s.c.StateDir); len(d.Mounts) != 0 {
				t.Errorf("kept: %+v", d)
			}
			if n := ct.sys.notes(); !slices.Contains(n, "release media") {
				t.Errorf("steps %q", n)
			}
		})
	}
}

func TestControl_keepTryingKeepsTheMount(t *testing.T) {
	ct := newControlled(t, testConfig(t))
	ct.sys.behave = func(w *fakeWorker) { w.state(api.StateDegraded, "no route to host", worker.ReasonUnreachable) }
	st, err := ct.Mount(t.Context(), api.MountRequest{Spec: api.MountSpec{Remote: "nas:/media"}, KeepTrying: true}, nil, nil)
	if err != nil || st.State != api.StateDegraded || st.Cause != "no route to host" {
		t.Errorf("%+v, %v", st, err)
	}
	if d, _, _ := loadDesired(ct.s.c.StateDir); len(d.Mounts) != 1 {
		t.Errorf("kept: %+v", d)
	}
}

func TestControl_slowRemoteDelaysNobody(t *testing.T) {
	ct := newControlled(t, testConfig(t))
	ct.sys.behave = func(w *fakeWorker) {
		w.state(api.StateConnecting, "", "")
		if w.spec.Name != "slow" {
			w.state(api.StateUp, "", "")
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	failed := make(chan error, 1)
	go func() {
		_, err := ct.Mount(ctx, api.MountRequest{Spec: api.MountSpec{Remote: "nas:/slow"}}, nil, nil)
		failed <- err
	}()
	await(t, "the slow one is there", func() bool { return ct.s.find("slow") != nil })
	if _, err := ct.Mount(t.Context(), api.MountRequest{Spec: api.MountSpec{Remote: "nas:/fast"}}, nil, nil); err != nil {
		t.Fatal(err)
	}
	// Whoever gives up takes the mount back.
	cancel()
	if err := <-failed; !errors.Is(err, context.Canceled) {
		t.Errorf("given up: %v", err)
	}
	await(t, "the slow one is gone", func() bool { return ct.s.find("slow") == nil })
}

func TestControl_questionsAreAnsweredOnTheStream(t *testing.T) {
	ct := newControlled(t, testConfig(t))
	ct.sys.behave = func(w *fakeWorker) {
		w.mu.Lock()
		w.onAnswer = func(a api.Answer) {
			if a.Text == "secret" {
				w.state(api.StateUp, "", "")
			} else {
				w.state(api.StateDown, "login refused", worker.ReasonLogin)
			}
		}
		w.mu.Unlock()
		w.state(api.StateConnecting, "", "")
		w.onEvent(worker.Event{Question: &api.Question{ID: "q1", Kind: "password", Prompt: "alice@nas's password:"}})
	}
	ask := func(answer string) client.Asker {
		return func(_ context.Context, q api.Question) (api.Answer, error) {
			if q.Prompt != "alice@nas's password:" {
				t.Errorf("question %+v", q)
			}
			return api.Answer{Text: answer}, nil
		}
	}
	if _, err := ct.Mount(t.Context(), api.MountRequest{Spec: api.MountSpec{Remote: "alice@nas:/a"}}, nil, ask("wrong")); code(err) != api.CodeNotUp {
		t.Errorf("wrong password: %v", err)
	}
	if st, err := ct.Mount(t.Context(), api.MountRequest{Spec: api.MountSpec{Remote: "alice@nas:/b"}}, nil, ask("secret")); err != nil || st.State != api.StateUp {
		t.Errorf("right password: %+v, %v", st, err)
	}
	if !ct.sys.all()[0].person {
		t.Error("the worker was not told that somebody can be asked")
	}
	for _, r := range ct.s.ring.past() {
		if strings.Contains(fmt.Sprint(r), "secret") {
			t.Errorf("a secret in the log: %+v", r)
		}
	}
}

func TestControl_loginTriesAgain(t *testing.T) {
	ct := newControlled(t, testConfig(t, configured("media", "nas:/media")), func(ct *controlled) {
		ct.sys.behave = func(w *fakeWorker) {
			w.set(func() {
				w.onLogin = func() { w.state(api.StateConnecting, "", ""); w.state(api.StateUp, "", "") }
			})
			w.state(api.StateNeedsLogin, "a passphrase is needed", worker.ReasonNeedsPerson)
		}
	})
	await(t, "needs-login", func() bool { return ct.state("media") == api.StateNeedsLogin })
	if st, err := ct.Login(t.Context(), "media", nil, nil); err != nil || st.State != api.StateUp {
		t.Errorf("%+v, %v", st, err)
	}
}

func TestControl_refusesWhatDoesNotComeFromItsClient(t *testing.T) {
	ct := newControlled(t, testConfig(t))
	hc := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", ct.SocketPath())
	}}}
	defer hc.CloseIdleConnections()
	get := func(method, host, path, header, body string) (int, api.Error) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, "http://"+host+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		if k, v, ok := strings.Cut(header, ": "); ok {
			req.Header.Set(k, v)
		}
		resp, err := hc.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if resp.Header.Get(api.VersionHeader) != "test" {
			t.Errorf("%s %s: version %q", method, path, resp.Header.Get(api.VersionHeader))
		}
		var e api.Error
		_ = json.NewDecoder(resp.Body).Decode(&e) // not every answer is an error
		return resp.StatusCode, e
	}
	for _, tc := range []struct {
		method, host, path, header, body string
		status                           int
	}{
		{"GET", api.Host, "/v1/status", "", "", 200},
		{"GET", api.Host, "/v1/status", "Origin: http://evil.example", "", 403},
		{"GET", api.Host, "/v1/status", "Referer: http://evil.example/", "", 403},
		{"GET", "evil.example", "/v1/status", "", "", 403},
		{"GET", api.Host, "/v2/status", "", "", 404},
		{"GET", api.Host, "/v1/mounts/none", "", "", 404},
		{"POST", api.Host, "/v1/mounts", "", "{", 400},
		{"POST", api.Host, "/v1/mounts", "", `{"spec":{"remote":"nas:"},"bogus":1}`, 400},
		{"POST", api.Host, "/v1/mounts", "", `{"spec":{"remote":""}}`, 400},
		{"POST", api.Host, "/v1/mounts", "", `{"spec":{"remote":"nas:","name":"../etc"}}`, 400},
		{"POST", api.Host, "/v1/mounts", "", `{"spec":{"remote":"nas:","cache":"` + strings.Repeat("x", maxBody) + `"}}`, 400},
		{"PUT", api.Host, "/v1/status", "", "", 404},
		{"GET", api.Host, "/healthz", "", "", 200},
	} {
		await(t, "smbd is up", func() bool { return ct.s.Status().Ready })
		if got, e := get(tc.method, tc.host, tc.path, tc.header, tc.body); got != tc.status {
			t.Errorf("%s %s%s %s %.40s: %d %s, want %d", tc.method, tc.host, tc.path, tc.header, tc.body, got, e.Message, tc.status)
		}
	}
	if p := (peer{known: true, uid: 4711}); os.Geteuid() != 4711 && p.mayWrite() {
		t.Error("a stranger may write")
	}
	fi, err := os.Stat(ct.SocketPath())
	if err != nil || fi.Mode().Perm() != 0o660 {
		t.Errorf("socket %v %v", fi.Mode(), err)
	}
	if fi, err := os.Stat(filepath.Dir(ct.SocketPath())); err != nil || fi.Mode().Perm() != 0o750 {
		t.Errorf("directory %v %v", fi.Mode(), err)
	}
}

func TestControl_eventsLogsAndMetrics(t *testing.T) {
	ct := newControlled(t, testConfig(t))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	seen := make(chan api.Event, 64)
	go func() { _ = ct.Events(ctx, "media", func(e api.Event) error { seen <- e; return nil }) }()
	await(t, "a subscriber", func() bool { ct.s.bus.mu.Lock(); defer ct.s.bus.mu.Unlock(); return len(ct.s.bus.subs) == 1 })
	if _, err := ct.Mount(t.Context(), api.MountRequest{Spec: api.MountSpec{Remote: "nas:/media"}}, nil, nil); err != nil {
		t.Fatal(err)
	}
	if e := <-seen; e.Kind != api.EventAdded || e.Mount != "media" {
		t.Errorf("first event %+v", e)
	}
	var found bool
	err := ct.Logs(t.Context(), client.LogOptions{Mount: "media", Level: "info"}, func(r api.LogRecord) error {
		found = found || r.Message == "mount added"
		if r.Mount != "media" || r.Level == "DEBUG" {
			t.Errorf("record %+v", r)
		}
		return nil
	})
	if err != nil || !found {
		t.Errorf("logs: %v, found %v", err, found)
	}
	await(t, "smbd is up", func() bool { return ct.s.Status().Ready })
	var b strings.Builder
	if err := ct.Metrics(t.Context(), &b); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`sshfs_bridge_mounts{state="up"} 1`, `sshfs_bridge_mount_up{mount="media"} 1`, `sshfs_bridge_remote_bytes_total{direction="read",mount="media"} 42`, "sshfs_bridge_smbd_sessions 3",
		`sshfs_bridge_read_ahead_bytes_total{mount="media"} 30`, `sshfs_bridge_read_ahead_wasted_bytes_total{mount="media"} 20`,
		`sshfs_bridge_listed_ahead_total{mount="media"} 4`, `sshfs_bridge_listed_ahead_used_total{mount="media"} 3`,
		`sshfs_bridge_round_trips_total{mount="media"} 5`, `sshfs_bridge_operations_waiting{mount="media"} 2`,
		`sshfs_bridge_operation_duration_seconds_bucket{kind="lookup",mount="media",le="0.001"} 1`,
		`sshfs_bridge_operation_duration_seconds_bucket{kind="lookup",mount="media",le="0.1"} 3`,
		`sshfs_bridge_operation_duration_seconds_bucket{kind="lookup",mount="media",le="+Inf"} 6`,
		`sshfs_bridge_operation_duration_seconds_sum{kind="lookup",mount="media"} 3`,
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("metrics lack %s", want)
		}
	}
}

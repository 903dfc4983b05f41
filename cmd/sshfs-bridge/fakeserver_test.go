package main

import (
	"cmp"
	"encoding/json"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"sshfs-bridge/bridge/api"
)

// serveFake is a supervisor's control socket with fixed answers, so that the
// command line can be tried without root.
func serveFake(tb testing.TB, dir string) (socket string) {
	tb.Helper()
	since := time.Now().Add(-90 * time.Second).UTC()
	up := api.MountStatus{
		Name: "media", Remote: "alice@nas:/srv/media", Mountpoint: "/run/sshfs-bridge/mnt/media", Share: "media",
		URL: "smb://guest:@127.0.0.1:10445/media", Source: api.SourceCommand, State: api.StateUp, Since: since, WorkerPID: 42,
		Traffic: &api.TrafficStats{
			RTTSeconds: 0.0204, ReadBytes: 5 << 20, CacheHits: 3, CacheMisses: 1, ReadRate: 3 << 20, CacheBytes: 7 << 20, PendingBytes: 2 << 10,
			Waiting: 2, OldestWaitSeconds: 12,
		},
		LastError: "connection reset", LastErrorAt: &since,
	}
	down := api.MountStatus{
		Name: "logs", Remote: "web1:/var/log", Mountpoint: "/run/sshfs-bridge/mnt/logs", Share: "logs",
		URL: "smb://guest:@127.0.0.1:10445/logs", Source: api.SourceConfig, State: api.StateNeedsLogin, Since: since, Cause: "a passphrase is needed",
	}
	status := api.Status{
		Version: buildVersion().Version, PID: 7, Since: since, Ready: true, Hub: "/samba-share", HubURL: "smb://guest:@127.0.0.1:10445/SSHFS%20Share",
		SMB:    api.SMBStatus{State: "up", Since: since, Ports: []int{445, 139}, PublishedHost: "127.0.0.1", PublishedPort: 10445, Auth: "guest"},
		Mounts: []api.MountStatus{up, down},
	}
	answer := func(w http.ResponseWriter, code int, v any) {
		w.Header().Set(api.VersionHeader, cmp.Or(os.Getenv("FAKE_VERSION"), buildVersion().Version))
		w.WriteHeader(code)
		if err := json.NewEncoder(w).Encode(v); err != nil {
			tb.Error(err)
		}
	}
	notFound := func(w http.ResponseWriter, name string) {
		e := &api.Error{Code: api.CodeNotFound, Mount: name, Message: `there is no mount called "` + name + `"`}
		answer(w, e.HTTPStatus(), e)
	}
	asked := make(chan struct{}) // closed when somebody asks for the slow mount
	var askedOnce sync.Once
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/status", func(w http.ResponseWriter, _ *http.Request) { answer(w, 200, status) })
	mux.HandleFunc("GET /v1/mounts", func(w http.ResponseWriter, _ *http.Request) { answer(w, 200, api.MountList{Mounts: status.Mounts}) })
	mux.HandleFunc("GET /v1/mounts/{name}", func(w http.ResponseWriter, r *http.Request) {
		switch r.PathValue("name") {
		case "media":
			answer(w, 200, up)
		case "slow":
			askedOnce.Do(func() { close(asked) })
			answer(w, 200, api.MountStatus{Name: "slow", State: api.StateUnmounting, Traffic: &api.TrafficStats{PendingBytes: 12 << 20}})
		default:
			notFound(w, r.PathValue("name"))
		}
	})
	mux.HandleFunc("DELETE /v1/mounts/{name}", func(w http.ResponseWriter, r *http.Request) {
		switch r.PathValue("name") {
		case "slow": // until it was told what it waits for
			select {
			case <-asked:
			case <-r.Context().Done():
			}
			answer(w, 200, struct{}{})
		case "media":
			answer(w, 200, struct{}{})
		default:
			notFound(w, r.PathValue("name"))
		}
	})
	mux.HandleFunc("POST /v1/reload", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, 200, api.ReloadResult{Removed: 1, Added: 2, NextStart: []string{"smb.ports"}})
	})
	mux.HandleFunc("POST /v1/mounts", func(w http.ResponseWriter, r *http.Request) { answerMount(tb, w, r, up) })
	mux.HandleFunc("GET /v1/logs", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, 200, api.LogRecord{Time: since, Level: "WARN", Message: "connection lost", Mount: "media", Attrs: map[string]any{"attempt": 1, "err": "read: connection reset"}})
	})
	mux.HandleFunc("GET /v1/events", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, 200, api.Event{Time: since, Kind: api.EventState, Mount: "media", State: api.StateUp, Previous: api.StateConnecting})
	})
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, 200, api.Health{Reasons: []string{"smbd is backoff: port 445 is in use"}})
	})
	socket = filepath.Join(dir, "sock")
	l, err := net.Listen("unix", socket)
	if err != nil {
		tb.Fatal(err)
	}
	srv := &http.Server{Handler: mux, ReadHeaderTimeout: time.Second}
	done := make(chan struct{})
	go func() { defer close(done); _ = srv.Serve(l) }() // ends with Close
	tb.Cleanup(func() { srv.Close(); <-done })
	return socket
}

// answerMount accepts the host nas and no other, and echoes the spec.
func answerMount(tb testing.TB, w http.ResponseWriter, r *http.Request, up api.MountStatus) {
	tb.Helper()
	var req api.MountRequest
	if err := json.NewDecoder(r.Body).Decode(&req); err != nil {
		tb.Error(err)
	}
	send := json.NewEncoder(w)
	_ = send.Encode(api.Event{Kind: api.EventState, State: api.StateConnecting, Previous: api.StateMounting})
	if req.Spec.Remote != "alice@nas:/srv/media" {
		_ = send.Encode(api.Event{Kind: api.EventFailed, Error: &api.Error{
			Code: api.CodeNotUp, Message: req.Spec.Remote + ": no route to host", Hint: "check the network",
		}})
		return
	}
	up.ReadOnly = req.Spec.ReadOnly
	_ = send.Encode(api.Event{Kind: api.EventDone, Status: &up})
}

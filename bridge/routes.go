package bridge

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"sshfs-bridge/bridge/api"
)

// routes are the control socket's paths.
func (s *Supervisor) routes() http.Handler {
	mux := http.NewServeMux()
	handle := func(pattern string, h func(w http.ResponseWriter, r *http.Request) error) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			if err := h(w, r); err != nil {
				writeError(w, err)
			}
		})
	}
	handle("GET /v1/version", s.getVersion)
	handle("GET /v1/status", s.getStatus)
	handle("GET /v1/mounts", s.getMounts)
	handle("POST /v1/mounts", s.postMount)
	handle("GET /v1/mounts/{name}", s.getMount)
	handle("DELETE /v1/mounts/{name}", s.deleteMount)
	handle("POST /v1/mounts/{name}/answers", s.postAnswer)
	handle("POST /v1/mounts/{name}/login", s.postLogin)
	handle("POST /v1/mounts/{name}/refresh", s.postRefresh)
	handle("POST /v1/mounts/{name}/hostkey", s.postHostKey)
	handle("POST /v1/smb/password", s.postPassword)
	handle("POST /v1/reload", s.postReload)
	handle("GET /v1/events", s.getEvents)
	handle("GET /v1/logs", s.getLogs)
	handle("GET /healthz", s.getHealth)
	mux.Handle("GET /metrics", s.metricsHandler())
	handle("/", func(_ http.ResponseWriter, r *http.Request) error {
		return &api.Error{Code: api.CodeNotFound, Message: "no such path: " + r.Method + " " + r.URL.Path}
	})
	return mux
}

func (s *Supervisor) getVersion(w http.ResponseWriter, _ *http.Request) error {
	v := s.o.Version
	s.smb.mu.Lock()
	if s.smb.version.Major != 0 {
		v.SMBD = s.smb.version.String()
	}
	s.smb.mu.Unlock()
	return writeJSON(w, v)
}

func (s *Supervisor) getStatus(w http.ResponseWriter, r *http.Request) error {
	st := s.Status()
	s.addTraffic(r.Context(), st.Mounts)
	return writeJSON(w, st)
}

func (s *Supervisor) getMounts(w http.ResponseWriter, _ *http.Request) error {
	return writeJSON(w, api.MountList{Mounts: s.Status().Mounts})
}

func (s *Supervisor) getMount(w http.ResponseWriter, r *http.Request) error {
	u, err := s.unitOf(r)
	if err != nil {
		return err
	}
	st := []api.MountStatus{s.unitStatus(u)}
	s.addTraffic(r.Context(), st)
	return writeJSON(w, st[0])
}

func (s *Supervisor) deleteMount(w http.ResponseWriter, r *http.Request) error {
	u, err := s.unitOf(r)
	if err != nil {
		return err
	}
	drain := defaultDrain
	if v := r.URL.Query().Get("drain_seconds"); v != "" {
		n, err := strconv.ParseFloat(v, 64)
		if err != nil || n < 0 || n > 3600 {
			return &api.Error{Code: api.CodeInvalid, Message: fmt.Sprintf("drain_seconds: %q is not a number from 0 to 3600", v)}
		}
		drain = time.Duration(n * float64(time.Second))
	}
	if err := s.Unmount(r.Context(), u.m.Name, drain); err != nil {
		return err
	}
	return writeJSON(w, struct{}{})
}

func (s *Supervisor) postAnswer(w http.ResponseWriter, r *http.Request) error {
	u, err := s.unitOf(r)
	if err != nil {
		return err
	}
	a, err := readJSON[api.Answer](r)
	if err != nil {
		return err
	}
	if e := u.answer(a); e != nil {
		return e
	}
	return writeJSON(w, struct{}{})
}

func (s *Supervisor) postRefresh(w http.ResponseWriter, r *http.Request) error {
	u, err := s.unitOf(r)
	if err != nil {
		return err
	}
	p := u.worker()
	if p == nil {
		return notUp(u)
	}
	if err := p.Refresh(); err != nil {
		return &api.Error{Code: api.CodeInternal, Mount: u.m.Name, Message: err.Error()}
	}
	return writeJSON(w, struct{}{})
}

func (s *Supervisor) postHostKey(w http.ResponseWriter, r *http.Request) error {
	// A mount that failed the first time is not there: its host is named instead.
	u, m := s.find(r.PathValue("name")), api.MountSpec{Remote: r.PathValue("name")}
	if u != nil {
		m = u.m.MountSpec
	}
	req, err := readJSON[api.HostKeyRequest](r)
	if err != nil {
		return err
	}
	if req.Action != "accept" && req.Action != "forget" {
		return &api.Error{Code: api.CodeInvalid, Message: fmt.Sprintf("action: %q is neither accept nor forget", req.Action)}
	}
	gone, err := s.hostKey(u, m, req.Action == "accept")
	if err != nil {
		return err
	}
	return writeJSON(w, api.HostKeyResult{Forgotten: append([]string{}, gone...)})
}

func (s *Supervisor) postReload(w http.ResponseWriter, r *http.Request) error {
	result, err := s.Reload(r.Context())
	if err != nil {
		return err
	}
	return writeJSON(w, result)
}

// unitOf is the unit that the path names.
func (s *Supervisor) unitOf(r *http.Request) (*unit, error) {
	name := r.PathValue("name")
	if u := s.find(name); u != nil {
		return u, nil
	}
	return nil, &api.Error{Code: api.CodeNotFound, Mount: name, Message: fmt.Sprintf("there is no mount called %q", name), Hint: "`sshfs-bridge list` shows what there is"}
}

func notUp(u *unit) *api.Error {
	st := u.status()
	return &api.Error{Code: api.CodeNotUp, Mount: st.Name, Message: fmt.Sprintf("%s is %s: %s", st.Name, st.State, st.Cause)}
}

// readJSON decodes a body strictly: a misspelt field is an error, not a default.
func readJSON[T any](r *http.Request) (T, error) {
	var v T
	d := json.NewDecoder(r.Body)
	d.DisallowUnknownFields()
	if err := d.Decode(&v); err != nil {
		return v, &api.Error{Code: api.CodeInvalid, Message: "the request cannot be read: " + err.Error()}
	}
	if d.More() {
		return v, &api.Error{Code: api.CodeInvalid, Message: "the request holds more than one value"}
	}
	return v, nil
}

func writeJSON(w http.ResponseWriter, v any) error {
	w.Header().Set("Content-Type", "application/json")
	// A client that has gone is nobody's error.
	_ = json.NewEncoder(w).Encode(v)
	return nil
}

// writeError answers with err as an api.Error.
func writeError(w http.ResponseWriter, err error) {
	e := apiError(err)
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(e.HTTPStatus())
	_ = json.NewEncoder(w).Encode(e)
}

// apiError makes an api.Error of any error.
func apiError(err error) *api.Error {
	var e *api.Error
	var ce *ConfigError
	switch {
	case errors.As(err, &e):
		return e
	case errors.As(err, &ce):
		return ce.API()
	case errors.Is(err, context.Canceled):
		return &api.Error{Code: api.CodeUnavailable, Message: "given up"}
	default:
		return &api.Error{Code: api.CodeInternal, Message: err.Error()}
	}
}

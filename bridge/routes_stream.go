package bridge

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"sshfs-bridge/bridge/api"
)

// stream writes JSON lines, each sent at once.
type stream struct {
	w http.ResponseWriter
	c *http.ResponseController
}

func newStream(w http.ResponseWriter) *stream {
	w.Header().Set("Content-Type", "application/x-ndjson")
	st := &stream{w: w, c: http.NewResponseController(w)}
	w.WriteHeader(http.StatusOK)
	_ = st.c.Flush()
	return st
}

// send writes one line; an error means that the reader has gone.
func (st *stream) send(v any) error {
	if err := json.NewEncoder(st.w).Encode(v); err != nil {
		return err
	}
	return st.c.Flush()
}

// keepAlive writes a blank line, so that a reader's end is noticed.
func (st *stream) keepAlive() error {
	if _, err := st.w.Write([]byte("\n")); err != nil {
		return err
	}
	return st.c.Flush()
}

// keepAliveEvery is how often a silent stream shows that it lives.
const keepAliveEvery = 15 * time.Second

func (s *Supervisor) getEvents(w http.ResponseWriter, r *http.Request) error {
	events, cancel := s.bus.subscribe(r.URL.Query().Get("mount"))
	defer cancel()
	st := newStream(w)
	tick := time.NewTicker(keepAliveEvery)
	defer tick.Stop()
	for {
		var err error
		select {
		case e, ok := <-events:
			if !ok {
				return nil
			}
			err = st.send(e)
		case <-tick.C:
			err = st.keepAlive()
		case <-r.Context().Done():
			return nil
		}
		if err != nil {
			return nil // the reader has gone: there is nobody to tell
		}
	}
}

func (s *Supervisor) getLogs(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	level := slog.LevelDebug
	if v := q.Get("level"); v != "" {
		if err := level.UnmarshalText([]byte(v)); err != nil {
			return &api.Error{Code: api.CodeInvalid, Message: fmt.Sprintf("level: %q is none of debug, info, warn, error", v)}
		}
	}
	wanted := func(rec api.LogRecord) bool {
		var l slog.Level
		_ = l.UnmarshalText([]byte(rec.Level)) // written by slog
		return l >= level && (q.Get("mount") == "" || sameName(q.Get("mount"), rec.Mount))
	}
	past, more, cancel := s.ring.follow()
	defer cancel()
	var chosen []api.LogRecord
	for _, rec := range past {
		if wanted(rec) {
			chosen = append(chosen, rec)
		}
	}
	if v := q.Get("lines"); v != "" {
		n, err := strconv.Atoi(v)
		if err != nil || n < 0 {
			return &api.Error{Code: api.CodeInvalid, Message: fmt.Sprintf("lines: %q is not a number", v)}
		}
		chosen = chosen[max(0, len(chosen)-n):]
	}
	st := newStream(w)
	for _, rec := range chosen {
		if err := st.send(rec); err != nil {
			return nil // the reader has gone
		}
	}
	if !truthy(q.Get("follow")) {
		return nil
	}
	tick := time.NewTicker(keepAliveEvery)
	defer tick.Stop()
	for {
		var err error
		select {
		case rec := <-more:
			if wanted(rec) {
				err = st.send(rec)
			}
		case <-tick.C:
			err = st.keepAlive()
			if s.isStopping() {
				return nil
			}
		case <-r.Context().Done():
			return nil
		}
		if err != nil {
			return nil // the reader has gone
		}
	}
}

func truthy(v string) bool { return v != "" && v != "0" && !strings.EqualFold(v, "false") }

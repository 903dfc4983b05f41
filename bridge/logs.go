package bridge

import (
	"context"
	"log/slog"
	"slices"
	"sync"

	"sshfs-bridge/bridge/api"
)

// logRing keeps the recent log records and hands new ones to followers.
type logRing struct {
	mu   sync.Mutex
	buf  []api.LogRecord // GUARDED_BY(mu), a ring once it is full
	next int             // GUARDED_BY(mu), where the next one goes
	subs map[chan api.LogRecord]struct{}
}

// logRingSize is how many records are kept.
const logRingSize = 4096

func (r *logRing) add(rec api.LogRecord) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.buf) < logRingSize {
		r.buf = append(r.buf, rec)
	} else {
		r.buf[r.next] = rec
		r.next = (r.next + 1) % logRingSize
	}
	for c := range r.subs {
		select {
		case c <- rec:
		default: // a follower that lags loses records, never the log
		}
	}
}

// past returns the kept records, oldest first.
func (r *logRing) past() []api.LogRecord {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Concat(r.buf[r.next:], r.buf[:r.next])
}

// follow returns the kept records and a channel of the ones after them.
func (r *logRing) follow() (past []api.LogRecord, more <-chan api.LogRecord, cancel func()) {
	c := make(chan api.LogRecord, 1024)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.subs == nil {
		r.subs = map[chan api.LogRecord]struct{}{}
	}
	r.subs[c] = struct{}{}
	return slices.Concat(r.buf[r.next:], r.buf[:r.next]), c, func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(r.subs, c)
	}
}

// handler wraps h so that the ring sees every record that h would write.
func (r *logRing) handler(h slog.Handler) slog.Handler { return &ringHandler{ring: r, h: h} }

// ringHandler copies records into a ring on their way to another handler.
type ringHandler struct {
	ring   *logRing
	h      slog.Handler
	attrs  []slog.Attr
	prefix string // the open groups, each with its dot
}

func (h *ringHandler) Enabled(ctx context.Context, l slog.Level) bool { return h.h.Enabled(ctx, l) }

func (h *ringHandler) Handle(ctx context.Context, r slog.Record) error {
	rec := api.LogRecord{Time: r.Time.UTC(), Level: r.Level.String(), Message: r.Message}
	put := func(prefix string, a slog.Attr) {
		v := a.Value.Resolve()
		if a.Key == "mount" && prefix == "" {
			rec.Mount = v.String()
			return
		}
		if rec.Attrs == nil {
			rec.Attrs = map[string]any{}
		}
		flatten(rec.Attrs, prefix+a.Key, v)
	}
	for _, a := range h.attrs {
		put("", a)
	}
	r.Attrs(func(a slog.Attr) bool {
		put(h.prefix, a)
		return true
	})
	h.ring.add(rec)
	return h.h.Handle(ctx, r)
}

func (h *ringHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	c := *h
	c.h = h.h.WithAttrs(attrs)
	c.attrs = slices.Clone(h.attrs)
	for _, a := range attrs {
		a.Key = h.prefix + a.Key
		c.attrs = append(c.attrs, a)
	}
	return &c
}

func (h *ringHandler) WithGroup(name string) slog.Handler {
	c := *h
	c.h = h.h.WithGroup(name)
	c.prefix = h.prefix + name + "."
	return &c
}

// flatten stores a value under its key in a form that JSON shows well.
func flatten(m map[string]any, key string, v slog.Value) {
	switch v.Kind() {
	case slog.KindGroup:
		for _, a := range v.Group() {
			flatten(m, key+"."+a.Key, a.Value.Resolve())
		}
	case slog.KindDuration:
		m[key] = v.Duration().String()
	case slog.KindAny:
		if err, ok := v.Any().(error); ok {
			m[key] = err.Error()
			return
		}
		m[key] = v.String()
	default:
		m[key] = v.Any()
	}
}

func discardLog() *slog.Logger { return slog.New(slog.DiscardHandler) }

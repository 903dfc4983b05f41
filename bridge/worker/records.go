package worker

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"time"
)

const (
	maxRecord = 64 << 10 // a longer line is cut
	tailLines = 8        // kept of what is no record, for Process.Err
)

// records makes the starter's log records of what a worker writes to its
// standard error.
type records struct {
	log *slog.Logger

	mu   sync.Mutex
	last []string // GUARDED_BY(mu): the first lines of the latest plain output
}

func newRecords(log *slog.Logger) *records { return &records{log: log} }

// read takes lines until the end.
func (r *records) read(from io.Reader) {
	in := bufio.NewReaderSize(from, maxRecord)
	for {
		line, err := in.ReadSlice('\n')
		r.line(bytes.TrimRight(line, "\r\n"))
		for errors.Is(err, bufio.ErrBufferFull) { // the rest of the line
			_, err = in.ReadSlice('\n')
		}
		if err != nil {
			return
		}
	}
}

func (r *records) line(line []byte) {
	if len(bytes.TrimSpace(line)) == 0 {
		return
	}
	ctx := context.Background()
	rec, err := parseRecord(line)
	if err != nil {
		text := string(line)
		r.mu.Lock()
		// A panic says what happened first, and then where at length.
		if len(r.last) < tailLines {
			r.last = append(r.last, strings.TrimSpace(text[:min(len(text), 300)]))
		}
		r.mu.Unlock()
		r.log.LogAttrs(ctx, slog.LevelError, "worker: "+text)
		return
	}
	if h := r.log.Handler(); h.Enabled(ctx, rec.Level) {
		_ = h.Handle(ctx, rec) // nowhere to tell that the log fails
	}
}

// tail is the beginning of what the worker wrote besides records.
func (r *records) tail() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return strings.Join(r.last, "; ")
}

// parseRecord reads a record as slog's JSON handler writes it. The order of
// the attributes is kept; groups stay values.
func parseRecord(line []byte) (slog.Record, error) {
	dec := json.NewDecoder(bytes.NewReader(line))
	dec.UseNumber()
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return slog.Record{}, errors.New("not a record")
	}
	rec := slog.Record{Time: time.Now()}
	var attrs []slog.Attr
	seen := map[string]bool{}
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return slog.Record{}, err
		}
		var value any
		if err := dec.Decode(&value); err != nil {
			return slog.Record{}, err
		}
		name := fmt.Sprint(key)
		text, isText := value.(string)
		first := !seen[name]
		seen[name] = true
		switch {
		case first && name == slog.TimeKey && isText:
			if t, err := time.Parse(time.RFC3339Nano, text); err == nil {
				rec.Time = t
			}
		case first && name == slog.LevelKey && isText:
			if err := rec.Level.UnmarshalText([]byte(text)); err != nil {
				return slog.Record{}, err
			}
		case first && name == slog.MessageKey && isText:
			rec.Message = text
		default:
			attrs = append(attrs, slog.Attr{Key: name, Value: slogValue(value)})
		}
	}
	if !seen[slog.LevelKey] || !seen[slog.MessageKey] {
		return slog.Record{}, errors.New("not a record")
	}
	if t, err := dec.Token(); err != nil || t != json.Delim('}') {
		return slog.Record{}, errors.New("not a record")
	}
	rec.AddAttrs(attrs...)
	return rec, nil
}

func slogValue(v any) slog.Value {
	switch v := v.(type) {
	case string:
		return slog.StringValue(v)
	case bool:
		return slog.BoolValue(v)
	case json.Number:
		if n, err := v.Int64(); err == nil {
			return slog.Int64Value(n)
		}
		if f, err := v.Float64(); err == nil {
			return slog.Float64Value(f)
		}
		return slog.StringValue(v.String())
	default:
		return slog.AnyValue(v)
	}
}

package worker

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"
)

func TestRecordsCross(t *testing.T) {
	var wire, here bytes.Buffer
	there := slog.New(slog.NewJSONHandler(&wire, &slog.HandlerOptions{Level: slog.LevelDebug}))
	there.Warn("a message", "z", 1, "a", "text", "dur", time.Second, "ok", true, "f", 1.5, "group", slog.GroupValue(slog.Int("n", 2)))
	there.Debug("not wanted")
	wire.WriteString("panic: something\n\ngoroutine 1 [running]:\n")
	wire.WriteString(`{"level":"INFO"}` + "\n")
	wire.WriteString(`{"time":"x","level":"LOUD","msg":"y"}` + "\n")
	wire.WriteString(strings.Repeat("x", 3*maxRecord) + "\n")
	wire.WriteString(`{"level":"INFO","msg":"the last one, without its end"}`)
	r := newRecords(slog.New(slog.NewTextHandler(&here, &slog.HandlerOptions{
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		},
	})))
	r.read(&wire)
	got := here.String()
	for _, want := range []string{
		`level=WARN msg="a message" z=1 a=text dur=1000000000 ok=true f=1.5 group=map[n:2]`,
		`level=ERROR msg="worker: panic: something"`,
		`level=ERROR msg="worker: goroutine 1 [running]:"`,
		`level=INFO msg="the last one, without its end"`,
	} {
		if !strings.Contains(got, want) {
			t.Errorf("lacks %q:\n%s", want, got)
		}
	}
	if strings.Contains(got, "not wanted") {
		t.Error("a record below the level of the logger was written")
	}
	if !strings.HasPrefix(r.tail(), "panic: something; goroutine 1 [running]:; ") {
		t.Errorf("tail: %q", r.tail())
	}
}

func FuzzParseRecord(f *testing.F) {
	for _, s := range []string{`{"time":"2026-11-21T19:00:00Z","level":"INFO","msg":"m","a":{"b":[1]}}`, `{`, `[]`, `{"level":1,"msg":2}`, "\x00", `{"level":"INFO","msg":"a","msg":"b"}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		rec, err := parseRecord(line)
		if err == nil && rec.Time.IsZero() && !strings.Contains(string(line), "0001") {
			t.Errorf("a record without a time from %q", line)
		}
	})
}

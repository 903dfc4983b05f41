package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"sshfs-bridge/bridge"
	"sshfs-bridge/bridge/api"
)

// printJSON writes v as indented JSON.
func (g *global) printJSON(v any) error {
	e := json.NewEncoder(g.stdout)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// printLine writes v as one JSON line.
func (g *global) printLine(v any) error {
	e := json.NewEncoder(g.stdout)
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// printf writes to standard output.
func (g *global) printf(format string, args ...any) { fmt.Fprintf(g.stdout, format, args...) }

// notef writes what is not the result: progress, remarks.
func (g *global) notef(format string, args ...any) {
	g.noting.Lock()
	defer g.noting.Unlock()
	fmt.Fprintf(g.stderr, format, args...)
}

// table writes aligned columns.
func table(w io.Writer, rows [][]string) error {
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	for _, row := range rows {
		for i, cell := range row {
			if i > 0 {
				fmt.Fprint(t, "\t")
			}
			fmt.Fprint(t, cell)
		}
		fmt.Fprintln(t)
	}
	return t.Flush()
}

// errorMessage is an error with --json: one line on standard error.
type errorMessage struct {
	MessageType string        `json:"message_type"` // "error"
	Code        int           `json:"code"`         // the exit code
	Kind        string        `json:"kind,omitempty"`
	Message     string        `json:"message"`
	Mount       string        `json:"mount,omitempty"`
	Hint        string        `json:"hint,omitempty"`
	Problems    []api.Problem `json:"problems,omitempty"`
}

// printError tells why the command failed.
func (g *global) printError(err error, code int) {
	var told *codeError
	if errors.As(err, &told) && told.err == nil {
		return
	}
	if errors.Is(err, context.Canceled) {
		err = errors.New("stopped")
	}
	if !g.json {
		g.notef("sshfs-bridge: %s\n", err)
		return
	}
	m := errorMessage{MessageType: "error", Code: code, Message: err.Error()}
	var wire *api.Error
	var config *bridge.ConfigError
	switch {
	case errors.As(err, &wire):
		m.Kind, m.Message, m.Mount, m.Hint, m.Problems = string(wire.Code), wire.Message, wire.Mount, wire.Hint, wire.Problems
	case errors.As(err, &config):
		m.Kind, m.Message, m.Problems = string(api.CodeConfig), "the configuration has problems", config.Problems
	}
	e := json.NewEncoder(g.stderr)
	e.SetEscapeHTML(false)
	_ = e.Encode(m) // there is nowhere left to tell
}

// ago is the time since t, coarse enough to read.
func ago(t, now time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return short(now.Sub(t))
}

// short is a duration in its largest two units.
func short(d time.Duration) string {
	d = max(d, 0).Round(time.Second)
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%dm%02ds", int(d.Minutes()), int(d.Seconds())%60)
	case d < 24*time.Hour:
		return fmt.Sprintf("%dh%02dm", int(d.Hours()), int(d.Minutes())%60)
	default:
		return fmt.Sprintf("%dd%02dh", int(d.Hours())/24, int(d.Hours())%24)
	}
}

// size is a number of bytes for people.
func size(n uint64) string {
	const unit = 1024
	if n < unit {
		return fmt.Sprintf("%d B", n)
	}
	v, i := float64(n)/unit, 0
	for ; v >= unit && i < 4; i++ {
		v /= unit
	}
	return fmt.Sprintf("%.1f %ciB", v, "KMGTP"[i])
}

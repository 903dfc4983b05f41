package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"sshfs-bridge/bridge/api"
)

// drawn is what a terminal of that size shows after it got all of s.
func drawn(s string, width, height int) string {
	rows := make([]string, height)
	row := 0
	for len(s) > 0 {
		took := true
		for _, c := range []struct {
			code string
			do   func()
		}{
			{lineUp, func() { row = max(row-1, 0) }},
			{lineClear, func() {}}, {wrapOff, func() {}}, {wrapOn, func() {}}, {"\r", func() {}},
			{clearBelow, func() { clear(rows[row:]) }},
			{"\n", func() {
				if row++; row == height {
					copy(rows, rows[1:])
					row, rows[height-1] = height-1, ""
				}
			}},
		} {
			if strings.HasPrefix(s, c.code) {
				c.do()
				s = s[len(c.code):]
				took = false
				break
			}
		}
		if took {
			end := strings.IndexAny(s, "\r\n\x1b")
			if end < 0 {
				end = len(s)
			}
			rows[row] = s[:min(end, width)]
			s = s[end:]
		}
	}
	return strings.TrimRight(strings.Join(rows, "\n"), "\n")
}

// Each text takes the place of the one before, whether it has more lines or fewer,
// and one that is larger than the terminal is cut off.
func TestScreen_drawsInPlace(t *testing.T) {
	const width, height = 20, 5
	place := &screen{size: func() (int, int, error) { return width, height, nil }}
	var out bytes.Buffer
	for _, step := range []struct{ text, want string }{
		{"one\ntwo\n", "one\ntwo"},
		{"1\n2\n3\n", "1\n2\n3"},
		{"less\n", "less"},
		{"a\nb\nc\nd\ne\nf\n", "a\nb\nc\nd"},
		{"last\n", "last"},
		{strings.Repeat("w", 50) + "\nx\n", strings.Repeat("w", width) + "\nx"},
	} {
		if err := place.show(&out, step.text); err != nil {
			t.Fatal(err)
		}
		if got := drawn(out.String(), width, height); got != step.want {
			t.Errorf("after %q the terminal shows\n%s\nwant\n%s", step.text, got, step.want)
		}
	}
	// Where there is no terminal the texts follow each other.
	out.Reset()
	for range 2 {
		if err := (*screen)(nil).show(&out, "x\n"); err != nil {
			t.Fatal(err)
		}
	}
	if out.String() != "x\nx\n" {
		t.Errorf("no terminal: %q", &out)
	}
}

// Colours change nothing of what stands where.
func TestStatus_coloursKeepTheTableInLine(t *testing.T) {
	now := time.Now()
	st := api.Status{Since: now, Mounts: []api.MountStatus{
		{Name: "a", State: api.StateUp}, {Name: "b", State: api.StateNeedsLogin}, {Name: "c", State: api.StateDegraded},
	}}
	var with, without bytes.Buffer
	if err := showStatus(&with, st, now, true); err != nil {
		t.Fatal(err)
	}
	if err := showStatus(&without, st, now, false); err != nil {
		t.Fatal(err)
	}
	for _, c := range []colour{red, green, yellow} {
		if !strings.Contains(with.String(), string(c)) {
			t.Errorf("%q is missing", c)
		}
	}
	bare := strings.NewReplacer(string(red), "", string(green), "", string(yellow), "", string(plain), "").Replace(with.String())
	if bare != without.String() {
		t.Errorf("with colours:\n%s\nwithout:\n%s", bare, &without)
	}
	if strings.Contains(without.String(), "\x1b") || colourful(&without) {
		t.Error("colours where there is no terminal")
	}
}

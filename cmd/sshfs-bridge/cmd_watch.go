package main

import (
	"bytes"
	"context"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/term"

	"sshfs-bridge/bridge/api"
)

// watchStatus shows the status again and again: on a terminal in place, and through
// a restart of the supervisor; elsewhere one after the other.
func (g *global) watchStatus(ctx context.Context, o statusOptions, names []string) error {
	tick := time.NewTicker(max(o.every, 100*time.Millisecond))
	defer tick.Stop()
	place := screenOf(g.stdout)
	for first := true; ; first = false {
		st, err := g.status(ctx, names)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil && (first || place == nil || g.json):
			return err
		case g.json:
			err = g.printLine(st)
		default:
			var b bytes.Buffer
			if err != nil {
				b.WriteString(err.Error() + "\n")
			} else if err := showStatus(&b, st, time.Now(), colourful(g.stdout)); err != nil {
				return err
			}
			err = place.show(g.stdout, b.String())
		}
		if err != nil {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// screen is a terminal on which one text takes the place of the one before. nil is
// no terminal.
type screen struct {
	size  func() (width, height int, err error)
	lines int // that the text before took
}

// screenOf is nil where w is no terminal.
func screenOf(w io.Writer) *screen {
	f, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return nil
	}
	return &screen{size: func() (int, int, error) { return term.GetSize(int(f.Fd())) }}
}

// What a terminal does when it gets these.
const (
	wrapOff, wrapOn = "\x1b[?7l", "\x1b[?7h" // whether a line that is too long goes on in the next one
	lineUp          = "\x1b[A"
	lineClear       = "\x1b[K" // to its end
	clearBelow      = "\x1b[J"
)

// show writes a text, in place of the one before. It is drawn over it line by line,
// so that nothing flickers; what does not fit is cut off.
func (s *screen) show(w io.Writer, text string) error {
	if s == nil {
		_, err := io.WriteString(w, text)
		return err
	}
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	if _, height, err := s.size(); err == nil && height > 1 && len(lines) >= height {
		lines = lines[:height-1]
	}
	var b strings.Builder
	b.WriteString("\r" + strings.Repeat(lineUp, s.lines) + wrapOff)
	for _, l := range lines {
		b.WriteString(l + lineClear + "\n")
	}
	b.WriteString(clearBelow + wrapOn)
	s.lines = len(lines)
	_, err := io.WriteString(w, b.String())
	return err
}

// colour is what a terminal shows text in. All have as many characters, so that a
// table with them stays in line.
type colour string

const (
	plain  colour = "\x1b[39m"
	red    colour = "\x1b[31m"
	green  colour = "\x1b[32m"
	yellow colour = "\x1b[33m"
)

// painter puts text in colours, or leaves it alone.
func painter(colours bool) func(text string, c colour) string {
	return func(text string, c colour) string {
		if !colours {
			return text
		}
		return string(c) + text + string(plain)
	}
}

func stateColour(s api.State) colour {
	switch {
	case s.Good():
		return green
	case s.NeedsPerson():
		return red
	default:
		return yellow
	}
}

// colourful says whether w shows colours: a terminal that was not told otherwise
// (no-color.org).
func colourful(w io.Writer) bool {
	return screenOf(w) != nil && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
}

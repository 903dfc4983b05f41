package dropin

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"sshfs-bridge/bridge/api"
)

// errNobody says that there is no terminal and no password to answer with.
var errNobody = errors.New("nobody is there to answer")

// asker answers the questions of a remote.
type asker struct {
	// tty is the terminal; nil where there is none.
	tty *os.File
	// mu guards password, and keeps two questions from mixing.
	mu       sync.Mutex
	password *string // from standard input: answers once
}

// interactive says whether anything can be asked at all.
func (a *asker) interactive() bool { return a.tty != nil || a.password != nil }

// ask answers one question; an error gives it up.
func (a *asker) ask(ctx context.Context, q api.Question) (api.Answer, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.password != nil && (q.Kind == "password" || q.Kind == "keyboard-interactive" && !q.Echo) {
		answer := api.Answer{ID: q.ID, Text: *a.password}
		a.password = nil // a refused password is not tried again
		return answer, nil
	}
	if a.tty == nil {
		return api.Answer{ID: q.ID, Cancel: true}, errNobody
	}
	prompt := q.Prompt
	switch {
	case q.Kind == "host-key":
		prompt = strings.TrimRight(prompt, "\n") + "\nTrust it (yes/no)? "
	case !strings.HasSuffix(prompt, " "):
		prompt += " "
	}
	text, err := readLine(ctx, a.tty, prompt, q.Echo || q.Kind == "host-key")
	if err != nil {
		return api.Answer{ID: q.ID, Cancel: true}, err
	}
	return api.Answer{ID: q.ID, Text: text}, nil
}

// openTTY opens the terminal, nil where there is none.
func openTTY(path string) *os.File {
	if path == "" {
		path = "/dev/tty"
	}
	tty, err := os.OpenFile(path, os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		return nil
	}
	return tty
}

// readLine asks on a terminal and reads one line, without showing it unless
// echo is set. It returns when ctx ends, with the terminal as it was.
func readLine(ctx context.Context, tty *os.File, prompt string, echo bool) (string, error) {
	restore := func() {}
	if !echo {
		var err error
		if restore, err = hideInput(tty); err != nil {
			return "", fmt.Errorf("hide the answer: %w", err)
		}
	}
	defer restore()
	// Asked only now: who types at once must not see it either.
	if _, err := fmt.Fprint(tty, prompt); err != nil {
		return "", fmt.Errorf("ask on the terminal: %w", err)
	}
	// The deadline wakes the read; a terminal that has none is read to its
	// next line.
	stop := context.AfterFunc(ctx, func() { _ = tty.SetReadDeadline(time.Now()) })
	defer stop()
	line, err := readToNewline(tty)
	if !echo {
		fmt.Fprintln(tty)
	}
	if ctx.Err() != nil {
		_ = tty.SetReadDeadline(time.Time{})
		return "", ctx.Err()
	}
	return line, err
}

// readToNewline reads byte by byte, so that nothing after the line is taken.
func readToNewline(f interface{ Read([]byte) (int, error) }) (string, error) {
	var line []byte
	buf := make([]byte, 1)
	for {
		n, err := f.Read(buf)
		if n == 1 && buf[0] == '\n' {
			return string(bytes.TrimSuffix(line, []byte("\r"))), nil
		}
		line = append(line, buf[:n]...)
		if err != nil {
			if len(line) > 0 {
				return string(line), nil
			}
			return "", fmt.Errorf("read the answer: %w", err)
		}
		if len(line) > 64<<10 {
			return "", errors.New("read the answer: it has no end")
		}
	}
}

// hideInput turns the terminal's echo off, and returns what turns it on again.
func hideInput(tty *os.File) (restore func(), err error) {
	control := func(fn func(fd int) error) error {
		raw, err := tty.SyscallConn()
		if err != nil {
			return err
		}
		var inner error
		if err := raw.Control(func(fd uintptr) { inner = fn(int(fd)) }); err != nil {
			return err
		}
		return inner
	}
	var before unix.Termios
	err = control(func(fd int) error {
		state, err := unix.IoctlGetTermios(fd, unix.TCGETS)
		if err != nil {
			return err
		}
		before = *state
		state.Lflag &^= unix.ECHO
		state.Lflag |= unix.ICANON | unix.ISIG
		return unix.IoctlSetTermios(fd, unix.TCSETS, state)
	})
	if err != nil {
		return nil, err
	}
	return func() {
		_ = control(func(fd int) error { return unix.IoctlSetTermios(fd, unix.TCSETS, &before) })
	}, nil
}

package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/term"

	"sshfs-bridge/bridge/api"
	"sshfs-bridge/bridge/client"
)

// terminal asks a person on the controlling terminal, which is there even
// where standard input and output are redirected.
type terminal struct{ tty *os.File }

// openTerminal is nil where there is no terminal.
func openTerminal() *terminal {
	tty, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
	if err != nil {
		return nil
	}
	if !term.IsTerminal(int(tty.Fd())) {
		tty.Close()
		return nil
	}
	return &terminal{tty: tty}
}

// asker is a client.Asker, nil where nobody can be asked.
func (t *terminal) asker() client.Asker {
	if t == nil {
		return nil
	}
	return t.ask
}

func (t *terminal) close() {
	if t != nil {
		t.tty.Close()
	}
}

// ask shows the prompt and reads a line, without showing it unless the
// question says that it may be seen. An ended ctx gives up, with the terminal
// as it was.
func (t *terminal) ask(ctx context.Context, q api.Question) (api.Answer, error) {
	fd := int(t.tty.Fd())
	before, err := term.GetState(fd)
	if err != nil {
		return api.Answer{}, fmt.Errorf("terminal: %w", err)
	}
	prompt := q.Prompt
	if !strings.HasSuffix(prompt, " ") {
		prompt += " "
	}
	fmt.Fprint(t.tty, prompt)
	type line struct {
		text string
		err  error
	}
	read := make(chan line, 1)
	// A read from a terminal cannot be given up: when ctx ends first, the
	// goroutine stays in it until the program ends, which is next.
	go func() {
		if q.Echo {
			s, err := bufio.NewReader(t.tty).ReadString('\n')
			read <- line{strings.TrimRight(s, "\r\n"), err}
			return
		}
		b, err := term.ReadPassword(fd)
		read <- line{string(b), err}
	}()
	select {
	case l := <-read:
		if !q.Echo {
			fmt.Fprintln(t.tty)
		}
		if l.err != nil {
			return api.Answer{}, errors.New("no answer")
		}
		return api.Answer{Text: l.text}, nil
	case <-ctx.Done():
		fmt.Fprintln(t.tty)
		_ = term.Restore(fd, before) // nothing better can be done
		return api.Answer{}, ctx.Err()
	}
}

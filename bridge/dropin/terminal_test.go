package dropin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sshfs-bridge/bridge/api"
)

// openPTY returns both ends of a terminal.
func openPTY(t *testing.T) (person, tty *os.File) {
	t.Helper()
	person, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { person.Close() })
	raw, err := person.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var number int
	var inner error
	err = raw.Control(func(fd uintptr) {
		if inner = unix.IoctlSetPointerInt(int(fd), unix.TIOCSPTLCK, 0); inner == nil {
			number, inner = unix.IoctlGetInt(int(fd), unix.TIOCGPTN)
		}
	})
	if err := errors.Join(err, inner); err != nil {
		t.Fatal(err)
	}
	tty = openTTY(fmt.Sprintf("/dev/pts/%d", number))
	if tty == nil {
		t.Fatal("the terminal cannot be opened")
	}
	t.Cleanup(func() { tty.Close() })
	return person, tty
}

// expect reads from the terminal until want has been seen.
func expect(t *testing.T, person *os.File, want string) string {
	t.Helper()
	if err := person.SetReadDeadline(time.Now().Add(5 * time.Second)); err != nil {
		t.Fatal(err)
	}
	var seen strings.Builder
	buf := make([]byte, 256)
	for !strings.Contains(seen.String(), want) {
		n, err := person.Read(buf)
		seen.Write(buf[:n])
		if err != nil {
			t.Fatalf("%v after %q, want %q", err, seen.String(), want)
		}
	}
	return seen.String()
}

func TestAsk_hidesSecretsAndShowsTheRest(t *testing.T) {
	person, tty := openPTY(t)
	a := &asker{tty: tty}
	for _, q := range []api.Question{
		{ID: "1", Kind: "password", Prompt: "bob@host's password:"},
		{ID: "2", Kind: "keyboard-interactive", Prompt: "Code: ", Echo: true},
		{ID: "3", Kind: "host-key", Prompt: "The key of host is SHA256:x"},
	} {
		type result struct {
			a   api.Answer
			err error
		}
		done := make(chan result, 1)
		go func() {
			answer, err := a.ask(t.Context(), q)
			done <- result{answer, err}
		}()
		seen := expect(t, person, strings.TrimSpace(q.Prompt))
		if _, err := io.WriteString(person, "hunter2\n"); err != nil {
			t.Fatal(err)
		}
		r := <-done
		if r.err != nil || r.a.Text != "hunter2" || r.a.ID != q.ID || r.a.Cancel {
			t.Errorf("%s: %+v, %v", q.Kind, r.a, r.err)
		}
		seen += expect(t, person, "\n")
		if shown := strings.Contains(seen, "hunter2"); shown != (q.Echo || q.Kind == "host-key") {
			t.Errorf("%s: the answer was shown: %v (%q)", q.Kind, shown, seen)
		}
	}
}

func TestAsk_endsWithItsContext(t *testing.T) {
	person, tty := openPTY(t)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		_, err := (&asker{tty: tty}).ask(ctx, api.Question{Kind: "password", Prompt: "Password:"})
		done <- err
	}()
	expect(t, person, "Password:")
	cancel()
	select {
	case err := <-done:
		if !errors.Is(err, context.Canceled) {
			t.Errorf("error %v", err)
		}
	case <-time.After(5 * time.Second):
		t.Fatal("the question does not end")
	}
	raw, err := tty.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	err = raw.Control(func(fd uintptr) {
		if state, err := unix.IoctlGetTermios(int(fd), unix.TCGETS); err != nil || state.Lflag&unix.ECHO == 0 {
			t.Errorf("the terminal stays without echo (%v)", err)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestAsk_passwordFromStandardInputOnce(t *testing.T) {
	o := Options{Stdin: strings.NewReader("secret\nrest")}
	a, err := o.newAsker(&plan{passwordStdin: true}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if !a.interactive() {
		t.Error("a password is there, and nothing can be asked")
	}
	if _, err := a.ask(t.Context(), api.Question{Kind: "passphrase"}); !errors.Is(err, errNobody) {
		t.Errorf("the password was given for a passphrase (%v)", err)
	}
	answer, err := a.ask(t.Context(), api.Question{ID: "7", Kind: "password"})
	if err != nil || answer.Text != "secret" || answer.ID != "7" {
		t.Errorf("%+v, %v", answer, err)
	}
	if answer, err := a.ask(t.Context(), api.Question{Kind: "password"}); !errors.Is(err, errNobody) || !answer.Cancel {
		t.Errorf("a refused password was given again: %+v, %v", answer, err)
	}
	if rest, err := io.ReadAll(o.Stdin); err != nil || string(rest) != "rest" {
		t.Errorf("more than a line was read: %q is left (%v)", rest, err)
	}
}

package sshdial

import (
	"errors"
	"io"
	"net"
	"testing"
	"testing/iotest"
)

// textConn is a connection on which a text arrives.
type textConn struct {
	net.Conn
	io.Reader
}

func (c textConn) Read(p []byte) (int, error) { return c.Reader.Read(p) }

func FuzzGreeting(f *testing.F) {
	for _, s := range []string{"SSH-2.0-x\r\nrest", "hello\nSSH-1.99-y\n", "SSH-1.5-z\n", "SSH-", "\n\n\n", "Not allowed at this time\r\n", "SSH-2"} {
		f.Add([]byte(s), true)
	}
	f.Fuzz(func(t *testing.T, text []byte, slow bool) {
		var r io.Reader = &limited{text: text}
		if slow {
			r = iotest.OneByteReader(r)
		}
		w := &wire{Conn: textConn{Reader: r}}
		got, err := io.ReadAll(w)
		switch {
		case errors.Is(err, ErrNotSSH):
			if w.greeted.Load() || w.greeting() == nil {
				t.Errorf("%q: %v, and yet greeted", text, err)
			}
		case err != nil:
			t.Errorf("%q: %v", text, err)
		case string(got) != string(text):
			t.Errorf("%q became %q", text, got)
		case !w.greeted.Load() && len(got) > maxGreeting:
			t.Errorf("%d bytes without a version line", len(got))
		}
	})
}

// limited hands out a text in pieces.
type limited struct{ text []byte }

func (l *limited) Read(p []byte) (int, error) {
	if len(l.text) == 0 {
		return 0, io.EOF
	}
	n := copy(p, l.text[:min(len(l.text), 7)])
	l.text = l.text[n:]
	return n, nil
}

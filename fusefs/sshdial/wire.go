package sshdial

import (
	"bytes"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
)

// maxGreeting bounds what a server may send before its version line. (RFC 4253
// allows other lines there; nobody needs more.)
const maxGreeting = 8 << 10

// wire is a net.Conn that watches a handshake: it looks at the first bytes a
// server sends, so that something that is no SSH server is told from one, and
// quoted; and it knows whether the connection broke, and after what.
type wire struct {
	net.Conn
	settled atomic.Bool // the handshake is over: nothing is watched any more
	greeted atomic.Bool // the version line was seen, and is good
	read    atomic.Int64
	broken  atomic.Pointer[error] // the first error of Read or Write

	mu   sync.Mutex // guards all below
	seen []byte
	bad  bool
}

// Read implements net.Conn.
func (w *wire) Read(p []byte) (int, error) {
	n, err := w.Conn.Read(p)
	if w.settled.Load() {
		return n, err
	}
	w.read.Add(int64(n))
	if n > 0 && !w.greeted.Load() {
		if gerr := w.look(p[:n]); gerr != nil {
			return 0, gerr
		}
	}
	if err != nil {
		w.broken.CompareAndSwap(nil, &err)
	}
	return n, err
}

// Write implements net.Conn.
func (w *wire) Write(p []byte) (int, error) {
	n, err := w.Conn.Write(p)
	if err != nil && !w.settled.Load() {
		w.broken.CompareAndSwap(nil, &err)
	}
	return n, err
}

// breakage is the error that ended the connection during the handshake.
func (w *wire) breakage() error {
	if err := w.broken.Load(); err != nil {
		return *err
	}
	return nil
}

func (w *wire) look(p []byte) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.seen = append(w.seen, p...)
	for rest := w.seen; ; {
		line, after, whole := bytes.Cut(rest, []byte("\n"))
		if bytes.HasPrefix(line, []byte("SSH-")) {
			if !whole && len(line) < 255 {
				return nil
			}
			if bytes.HasPrefix(line, []byte("SSH-2.0-")) || bytes.HasPrefix(line, []byte("SSH-1.99-")) {
				w.greeted.Store(true)
				w.seen = nil
				return nil
			}
			w.bad = true
			return w.notSSH()
		}
		if !whole {
			break
		}
		rest = after
	}
	if len(w.seen) > maxGreeting {
		w.bad = true
		return w.notSSH()
	}
	return nil
}

// notSSH quotes what came instead. Call it with mu held.
func (w *wire) notSSH() error {
	said := w.seen
	if len(said) > 100 {
		said = said[:100]
	}
	return fmt.Errorf("%w: it says %q", ErrNotSSH, printable(string(bytes.TrimSpace(said))))
}

// greeting is an error where something came that is no SSH version line: a
// server that refuses (PerSourcePenalties, a wrapper), or none at all.
func (w *wire) greeting() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.bad || len(bytes.TrimSpace(w.seen)) > 0 {
		return w.notSSH()
	}
	return nil
}

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

	// ahead is what was read of the greeting and not yet asked for; only
	// Read, which has one caller at a time, uses it.
	ahead []byte

	mu    sync.Mutex // guards all below
	said  []byte     // the beginning of the greeting
	line  []byte     // its last line, so far
	total int
	bad   bool
}

// quoted is how much of what came instead of an SSH server is kept.
const quoted = 100

// Read implements net.Conn.
func (w *wire) Read(p []byte) (int, error) {
	if len(w.ahead) > 0 {
		n := copy(p, w.ahead)
		w.ahead = w.ahead[n:]
		return n, nil
	}
	if w.settled.Load() {
		return w.Conn.Read(p)
	}
	if w.greeted.Load() {
		return w.watched(p)
	}
	// x/crypto/ssh reads the greeting byte by byte: one read serves many.
	buf := make([]byte, 1024)
	n, err := w.watched(buf)
	if gerr := w.look(buf[:n]); gerr != nil {
		return 0, gerr
	}
	if n == 0 {
		return 0, err
	}
	w.ahead = buf[:n]
	return w.Read(p)
}

func (w *wire) watched(p []byte) (int, error) {
	n, err := w.Conn.Read(p)
	w.read.Add(int64(n))
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

// look follows the greeting up to the version line.
func (w *wire) look(p []byte) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.said = append(w.said, p[:min(len(p), quoted-len(w.said))]...)
	for _, b := range p {
		if b != '\n' && len(w.line) < 255 {
			w.line = append(w.line, b)
		} else {
			if bytes.HasPrefix(w.line, []byte("SSH-")) {
				break
			}
			w.line = w.line[:0]
		}
		if w.total++; w.total > maxGreeting {
			w.bad = true
			return w.notSSH()
		}
	}
	// SSH-x.y- is enough to know.
	if len(w.line) < 9 || !bytes.HasPrefix(w.line, []byte("SSH-")) {
		return nil
	}
	if !bytes.HasPrefix(w.line, []byte("SSH-2.0-")) && !bytes.HasPrefix(w.line, []byte("SSH-1.99-")) {
		w.bad = true
		return w.notSSH()
	}
	w.greeted.Store(true)
	w.said = nil
	return nil
}

// notSSH quotes what came instead. Call it with mu held.
func (w *wire) notSSH() error {
	return fmt.Errorf("%w: it says %q", ErrNotSSH, printable(string(bytes.TrimSpace(w.said))))
}

// greeting is an error where something came that is no SSH version line: a
// server that refuses (PerSourcePenalties, a wrapper), or none at all.
func (w *wire) greeting() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.bad || len(bytes.TrimSpace(w.said)) > 0 {
		return w.notSSH()
	}
	return nil
}

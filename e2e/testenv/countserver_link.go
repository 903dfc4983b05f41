package testenv

import (
	"encoding/binary"
	"io"
	"sync"
	"time"
)

// countLink is one session's stream: the client has it as an io.ReadWriteCloser,
// the server takes whole requests from it and puts replies into it.
type countLink struct {
	s *CountServer

	mu      sync.Mutex
	changed sync.Cond
	err     error // why it has ended

	partial []byte // of a request that the client has not written whole
	begun   stamp
	in      []countMsg // requests, by time of arrival
	inUsed  int        // bytes of the window
	inPart  int        // of them: in partial

	out     []countMsg // replies, by time of arrival
	outUsed int
	burst   countMsg // what was due when it was delivered, and no deeper, needs no further wait
}

// countMsg is a frame with its length, on its way.
type countMsg struct {
	b    []byte
	at   time.Time
	of   stamp
	held int  // request: bytes of the window
	eof  bool // reply: the stream ends after it
}

func newCountLink(s *CountServer) *countLink {
	l := &countLink{s: s}
	l.changed.L = &l.mu
	return l
}

func (l *countLink) wake() {
	l.mu.Lock()
	l.changed.Broadcast()
	l.mu.Unlock()
}

func (l *countLink) breakWith(err error) {
	l.mu.Lock()
	if l.err == nil {
		l.err = err
	}
	l.changed.Broadcast()
	l.mu.Unlock()
}

// Close ends the session from the client's side.
func (l *countLink) Close() error {
	l.breakWith(io.ErrClosedPipe)
	return nil
}

// waitLocked waits for a change, at most until a time (zero: without limit).
func (l *countLink) waitLocked(until time.Time) {
	if !until.IsZero() {
		timer := time.AfterFunc(time.Until(until), l.wake)
		defer timer.Stop()
	}
	l.changed.Wait()
}

// Write takes the client's bytes.
func (l *countLink) Write(p []byte) (int, error) {
	written := 0
	for written < len(p) {
		l.mu.Lock()
		for l.err == nil && l.s.o.Window > 0 && l.inUsed >= l.s.o.Window {
			// What has come of a request is taken while the rest is on its way.
			if l.inPart > 0 && !l.s.isStalled() {
				l.inUsed -= l.inPart
				l.inPart = 0
				continue
			}
			l.waitLocked(time.Time{})
		}
		if l.err != nil {
			err := l.err
			l.mu.Unlock()
			return written, err
		}
		piece := p[written:]
		if l.s.o.Window > 0 {
			piece = piece[:min(len(piece), l.s.o.Window-l.inUsed)]
		}
		l.inUsed += len(piece)
		l.takeLocked(piece)
		written += len(piece)
		l.mu.Unlock()
	}
	return written, nil
}

// takeLocked cuts the client's bytes into requests.
func (l *countLink) takeLocked(p []byte) {
	now := time.Now()
	of := l.s.sent(now)
	for len(p) > 0 {
		if len(l.partial) == 0 {
			l.begun = of
		}
		need := 4 - len(l.partial)
		if need <= 0 {
			need = 4 + int(binary.BigEndian.Uint32(l.partial)) - len(l.partial)
		}
		n := min(need, len(p))
		if l.partial == nil && len(p) >= 4 {
			l.partial = make([]byte, 0, min(4+int(binary.BigEndian.Uint32(p)), 1<<20))
		}
		l.partial = append(l.partial, p[:n]...)
		l.inPart += n
		p = p[n:]
		if len(l.partial) >= 4 && len(l.partial) == 4+int(binary.BigEndian.Uint32(l.partial)) {
			l.in = append(l.in, countMsg{b: l.partial, at: now.Add(l.s.o.Delay), of: l.begun, held: l.inPart})
			l.partial, l.inPart = nil, 0
		}
	}
	l.changed.Broadcast()
}

// room gives a window's bytes back when the news has travelled.
func (l *countLink) room(used *int, n int) {
	give := func() {
		l.mu.Lock()
		*used -= n
		l.changed.Broadcast()
		l.mu.Unlock()
	}
	if l.s.o.Window > 0 {
		time.AfterFunc(l.s.o.Delay, give)
	} else {
		give()
	}
}

// request gives the next request when it has arrived.
func (l *countLink) request() (countMsg, error) {
	l.mu.Lock()
	for {
		switch {
		case l.err != nil:
			err := l.err
			l.mu.Unlock()
			return countMsg{}, err
		case len(l.in) == 0 || l.s.isStalled():
			l.waitLocked(time.Time{})
		case time.Now().Before(l.in[0].at):
			l.waitLocked(l.in[0].at)
		default:
			m := l.in[0]
			l.in = l.in[1:]
			l.mu.Unlock()
			l.room(&l.inUsed, m.held)
			return m, nil
		}
	}
}

// reply puts a reply on its way.
func (l *countLink) reply(m countMsg) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.err == nil && l.s.o.Window > 0 && l.outUsed > 0 && l.outUsed+len(m.b) > l.s.o.Window {
		l.waitLocked(time.Time{})
	}
	if l.err != nil {
		return l.err
	}
	l.outUsed += len(m.b)
	m.at = time.Now().Add(l.s.o.Delay)
	l.out = append(l.out, m)
	l.changed.Broadcast()
	return nil
}

// Read gives the client the bytes of the replies that are due.
func (l *countLink) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	l.mu.Lock()
	for {
		if l.err != nil {
			err := l.err
			l.mu.Unlock()
			if err == io.ErrClosedPipe { //nolint:errorlint // our own sentinel
				err = io.EOF
			}
			return 0, err
		}
		if len(l.out) == 0 || l.s.isStalled() {
			l.waitLocked(time.Time{})
			continue
		}
		now := time.Now()
		due := l.out[0].at
		if !l.inBurst(&l.out[0]) {
			due = l.s.settled(due)
		}
		if now.Before(due) {
			l.waitLocked(due)
			continue
		}
		if !l.inBurst(&l.out[0]) {
			l.burst = countMsg{at: now, of: l.out[0].of}
		}
		if l.out[0].eof && len(l.out[0].b) == 0 {
			l.err = io.ErrClosedPipe
			continue
		}
		break
	}
	n := 0
	for n < len(p) && len(l.out) > 0 && l.inBurst(&l.out[0]) && len(l.out[0].b) > 0 {
		m := &l.out[0]
		k := copy(p[n:], m.b)
		m.b = m.b[k:]
		n += k
		if len(m.b) == 0 {
			if m.of.depth > 0 {
				l.s.delivered(m.of)
			}
			if m.eof {
				break
			}
			l.out = l.out[1:]
		}
	}
	l.mu.Unlock()
	l.room(&l.outUsed, n)
	return n, nil
}

// inBurst reports whether a reply belongs with those being delivered.
func (l *countLink) inBurst(m *countMsg) bool {
	return !m.at.After(l.burst.at) && m.of.depth <= l.burst.of.depth
}

func (s *CountServer) isStalled() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stalled
}

// settled is when a reply that is due may be delivered.
func (s *CountServer) settled(due time.Time) time.Time {
	if s.o.Settle <= 0 {
		return due
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	quiet := s.lastSend.Add(s.o.Settle)
	if latest := due.Add(4 * s.o.Settle); quiet.After(latest) {
		return latest
	}
	if quiet.After(due) {
		return quiet
	}
	return due
}

package testenv

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"
)

// CountConn is something like an SSH connection to a CountServer: it can have
// several SFTP sessions. Its methods are those that fusefs/remote wants of a
// connection.
type CountConn struct {
	s    *CountServer
	done chan struct{}

	mu       sync.Mutex
	err      error
	sessions map[*countConnSession]struct{}
}

// ErrRefused is OpenSFTP's error when MaxSessions are open.
var ErrRefused = errors.New("testenv: session refused")

// Dial gives a connection, after one round trip of the link's delay. Round trips
// of dialling, OpenSFTP and Ping do not count in Rounds. A stalled server's Dial
// blocks until ctx ends or it is resumed.
func (s *CountServer) Dial(ctx context.Context) (*CountConn, error) {
	if err := s.trip(ctx, nil); err != nil {
		return nil, err
	}
	c := &CountConn{s: s, done: make(chan struct{}), sessions: make(map[*countConnSession]struct{})}
	s.mu.Lock()
	s.conns[c] = struct{}{}
	s.mu.Unlock()
	return c, nil
}

// trip takes as long as a message there and back.
func (s *CountServer) trip(ctx context.Context, done <-chan struct{}) error {
	pause := 2 * s.o.Delay
	for {
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
			if !s.isStalled() {
				return nil
			}
			pause = time.Millisecond
		case <-done:
			timer.Stop()
			return ErrBroken
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		}
	}
}

// OpenSFTP opens a session, or fails with ErrRefused.
func (c *CountConn) OpenSFTP(ctx context.Context) (io.ReadWriteCloser, error) {
	if err := c.s.trip(ctx, c.done); err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.err != nil:
		return nil, c.err
	case c.s.o.MaxSessions > 0 && len(c.sessions) >= c.s.o.MaxSessions:
		return nil, ErrRefused
	}
	x := &countConnSession{ReadWriteCloser: c.s.Connect(), c: c}
	c.sessions[x] = struct{}{}
	return x, nil
}

// countConnSession leaves its connection's table when it is closed.
type countConnSession struct {
	io.ReadWriteCloser
	c *CountConn
}

func (x *countConnSession) Close() error {
	x.c.mu.Lock()
	delete(x.c.sessions, x)
	x.c.mu.Unlock()
	return x.ReadWriteCloser.Close()
}

// Ping takes a round trip.
func (c *CountConn) Ping(ctx context.Context) (time.Duration, error) {
	start := time.Now()
	if err := c.s.trip(ctx, c.done); err != nil {
		return 0, err
	}
	return time.Since(start), nil
}

// KeepsOrder says what CountOptions.Unordered does not deny.
func (c *CountConn) KeepsOrder() bool { return !c.s.o.Unordered }

// Done is closed when the connection has ended.
func (c *CountConn) Done() <-chan struct{} { return c.done }

// Err is why the connection has ended, nil before.
func (c *CountConn) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// Close ends the connection and its sessions.
func (c *CountConn) Close() error {
	c.end(io.ErrClosedPipe)
	return nil
}

// Kill ends the connection and its sessions as a reset does.
func (c *CountConn) Kill() { c.end(ErrBroken) }

func (c *CountConn) end(err error) {
	c.mu.Lock()
	if c.err != nil {
		c.mu.Unlock()
		return
	}
	c.err = err
	sessions := c.sessions
	c.sessions = make(map[*countConnSession]struct{})
	close(c.done)
	c.mu.Unlock()
	c.s.mu.Lock()
	delete(c.s.conns, c)
	c.s.mu.Unlock()
	for x := range sessions {
		if l, ok := x.ReadWriteCloser.(*countLink); ok {
			l.breakWith(err)
		}
	}
}

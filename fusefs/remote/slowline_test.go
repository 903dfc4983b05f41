package remote_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sshfs-bridge/e2e/testenv"
	"sshfs-bridge/fusefs/remote"
)

// slowLine is one direction of a line that carries so many bytes a second, and has a
// modem before it that takes in all that there is: whatever comes later waits behind it.
type slowLine struct {
	rate int

	mu   sync.Mutex
	free time.Time // when all that was taken in has gone; GUARDED_BY(mu)
}

// carry takes in n bytes, and says when they come out.
func (l *slowLine) carry(n int) time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now := time.Now(); l.free.Before(now) {
		l.free = now
	}
	l.free = l.free.Add(time.Duration(n) * time.Second / time.Duration(l.rate))
	return l.free
}

// lineDialer makes connections that share a line, sessions and signs of life alike.
type lineDialer struct {
	*rigDialer
	up, down *slowLine
}

func (d lineDialer) Dial(ctx context.Context, interactive bool) (remote.Conn, error) {
	c, err := d.rigDialer.Dial(ctx, interactive)
	if err != nil {
		return nil, err
	}
	return lineConn{c, d}, nil
}

type lineConn struct {
	remote.Conn
	d lineDialer
}

func (c lineConn) Ping(ctx context.Context) (time.Duration, error) {
	start := time.Now()
	if err := sleepUntil(ctx, c.d.up.carry(100)); err != nil {
		return 0, err
	}
	if _, err := c.Conn.Ping(ctx); err != nil {
		return 0, err
	}
	return time.Since(start), sleepUntil(ctx, c.d.down.carry(100))
}

func sleepUntil(ctx context.Context, at time.Time) error {
	select {
	case <-time.After(time.Until(at)):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (c lineConn) OpenSFTP(ctx context.Context) (io.ReadWriteCloser, error) {
	inner, err := c.Conn.OpenSFTP(ctx)
	if err != nil {
		return nil, err
	}
	up, down := newLinePipe(c.d.up), newLinePipe(c.d.down)
	go func() {
		_, _ = io.Copy(inner, up) // ends with either side
		inner.Close()
	}()
	go func() {
		_, _ = io.Copy(down, inner)
		down.Close()
	}()
	return lineStream{down, up}, nil
}

// lineStream is a session over a line.
type lineStream struct{ down, up *linePipe }

func (s lineStream) Read(p []byte) (int, error)  { return s.down.Read(p) }
func (s lineStream) Write(p []byte) (int, error) { return s.up.Write(p) }
func (s lineStream) Close() error                { return errors.Join(s.up.Close(), s.down.Close()) }

// linePipe is one direction of a session.
type linePipe struct {
	line   *slowLine
	chunks chan lineChunk
	rest   []byte // of the chunk that is being read
	once   sync.Once
	closed chan struct{}
}

type lineChunk struct {
	b  []byte
	at time.Time
}

func newLinePipe(l *slowLine) *linePipe {
	return &linePipe{line: l, chunks: make(chan lineChunk, 1<<16), closed: make(chan struct{})}
}

func (s *linePipe) Write(p []byte) (int, error) {
	select {
	case s.chunks <- lineChunk{bytes.Clone(p), s.line.carry(len(p))}:
		return len(p), nil
	case <-s.closed:
		return 0, io.ErrClosedPipe
	}
}

func (s *linePipe) Read(p []byte) (int, error) {
	if len(s.rest) == 0 {
		select {
		case c := <-s.chunks:
			time.Sleep(time.Until(c.at))
			s.rest = c.b
		case <-s.closed:
			return 0, io.EOF
		}
	}
	n := copy(p, s.rest)
	s.rest = s.rest[n:]
	return n, nil
}

func (s *linePipe) Close() error {
	s.once.Do(func() { close(s.closed) })
	return nil
}

// TestSlowLine copies files over 1 Mbit/s with the times that users have, and looks at
// a name again and again meanwhile. The line is never given up. While the very first
// stream in a direction finds out what it carries, which is over when 2 MiB have come
// through, names may have no answer in time; from then on each has one.
func TestSlowLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const (
			rate    = 128 << 10
			finding = (2<<20)*time.Second/rate + time.Second // and a sign of life is asked for each second
			patient = 5 * time.Second                        // PathTimeout
		)
		g := unconnectedBy(t, testenv.CountOptions{Delay: 25 * time.Millisecond, Settle: -1, Window: 2 << 20}, remote.Options{}, func(d *rigDialer) remote.Dialer {
			return lineDialer{d, &slowLine{rate: rate}, &slowLine{rate: rate}}
		})
		check(t, g.Connect(t.Context(), false))
		data := random(1, 4<<20)
		write := func() {
			f := g.open("f", forWrite)
			check(t, writeAll(t.Context(), f, data, 128<<10))
			_, err := f.Close(t.Context())
			check(t, err)
			same(t, "written", g.onServer("f"), data)
		}
		read := func() {
			f := g.open("f", forRead)
			got, err := readAll(t.Context(), f, len(data), 128<<10, 32)
			check(t, err)
			same(t, "read", got, data)
			f.Close(t.Context())
		}
		for n, stream := range []func(){write, write, read, read} {
			known, start, done := n%2 == 1, time.Now(), make(chan struct{})
			go func() {
				defer close(done)
				stream()
			}()
			for under := true; under; {
				asked := time.Now()
				_, err := g.Lstat(t.Context(), "f")
				if !errors.Is(err, fs.ErrNotExist) && err != nil && (known || !errors.Is(err, remote.ErrTimeout) || asked.Sub(start) > finding) {
					t.Errorf("stream %d, after %v: %v", n, asked.Sub(start), err)
				}
				if took := time.Since(asked); took > patient {
					t.Errorf("stream %d: an answer took %v", n, took)
				}
				select {
				case <-done:
					under = false
				case <-time.After(500 * time.Millisecond):
				}
			}
		}
		if s := g.Status(); s.State != remote.StateUp || s.Counters.Reconnects != 0 || s.Counters.Resent != 0 {
			t.Errorf("the line was given up: %+v", s)
		}
	})
}

// TestSlowLine_manyNames lists a directory that takes longer than any other operation by
// name may.
func TestSlowLine_manyNames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const rate, files = 128 << 10, 20_000
		g := unconnectedBy(t, testenv.CountOptions{Delay: 25 * time.Millisecond, Settle: -1}, remote.Options{}, func(d *rigDialer) remote.Dialer {
			return lineDialer{d, &slowLine{rate: rate}, &slowLine{rate: rate}}
		})
		check(t, g.Connect(t.Context(), false))
		for i := range files {
			g.put(fmt.Sprintf("file %05d", i), nil)
		}
		start := time.Now()
		entries, err := g.ReadDir(t.Context(), "")
		check(t, err)
		if took := time.Since(start); len(entries) != files || took < 10*time.Second {
			t.Errorf("%d names after %v", len(entries), took)
		}
		// It ends all the same when no more come.
		g.server.Inject(testenv.Fault{Kind: testenv.FaultSwallow, Op: "readdir", Skip: 20})
		start = time.Now()
		_, err = g.ReadDir(t.Context(), "")
		if took := time.Since(start); !errors.Is(err, remote.ErrTimeout) || took > 15*time.Second {
			t.Errorf("%v after %v", err, took)
		}
	})
}

package remote

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"sshfs-bridge/fusefs/sftp"
	"sshfs-bridge/fusefs/sshdial"
)

// channel is one SFTP session.
type channel struct {
	conn    *conn
	client  *sftp.Client
	opened  time.Time
	heard   atomic.Int64 // when bytes last came (as nanos gives it)
	load    atomic.Int64 // bytes of file data asked for or sent, unanswered
	lastUse atomic.Int64 // as nanos gives it
	handles atomic.Int64 // files open on it

	// stalledAt is when (as nanos gives it) a request began that timed out without a
	// sign of life: until the next sign, operations on paths fail at once on the
	// control channel, and a data channel is passed over by files that are opened.
	stalledAt atomic.Int64

	requests requestList
}

// openChannel opens an SFTP session on c.
func (l *link) openChannel(ctx context.Context, c *conn) (*channel, error) {
	l.mu.Lock()
	if c.over || l.over {
		l.mu.Unlock()
		return nil, linkDown(nil)
	}
	c.opening++
	l.mu.Unlock()
	ch, err := l.dialChannel(ctx, c)
	l.mu.Lock()
	c.opening--
	if errors.Is(err, sshdial.ErrChannelRefused) {
		c.full, c.most = true, len(c.channels)+c.leaving
	}
	over := c.over || l.over
	if err == nil && !over {
		c.channels = append(c.channels, ch)
		c.most = max(c.most, len(c.channels)) // one asked for beside it may have been refused
	}
	l.mu.Unlock()
	if err != nil {
		return nil, err
	}
	if over {
		ch.client.Close()
		return nil, linkDown(nil)
	}
	l.r.spawn(ch.watch)
	return ch, nil
}

func (l *link) dialChannel(ctx context.Context, c *conn) (*channel, error) {
	stream, err := c.OpenSFTP(ctx)
	if err != nil {
		return nil, fmt.Errorf("open sftp channel: %w", err)
	}
	ch := &channel{conn: c, opened: time.Now()}
	ch.touch()
	var o sftp.Options
	l.mu.Lock()
	control := l.control
	l.mu.Unlock()
	if control != nil { // the limits are known: a round trip less
		limits := control.client.Limits()
		o.MaxPacket, o.MaxReadPacket = limits.MaxWrite, limits.MaxRead
	}
	o.Logger = l.r.log
	ch.client, err = sftp.New(ctx, &heardStream{ReadWriteCloser: stream, ch: ch}, o)
	if err != nil {
		return nil, err
	}
	return ch, nil
}

// watch waits for the end of the channel.
func (ch *channel) watch() {
	<-ch.client.Done()
	l := ch.conn.link
	l.r.addCounters(ch.client.Counters())
	l.mu.Lock()
	ch.conn.channels = remove(ch.conn.channels, ch)
	if len(ch.conn.channels) == 0 {
		ch.conn.idle = time.Now()
	}
	control := ch == l.control
	l.mu.Unlock()
	if control {
		l.fail(ch.client.Err())
	}
	ch.client.Close() // waits for its goroutines
	l.r.tune()
	if !control && time.Since(ch.opened) > refillPause {
		l.refill()
	}
}

// end ends the session. It does not wait for the server, which may take its time.
func (ch *channel) end() { ch.conn.link.r.spawn(func() { ch.client.Close() }) }

func (ch *channel) alive() bool { return ch.client.Err() == nil }

func (ch *channel) touch() { ch.lastUse.Store(nanos(time.Now())) }

// stalled says that a request timed out, and that nothing was heard since.
func (ch *channel) stalled() bool {
	at := ch.stalledAt.Load()
	if at == 0 {
		return false
	}
	if ch.heard.Load() > at {
		ch.stalledAt.CompareAndSwap(at, 0)
		return false
	}
	return true
}

// noteTimeout notes that a request that began at start timed out, where that is why
// ctx ended. Whatever is heard after start clears it, also what came while this was
// being noted.
func (ch *channel) noteTimeout(ctx context.Context, start time.Time) {
	if errors.Is(context.Cause(ctx), ErrTimeout) && ch.heard.Load() <= nanos(start) {
		ch.stalledAt.CompareAndSwap(0, nanos(start))
	}
}

// serial says that the server handles the requests of a session one after the
// other, as the protocol demands. OpenSSH's program does, which shows by its
// extensions, too, where another may stand in its place: others begin a request while an
// earlier one for the same file is still being done.
func (ch *channel) serial() bool {
	return ch.conn.KeepsOrder() && (ch.client.Has(sftp.ExtLimits) || ch.client.Has(sftp.ExtFsync))
}

// heardStream notes when bytes come, and whether the server has let go of what was closed.
type heardStream struct {
	io.ReadWriteCloser
	ch     *channel
	closed bool // GUARDED_BY(link.mu)
	over   bool // nothing can be read any more; GUARDED_BY(link.mu)
}

func (s *heardStream) Read(p []byte) (int, error) {
	n, err := s.ReadWriteCloser.Read(p)
	if n > 0 {
		now := nanos(time.Now())
		s.ch.heard.Store(now)
		s.ch.conn.heard.Store(now)
	}
	if err != nil {
		s.note(false, true)
	}
	return n, err
}

func (s *heardStream) Close() error {
	s.note(true, false)
	return s.ReadWriteCloser.Close()
}

// note keeps count of the sessions of which the server does not confirm the end.
func (s *heardStream) note(closed, over bool) {
	c := s.ch.conn
	c.link.mu.Lock()
	defer c.link.mu.Unlock()
	before := s.closed && !s.over
	s.closed, s.over = s.closed || closed, s.over || over
	switch after := s.closed && !s.over; {
	case after && !before:
		c.leaving++
	case before && !after:
		c.leaving--
	}
}

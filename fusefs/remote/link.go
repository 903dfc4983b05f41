package remote

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"
)

// link is all that is open between the loss of one connection and the next: the
// first connection with the control channel, its data channels, and further
// connections. It ends as a whole when the first connection or the control
// channel ends; other channels come and go.
type link struct {
	r       *Remote
	ctx     context.Context // ends with the link; its cause says why
	cancel  context.CancelCauseFunc
	control *channel // for paths; set (under mu) before the link is shown to anybody
	started time.Time

	probed time.Time // when a stalled control channel was last asked; of the monitor alone

	dataCount atomic.Int64   // data channels, as tune found them
	opening   sync.WaitGroup // openAhead
	growing   atomic.Bool
	growAfter atomic.Int64 // as nanos gives it: no attempt to grow before

	// mostHandles is how many files may be open on a channel, 0 for no bound; set
	// with control.
	mostHandles int64

	mu         sync.Mutex
	conns      []*conn       // [0] is the first; GUARDED_BY(mu)
	over       bool          // GUARDED_BY(mu)
	widening   chan struct{} // closed when the channel is there that widen opens; GUARDED_BY(mu)
	connsAfter time.Time     // no further connection before; GUARDED_BY(mu)
}

// conn is a connection of a link.
type conn struct {
	Conn
	link  *link
	heard atomic.Int64 // when bytes last came (as nanos gives it)

	channels []*channel // GUARDED_BY(link.mu)
	opening  int        // channels being opened; GUARDED_BY(link.mu)
	leaving  int        // sessions that have ended, and the server has not confirmed; GUARDED_BY(link.mu)
	full     bool       // the server refused a further channel: it bears most; GUARDED_BY(link.mu)
	most     int        // GUARDED_BY(link.mu)
	over     bool       // GUARDED_BY(link.mu)
	idle     time.Time  // since when it has no channel; GUARDED_BY(link.mu)
}

// bears says how many channels there can be: a server that confirms no end of a session
// is not asked for ever more. link.mu is held.
func (c *conn) bears() int {
	most := c.link.r.o.MaxChannels
	if c.full {
		most = min(c.most, most)
	}
	return most - c.leaving
}

// endPatience is how long the end of a connection may come behind that of its
// sessions.
const endPatience = 100 * time.Millisecond

func newLink(r *Remote, c Conn) *link {
	ctx, cancel := context.WithCancelCause(r.ctx)
	l := &link{r: r, ctx: ctx, cancel: cancel, started: time.Now()}
	l.addConn(c)
	return l
}

// addConn makes c a connection of the link; false if the link is over.
func (l *link) addConn(c Conn) (*conn, bool) {
	cn := &conn{Conn: c, link: l, idle: time.Now()}
	cn.heard.Store(nanos(time.Now()))
	l.mu.Lock()
	if l.over {
		l.mu.Unlock()
		return nil, false
	}
	l.conns = append(l.conns, cn)
	l.mu.Unlock()
	if !l.r.spawn(cn.watch) { // the Remote is closed
		c.Close()
	}
	l.r.spawn(cn.keepalive)
	return cn, true
}

// watch waits for the end of the connection.
func (c *conn) watch() {
	select {
	case <-c.Done():
		err := c.Err()
		if err == nil {
			err = errors.New("connection ended")
		}
		c.fail(err)
	case <-c.link.ctx.Done():
		c.fail(context.Cause(c.link.ctx))
	}
}

// fail closes the connection, and ends the link with it if it is the first one.
func (c *conn) fail(err error) {
	l := c.link
	l.mu.Lock()
	if c.over {
		l.mu.Unlock()
		return
	}
	c.over = true
	first := len(l.conns) > 0 && l.conns[0] == c
	channels := c.channels
	c.channels = nil
	if !first {
		l.conns = remove(l.conns, c)
	}
	l.mu.Unlock()
	if first {
		l.fail(err)
	} else {
		l.r.log.Debug("further connection ended", "err", err)
	}
	c.Close()
	for _, ch := range channels {
		ch.client.Close()
	}
	l.r.tune()
}

// fail ends the link. It does not wait for anything.
func (l *link) fail(err error) {
	l.mu.Lock()
	if l.over {
		l.mu.Unlock()
		return
	}
	l.over = true
	l.mu.Unlock()
	l.cancel(linkDown(err)) // first: what is over is not put to use any more
	l.r.linkLost(l, err)
}

// isSetUp says that the control channel is there.
func (l *link) isSetUp() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.control != nil
}

// endOf prefers the reason why the first connection ended to err, which an
// operation on it saw of that.
func (l *link) endOf(err error) error {
	l.mu.Lock()
	var first *conn
	if len(l.conns) > 0 {
		first = l.conns[0]
	}
	l.mu.Unlock()
	if first == nil || !isLost(err) && !errors.Is(err, ErrLinkDown) {
		return err
	}
	// Its sessions may see the end before it is known to be that of the whole.
	t := time.NewTimer(endPatience)
	defer t.Stop()
	select {
	case <-first.Done():
	case <-t.C:
	}
	if cause := first.Err(); cause != nil {
		return cause
	}
	return err
}

// data gives the data channels: all but the control channel, unless there is
// nothing else.
func (l *link) data() []*channel {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.dataLocked()
}

func (l *link) dataLocked() []*channel {
	var all []*channel
	for _, c := range l.conns {
		for _, ch := range c.channels {
			if ch != l.control && ch.alive() {
				all = append(all, ch)
			}
		}
	}
	if len(all) == 0 && l.control != nil {
		all = append(all, l.control)
	}
	return all
}

// counts gives the open connections and channels.
func (l *link) counts() (conns, channels int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range l.conns {
		if !c.over {
			conns++
			channels += len(c.channels)
		}
	}
	return conns, channels
}

// remove takes x out of a copy of s.
func remove[T comparable](s []T, x T) []T {
	out := make([]T, 0, len(s))
	for _, v := range s {
		if v != x {
			out = append(out, v)
		}
	}
	return out
}

package remote

import (
	"context"
	"errors"
	"time"
)

var errSilent = errors.New("the server gives no sign of life")

// keepalive ends the connection when the server is silent: asked after KeepaliveInterval
// of silence (sooner while answers are awaited), and given as much time to answer, twice;
// or as the connection's configuration has it. Before the link is set up it asks nothing:
// that has a deadline of its own, and a busy server may take longer to start a session.
func (c *conn) keepalive() {
	interval, count := c.link.r.o.KeepaliveInterval, 2
	if p, ok := c.Conn.(PatientConn); ok {
		if i, n := p.Keepalive(); i > 0 && n > 0 {
			interval, count = i, n
		}
	}
	tick := time.NewTicker(interval / 5)
	defer tick.Stop()
	missed := 0
	for {
		select {
		case <-tick.C:
		case <-c.Done():
			return
		case <-c.link.ctx.Done():
			return
		}
		if !c.link.isSetUp() {
			continue
		}
		silence := time.Since(moment(c.heard.Load()))
		if silence < interval && (silence < 2*interval/5 || !c.awaits()) {
			missed = 0
			continue
		}
		if c.ping(interval) {
			missed = 0
			continue
		}
		if missed++; missed >= count {
			c.fail(errSilent)
			return
		}
	}
}

// ping asks for a sign of life; anything else that is heard meanwhile is one.
func (c *conn) ping(patience time.Duration) bool {
	ctx, cancel := context.WithTimeout(c.link.ctx, patience)
	defer cancel()
	before := c.heard.Load()
	start := time.Now()
	if _, err := c.Ping(ctx); err != nil {
		return c.heard.Load() != before
	}
	c.link.r.notePing(time.Since(start))
	c.heard.Store(nanos(time.Now()))
	return true
}

// awaits says that something is unanswered on the connection.
func (c *conn) awaits() bool {
	c.link.mu.Lock()
	channels := c.channels
	c.link.mu.Unlock()
	for _, ch := range channels {
		if ch.requests.len() > 0 || ch.client.Counters().InFlight > 0 {
			return true
		}
	}
	return false
}

// monitor looks after the channels of a link: requests without progress,
// channels and connections without use.
func (l *link) monitor() {
	o := l.r.o
	tick := time.NewTicker(min(probePause, o.KeepaliveInterval/5, o.DataTimeout/10, max(o.ChannelIdle/4, time.Millisecond)))
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-l.ctx.Done():
			return
		}
		l.expire(time.Now())
		l.probe(time.Now())
		l.trim(time.Now())
		l.refill()
		l.r.tune()
		l.r.checkIdle(l)
	}
}

// expire ends requests without progress, and channels that say nothing at all.
func (l *link) expire(now time.Time) {
	patience := l.r.o.DataTimeout
	for _, ch := range l.all() {
		dead := ch.requests.expire(now, moment(ch.heard.Load()), patience)
		// Operations on paths, and those that open files, have deadlines of their own:
		// what shows that they are stuck is that nothing was heard since one ended.
		dead = dead || ch.stalled() && now.Sub(moment(ch.stalledAt.Load())) > patience
		switch {
		case dead && ch == l.control:
			l.fail(errors.New("the server stopped answering"))
		case dead:
			l.r.log.Warn("a channel was silent for too long and is closed", "dur", patience)
			ch.end()
		}
	}
}

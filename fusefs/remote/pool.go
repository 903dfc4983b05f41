package remote

import (
	"context"
	"errors"
	"sync"
	"time"
)

const (
	// growPause is how long a pool that could not grow as it wanted rests.
	growPause = 10 * time.Second
	// connPause is how long no further connection is tried after one failed.
	connPause = time.Minute
	// busyLoad is the data in flight on a channel above which another is
	// better for something new.
	busyLoad = 512 << 10
)

// all gives every open channel.
func (l *link) all() []*channel {
	l.mu.Lock()
	defer l.mu.Unlock()
	var all []*channel
	for _, c := range l.conns {
		all = append(all, c.channels...)
	}
	return all
}

// grow opens more data channels when the windows of those that are open limit
// the flow. It does not wait.
func (r *Remote) grow(f *flow) {
	r.mu.Lock()
	l := r.link
	r.mu.Unlock()
	if l == nil || nanos(time.Now()) < l.growAfter.Load() || l.growing.Load() {
		return
	}
	have, room := l.room()
	want, proven := f.wanted(room)
	if want <= have || !l.growing.CompareAndSwap(false, true) {
		return
	}
	if !r.spawn(func() {
		defer l.growing.Store(false)
		if got := l.growTo(want, proven); got < want {
			l.growAfter.Store(nanos(time.Now().Add(growPause)))
		}
	}) {
		l.growing.Store(false)
	}
}

// room gives the data channels that are open, and how many there can be on the
// connections that are.
func (l *link) room() (have, room int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	have = len(l.dataLocked())
	room = have
	for _, c := range l.conns {
		if !c.over {
			room += max(c.bears()-len(c.channels), 0)
		}
	}
	return have, room
}

// growTo opens data channels, and with dial connections for them, until there are n
// or the server or the options allow no more. It returns how many there are.
func (l *link) growTo(n int, dial bool) int {
	for {
		l.openChannels(n - len(l.data()))
		l.r.tune()
		have := len(l.data())
		if have >= n || !dial || !l.dialFurther() {
			return have
		}
	}
}

// openChannels opens up to n channels on the connections that have room, all at
// the same time.
func (l *link) openChannels(n int) {
	ctx, cancel := context.WithTimeout(l.ctx, l.r.o.DialTimeout)
	defer cancel()
	var opening sync.WaitGroup
	l.mu.Lock()
	for _, c := range l.conns {
		room := c.bears() - len(c.channels) - c.opening
		for ; room > 0 && n > 0 && !c.over; room-- {
			n--
			opening.Go(func() {
				if _, err := l.openChannel(ctx, c); err != nil {
					l.r.log.Debug("no further channel", "err", err)
				}
			})
		}
	}
	l.mu.Unlock()
	opening.Wait()
}

// refillPause keeps a server that ends every channel at once from being asked
// all the time; the monitor asks anyway.
const refillPause = time.Second

// refill opens a data channel when none is left and there is room for one.
func (l *link) refill() {
	l.mu.Lock()
	missing := !l.over && l.control != nil && l.conns[0].bears() > 1 && l.dataLocked()[0] == l.control
	l.mu.Unlock()
	if missing && l.growing.CompareAndSwap(false, true) {
		l.openChannels(1)
		l.growing.Store(false)
		l.r.tune()
	}
}

// dialFurther adds a connection, which asks no person; false when there shall be
// none.
func (l *link) dialFurther() bool {
	r := l.r
	l.mu.Lock()
	enough := len(l.conns) >= r.o.MaxConnections || time.Now().Before(l.connsAfter)
	l.mu.Unlock()
	if enough || r.alone.Load() || l.ctx.Err() != nil {
		return false
	}
	ctx, cancel := context.WithTimeout(l.ctx, r.dialTimeout())
	defer cancel()
	if r.takeDial(ctx) != nil {
		return false
	}
	r.counters.dials.Add(1)
	c, err := r.o.Dialer.Dial(ctx, false)
	r.giveDial()
	if err != nil {
		pause := connPause
		if classify(err) != faultTransient {
			r.alone.Store(true) // a refused login is not repeated, on a later link either
		}
		l.mu.Lock()
		l.connsAfter = time.Now().Add(pause)
		l.mu.Unlock()
		r.log.Info("no further connection", "err", err)
		return false
	}
	if _, ok := l.addConn(c); !ok {
		c.Close()
		return false
	}
	return true
}

var errUnused = errors.New("not used for a while")

// trim closes data channels, all but one of the first connection, and further
// connections that were not used for a while.
func (l *link) trim(now time.Time) {
	idle := l.r.o.ChannelIdle
	for _, f := range l.r.objects.files() {
		f.shrink(now.Add(-idle))
	}
	var channels []*channel
	var conns []*conn
	l.mu.Lock()
	for i, c := range l.conns {
		kept := i > 0
		for _, ch := range c.channels {
			switch {
			case ch == l.control:
			case ch.handles.Load() > 0 || ch.requests.len() > 0 || now.Sub(moment(ch.lastUse.Load())) <= idle:
				kept = true
			default:
				channels = append(channels, ch)
			}
		}
		if n := len(channels); !kept && n > 0 {
			channels = channels[:n-1]
		}
		if i > 0 && len(c.channels) == 0 && c.opening == 0 && now.Sub(c.idle) > idle {
			conns = append(conns, c)
		}
	}
	l.mu.Unlock()
	for _, ch := range channels {
		ch.end()
	}
	for _, c := range conns {
		c.fail(errUnused)
	}
}

package remote

import (
	"maps"
	"sync"
	"sync/atomic"

	"sshfs-bridge/fusefs/sftp"
)

// counters are what a Remote counts itself, and what ended sessions had counted.
type counters struct {
	dials, reconnects, resumed, resent, settled atomic.Uint64

	mu    sync.Mutex
	ended Counters // GUARDED_BY(mu)
}

// addCounters keeps what an ended session counted.
func (r *Remote) addCounters(c sftp.Counters) {
	r.counters.mu.Lock()
	defer r.counters.mu.Unlock()
	c.InFlight = 0
	r.counters.ended.add(c)
}

func (c *Counters) add(s sftp.Counters) {
	if c.Requests == nil {
		c.Requests = make(map[string]uint64)
	}
	for kind, n := range s.Requests {
		c.Requests[kind] += n
	}
	c.ReadBytes += s.BytesRead
	c.WriteBytes += s.BytesWritten
	c.InFlight += s.InFlight
	c.RoundTrips += s.Waits
	c.RoundTripTime += s.WaitTime
}

// Counters gives what was counted since New.
func (r *Remote) Counters() Counters {
	r.counters.mu.Lock()
	c := r.counters.ended
	c.Requests = maps.Clone(c.Requests)
	r.counters.mu.Unlock()
	r.mu.Lock()
	l := r.link
	r.mu.Unlock()
	if l != nil {
		for _, ch := range l.all() {
			c.add(ch.client.Counters())
		}
	}
	if c.Requests == nil {
		c.Requests = make(map[string]uint64)
	}
	c.Dials = r.counters.dials.Load()
	c.Reconnects = r.counters.reconnects.Load()
	c.Resumed = r.counters.resumed.Load()
	c.Resent = r.counters.resent.Load()
	c.Settled = r.counters.settled.Load()
	c.Waits = r.reads.waitCount() + r.writes.waitCount() + r.window.waitCount() + r.queued.waitCount()
	return c
}

// Status gives a snapshot.
func (r *Remote) Status() Status {
	counted := r.Counters()
	r.mu.Lock()
	s, l := r.statusLocked(), r.link
	r.mu.Unlock()
	if l != nil {
		s.Connections, s.Channels = l.counts()
	}
	s.Counters = counted
	return s
}

// statusLocked gives the part of the status that costs little. r.mu is held.
func (r *Remote) statusLocked() Status {
	return Status{
		State: r.state, Since: r.since, Cause: r.cause,
		Attempts: r.attempts, NextAttempt: r.next,
		RTT:      r.rtt.get(),
		ReadRate: r.reads.rateNow(), WriteRate: r.writes.rateNow(),
		OpenFiles:    r.objects.count(),
		PendingBytes: r.window.inUse(),
	}
}

// tune tells the flows what the link is like.
func (r *Remote) tune() {
	r.mu.Lock()
	l := r.link
	r.mu.Unlock()
	if l == nil {
		return
	}
	rtt, channels := r.rtt.get(), len(l.data())
	l.dataCount.Store(int64(channels))
	r.reads.setLink(rtt, channels)
	r.writes.setLink(rtt, channels)
	r.tuneWindow()
}

// windowFloor keeps two packets of a slow link on their way.
const windowFloor = 256 << 10

// tuneWindow sets the write window to one second of what the link carries. While that
// is not known it is a little more than what may be in flight, so that it is never the
// writer that is waited for.
func (r *Remote) tuneWindow() {
	n := windowOver(r.writes.limit())
	if rate, full := r.writes.measured(); full {
		n = max(int64(rate), windowFloor)
	}
	r.window.setCapacity(min(n, int64(r.o.WindowBytes)))
}

// windowOver is what a user of a flow does well to have asked for, or written, where limit
// may be in flight.
func windowOver(limit int64) int64 { return limit + limit/4 + flowFloor }

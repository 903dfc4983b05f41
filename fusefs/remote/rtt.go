package remote

import (
	"slices"
	"sync"
	"time"
)

// rttSpan is how often a longer round trip is believed, a little, although data
// was in flight.
const rttSpan = 30 * time.Second

// rttEstimate is what the way takes when nothing queues: the shortest round trip
// seen. It follows a way that became longer at once when three signs of life beside
// no data show it, and slowly otherwise: bulk data makes everything behind it
// slow, and must not pass for a longer way.
type rttEstimate struct {
	mu        sync.Mutex
	best, now time.Duration    // ever, and of this span; 0 unknown; GUARDED_BY(mu)
	turn      time.Time        // GUARDED_BY(mu)
	idle      [3]time.Duration // the last ones beside no data; GUARDED_BY(mu)
	next      int              // in idle; GUARDED_BY(mu)
}

func (e *rttEstimate) add(d time.Duration, idle bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if t := time.Now(); t.Sub(e.turn) > rttSpan {
		if e.now > e.best {
			e.best += min((e.now-e.best)/8, e.best/4)
		}
		e.now, e.turn = 0, t
	}
	if e.now == 0 || d < e.now {
		e.now = d
	}
	if idle {
		e.idle[e.next] = d
		e.next = (e.next + 1) % len(e.idle)
		e.best = max(e.best, slices.Min(e.idle[:]))
	}
	if e.best == 0 || d < e.best {
		e.best = d
	}
}

func (e *rttEstimate) get() time.Duration {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.best
}

// noteRTT notes how long a request took. The server's disk may have had a part in
// it, so it shows only how short the way can be.
func (r *Remote) noteRTT(d time.Duration) { r.rtt.add(d, false) }

// notePing notes how long a sign of life took, which no disk is asked for.
func (r *Remote) notePing(d time.Duration) {
	r.rtt.add(d, r.reads.inUse() == 0 && r.writes.inUse() == 0)
}

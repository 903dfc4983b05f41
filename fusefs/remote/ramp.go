package remote

import "time"

// ramp is how a flow finds out what the link carries: each answer lets as much
// more go out, which doubles what is in flight each round trip. It ends when twice in
// a row what was in flight has not come back within a round trip: then it waits
// somewhere on the way, and more of it would only make that longer. The windows of
// the channels bound it, too; when there are more of those it goes on.
//
// What was tried and brought nothing for a first stream over a long way:
// beginning with 4 MiB in flight instead of 2 saves one round trip of ten, and
// makes a path operation beside the first stream of a slow link wait twice as long;
// a second connection dialled when the stream begins is there after about eleven
// round trips, which is when 128 MiB are over, so that it helps only what follows;
// channels one at a time, each measured, are as slow as that for a thousand round
// trips.
type ramp struct {
	on     bool
	began  time.Time // of the round; zero: none
	flight int64     // what was in flight then
	back   int64     // what has come back since
	slow   int       // rounds in a row in which too little came back
	wanted bool      // somebody did not fit in the round before
}

// rampSlow is how many such rounds end it: one may be the server's disk.
const rampSlow = 2

// rampLocked takes in an answer of n bytes. estMu is held.
func (f *flow) rampLocked(n int64, now time.Time) {
	p := &f.ramp
	f.widen(n, int64(f.channels)*channelWindow, p.wanted)
	flight := f.inUse() - n
	if p.began.IsZero() || f.busySince().After(p.began) {
		p.began, p.flight, p.back = now, flight, 0
		return
	}
	p.back += n
	// A little more than a round trip: what left at its end may come behind.
	if now.Sub(p.began) < f.rtt+f.rtt/4+time.Millisecond {
		return
	}
	switch {
	case p.flight < flowFloor: // shows nothing
	case p.back*10 < p.flight*6:
		p.slow++
	default:
		p.slow = 0
	}
	p.began, p.flight, p.back, p.wanted = now, flight, 0, f.takeRefused()
	if p.slow >= rampSlow {
		p.on = false
	}
}

package remote

import "time"

// ramp is how a flow finds out what the link carries: each answer lets as much
// more go out, which doubles what is in flight each round trip. What comes back in a
// train, one close behind the other, shows more than that: how fast the narrowest
// part of the way carries it. So a flow may leap, to half of what such a train proves
// and no further than rampLeap times what was in flight. The ramp ends when twice in
// a row what was in flight has not come back within a round trip: then it waits
// somewhere on the way, and more of it would only make that longer. The windows of
// the channels bound it, too; when there are more of those it goes on.
//
// What was tried and brought nothing for a first stream over a long way:
// beginning with 4 MiB in flight instead of 2 saves one round trip, and makes a path
// operation beside the first stream of a slow link wait twice as long; a second
// connection dialled when the stream begins is there after about eleven round trips,
// when most are over (so one is there before: see dialAhead); channels one at a time,
// each measured, are as slow as that for a thousand round trips.
type ramp struct {
	on     bool
	began  time.Time // of the round; zero: none
	flight int64     // what was in flight then
	back   int64     // what has come back since
	slow   int       // rounds in a row in which too little came back
	wanted bool      // somebody did not fit in the round before
	train  train
}

// train are answers that came one close behind the other.
type train struct {
	began, last time.Time // its first answer, its last one
	flight      int64     // in flight when it began
	back        int64     // what came after the first answer
}

// proves takes in an answer of n bytes, and says what may be in flight over a way of
// rtt, as far as the train shows it; 0 while it is too short.
func (t *train) proves(n, flight int64, rtt time.Duration, now time.Time) int64 {
	if t.began.IsZero() || now.Sub(t.last) > rtt/rampGap {
		*t = train{began: now, last: now, flight: flight}
		return 0
	}
	t.last = now
	if t.back += n; t.back < rampTrain {
		return 0
	}
	took := max(now.Sub(t.began), time.Millisecond)
	carried := float64(t.back) / took.Seconds() * rtt.Seconds()
	return int64(min(carried/2, rampLeap*float64(t.flight)))
}

const (
	// rampTrain is the shortest train that proves anything: what a socket holds
	// back while this process sleeps would pass for a fast link otherwise.
	rampTrain = 1 << 20
	// rampLeap bounds what a flow grows by at once.
	rampLeap = 16
	// rampGap is the part of a round trip without an answer that ends a train.
	rampGap = 8
)

// rampSlow is how many such rounds end it: one may be the server's disk.
const rampSlow = 2

// rampLocked takes in an answer of n bytes. estMu is held.
func (f *flow) rampLocked(n int64, now time.Time) {
	p := &f.ramp
	most := int64(f.channels) * f.fill
	f.widen(n, most, p.wanted)
	flight := f.inUse() - n
	if proven := p.train.proves(n, flight, f.rtt, now); proven > 0 {
		f.widen(proven-f.limit(), most, p.wanted)
	}
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

package remote

import (
	"math/rand/v2"
	"time"
)

// backoff gives the pauses between attempts to connect: doubling from min to
// max, each spread over half to one and a half of itself, so that many who lost
// the same server do not come back together.
type backoff struct {
	min, max time.Duration
	next     time.Duration
}

// pause gives the next pause.
func (b *backoff) pause() time.Duration {
	d := min(max(b.next, b.min), b.max)
	b.next = min(2*d, b.max)
	return d/2 + rand.N(d+1)
}

// reset begins anew, after a connection that lasted.
func (b *backoff) reset() { b.next = 0 }

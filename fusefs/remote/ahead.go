package remote

import (
	"context"
	"time"
)

// openAhead opens the data channels that a stream will want over a way as long as
// this one, while the control channel is made: opened when a stream begins they
// are three or four round trips late. It is one less than that, because one is
// opened anyway. On a server which did not bear that last time it opens none.
func (l *link) openAhead(ctx context.Context, first *conn) {
	r := l.r
	if r.shy.Load() || !l.growing.CompareAndSwap(false, true) {
		return
	}
	defer func() {
		l.growing.Store(false)
		r.tune()
	}()
	start := time.Now()
	if _, err := first.Ping(ctx); err != nil {
		return
	}
	rtt := time.Since(start)
	r.notePing(rtt)
	if r.o.MaxChannels > 2 { // that many are being opened anyway
		l.openChannels(r.ahead(rtt) - 1)
	}
}

// dialAhead makes a further connection, one, and opens its channels, where the way is
// so long that a stream will want more of them than one connection has. Dialled when
// the stream begins it would be there after eleven round trips, when most streams are
// over. It asks no person, is closed again when nobody has used it for ChannelIdle,
// and is left out after a link that failed or did not last.
func (l *link) dialAhead() {
	r := l.r
	if r.shy.Load() {
		return
	}
	want := r.ahead(r.rtt.get())
	if _, room := l.room(); want <= room || !l.growing.CompareAndSwap(false, true) {
		return
	}
	defer l.growing.Store(false)
	if l.dialFurther() {
		l.openChannels(want - len(l.data()))
		r.tune()
	}
}

// ahead says how many data channels a new link does well to begin with, over a way
// of rtt.
func (r *Remote) ahead(rtt time.Duration) int {
	return max(r.reads.ahead(rtt), r.writes.ahead(rtt))
}

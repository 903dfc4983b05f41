package remote

import (
	"sync"
	"time"
)

// channelWindow is what one SSH channel carries a round trip, in either
// direction: x/crypto/ssh grants 2 MiB and so does OpenSSH.
const channelWindow = 2 << 20

// channelFill is how much of it a stream of reads uses: seven packets of OpenSSH. Both
// programs keep back the leave for up to 96 KiB that they have taken in
// (x/crypto ssh, channel.adjustWindow; OpenSSH channels.c, channel_check_window), so
// that an eighth would wait for it, a round trip longer than the others, and whoever
// reads in order with it.
const channelFill = 7 * 255 << 10

const (
	// flowInitial is in flight before any rate is known: enough to measure by,
	// and soon over even on a slow link.
	flowInitial = channelWindow
	// flowFloor keeps two full packets in flight on any link.
	flowFloor = 512 << 10
	// flowSample is the shortest time over which a rate is measured.
	flowSample = 50 * time.Millisecond
	// growMeasure is how long new channels are measured, besides a few round
	// trips, and growRetry for how long no more are tried if they brought
	// nothing: then it is the link or a processor that limits.
	growMeasure = 100 * time.Millisecond
	growRetry   = time.Minute
	// targetRate is what channels are opened for ahead of any measurement, and
	// what growing aims at in one step. The steps after it are measured.
	targetRate = 500 << 20
)

// flow bounds the file data in flight in one direction to what the link
// carries in about two round trips: more would only make everything else wait
// behind it. It learns the rate from the answers. Until it knows that, it doubles
// what is in flight each round trip, as long as that comes back within one.
type flow struct {
	gate
	fill int64 // what a channel carries a round trip; never changed

	estMu    sync.Mutex
	ramp     ramp    // GUARDED_BY(estMu), as all below
	rate     float64 // bytes a second, 0 unknown
	sample   float64 // the last measurement
	steady   float64 // the lower one of the last two
	acc      int64   // since start
	start    time.Time
	last     time.Time // of the last answer
	rtt      time.Duration
	channels int       // data channels
	before   float64   // steady when channels were added
	grown    time.Time // when channels were added
	full     bool      // rate was measured while somebody waited
}

func newFlow(fill int64) *flow {
	f := &flow{fill: fill, channels: 1, ramp: ramp{on: true}}
	f.capacity = flowInitial
	return f
}

// delivered notes that n bytes were answered, and adapts the capacity. Their room
// is given back after it.
func (f *flow) delivered(n int, now time.Time) {
	f.estMu.Lock()
	defer f.estMu.Unlock()
	if f.ramp.on {
		f.rampLocked(int64(n), now)
	}
	if f.start.IsZero() || f.busySince().After(f.last) {
		// The first answer only starts the clock: its own way is unknown.
		f.start, f.last, f.acc = now, now, 0
		return
	}
	f.last = now
	f.acc += int64(n)
	elapsed := now.Sub(f.start)
	if elapsed < max(flowSample, f.rtt) {
		return
	}
	sample := float64(f.acc) / elapsed.Seconds()
	f.steady = sample
	if f.sample > 0 {
		f.steady = min(sample, f.sample)
	}
	f.sample = sample
	f.start, f.acc = now, 0
	switch {
	case f.takeWaited():
		// The link was full. What it once carried is forgotten, slowly.
		f.full = true
		f.rate = max(sample, 0.8*f.rate+0.2*sample)
	case sample > f.rate:
		f.rate = sample
	}
	f.adapt()
}

// setLink tells the flow the round trip and the channels that it has.
func (f *flow) setLink(rtt time.Duration, channels int) {
	f.estMu.Lock()
	defer f.estMu.Unlock()
	if channels > f.channels && f.rate > 0 {
		f.grown, f.before = time.Now(), f.steady
		if f.windowsLimitLocked() {
			f.ramp = ramp{on: true}
		}
	}
	f.rtt, f.channels = rtt, max(channels, 1)
	f.adapt()
}

// adapt sets the capacity from what is known. estMu is held.
func (f *flow) adapt() {
	most := int64(f.channels) * f.fill
	if f.ramp.on {
		f.setCapacity(min(max(f.limit(), flowInitial), most))
		return
	}
	capacity := int64(min(2*f.rate*f.rtt.Seconds()+flowInitial, f.rate))
	floor := int64(flowInitial)
	if f.full { // else the rate is that of who asked
		floor = flowFloor
	}
	f.setCapacity(min(max(capacity, floor), most))
}

// windowsLimitLocked says that the data flows at the rate which the windows of
// the channels allow. estMu is held.
func (f *flow) windowsLimitLocked() bool {
	return f.steady*f.rtt.Seconds() >= 0.6*float64(f.channels)*channelWindow
}

// wanted says how many data channels the flow could use: as many as the way is
// long for, up to room, until its rate is known; and then more than it has when the
// windows of those are what limits it, which is proven by measurement.
func (f *flow) wanted(room int) (n int, proven bool) {
	f.estMu.Lock()
	defer f.estMu.Unlock()
	if n := min(channelsFor(f.rtt), room); f.ramp.on && n > f.channels {
		return n, false
	}
	switch since := time.Since(f.grown); {
	case since < 6*f.rtt+growMeasure:
		return f.channels, false // what the last ones brought is not known yet
	case since < growRetry && f.steady < 1.2*f.before:
		return f.channels, false // they brought nothing: it is not the windows
	case !f.windowsLimitLocked():
		return f.channels, false
	}
	bdp := f.steady * f.rtt.Seconds()
	goal := max(2*bdp, min(targetRate*f.rtt.Seconds(), 8*float64(f.channels)*channelWindow))
	return max(f.channels, int(goal/channelWindow+0.999)), true
}

// ahead says how many data channels a new link does well to begin with, over a
// way of rtt: as many as the flow has used, once that is known.
func (f *flow) ahead(rtt time.Duration) int {
	f.estMu.Lock()
	defer f.estMu.Unlock()
	n := channelsFor(rtt)
	if !f.ramp.on {
		n = min(n, int(2*f.steady*rtt.Seconds()/channelWindow)+1)
	}
	return n
}

// channelsFor says how many channels targetRate takes over a way of rtt.
func channelsFor(rtt time.Duration) int {
	return max(1, int(targetRate*rtt.Seconds()/channelWindow+0.999))
}

// measured gives the rate, and whether it is the link's: what was measured while
// somebody waited.
func (f *flow) measured() (rate float64, full bool) {
	f.estMu.Lock()
	defer f.estMu.Unlock()
	return f.rate, f.full && !f.ramp.on
}

// rateNow gives the rate, 0 unknown.
func (f *flow) rateNow() float64 {
	f.estMu.Lock()
	defer f.estMu.Unlock()
	return f.rate
}

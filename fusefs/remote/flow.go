package remote

import (
	"sync"
	"time"
)

// channelWindow is what one SSH channel carries a round trip, in either
// direction: x/crypto/ssh grants 2 MiB and so does OpenSSH.
const channelWindow = 2 << 20

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
	// targetRate is what growing aims at in one step. The steps after it are
	// measured.
	targetRate = 400 << 20
)

// flow bounds the file data in flight in one direction to what the link
// carries in about two round trips: more would only make everything else wait
// behind it. It learns the rate from the answers.
type flow struct {
	gate

	estMu    sync.Mutex
	rate     float64       // bytes a second, 0 unknown; GUARDED_BY(estMu)
	sample   float64       // the last measurement; GUARDED_BY(estMu)
	steady   float64       // the lower one of the last two; GUARDED_BY(estMu)
	acc      int64         // since start; GUARDED_BY(estMu)
	start    time.Time     // GUARDED_BY(estMu)
	last     time.Time     // of the last answer; GUARDED_BY(estMu)
	rtt      time.Duration // GUARDED_BY(estMu)
	channels int           // data channels; GUARDED_BY(estMu)
	before   float64       // steady when channels were added; GUARDED_BY(estMu)
	grown    time.Time     // when channels were added; GUARDED_BY(estMu)
	full     bool          // rate was measured while somebody waited; GUARDED_BY(estMu)
}

func newFlow() *flow {
	f := &flow{channels: 1}
	f.capacity = flowInitial
	return f
}

// delivered notes that n bytes were answered, and adapts the capacity.
func (f *flow) delivered(n int, now time.Time) {
	f.estMu.Lock()
	defer f.estMu.Unlock()
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
	}
	f.rtt, f.channels = rtt, max(channels, 1)
	f.adapt()
}

// adapt sets the capacity from what is known. estMu is held.
func (f *flow) adapt() {
	if f.rate == 0 {
		f.setCapacity(flowInitial)
		return
	}
	capacity := int64(min(2*f.rate*f.rtt.Seconds()+flowInitial, f.rate))
	floor := int64(flowInitial)
	if f.full { // else the rate is that of who asked
		floor = flowFloor
	}
	most := int64(f.channels) * channelWindow
	if time.Since(f.grown) < 4*f.rtt {
		floor = most / 2 // new channels: what they carry is not measured yet
	}
	f.setCapacity(min(max(capacity, floor), most))
}

// wanted says how many data channels the flow could use: more than it has when
// the window of those is what limits it.
func (f *flow) wanted() int {
	f.estMu.Lock()
	defer f.estMu.Unlock()
	switch since := time.Since(f.grown); {
	case since < 6*f.rtt+growMeasure:
		return f.channels // what the last ones brought is not known yet
	case since < growRetry && f.steady < 1.2*f.before:
		return f.channels // they brought nothing: it is not the windows
	}
	bdp := f.steady * f.rtt.Seconds()
	if bdp < 0.6*float64(f.channels)*channelWindow {
		return f.channels
	}
	goal := max(2*bdp, min(targetRate*f.rtt.Seconds(), 8*float64(f.channels)*channelWindow))
	return max(f.channels, int(goal/channelWindow+0.999))
}

// rateNow gives the rate, 0 unknown.
func (f *flow) rateNow() float64 {
	f.estMu.Lock()
	defer f.estMu.Unlock()
	return f.rate
}

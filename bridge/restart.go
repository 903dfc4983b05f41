package bridge

import (
	"math/rand/v2"
	"time"
)

// The restart policy of a worker. The first restart follows at once, so that a
// crash costs a second; a worker that keeps dying is given up for a while.
const (
	restartFirst  = 100 * time.Millisecond
	restartSecond = time.Second
	restartMost   = 30 * time.Second
	restartWindow = 2 * time.Minute // deaths further back are forgiven
	restartBudget = 6               // deaths within the window before the unit has failed
	failedPause   = 5 * time.Minute // how long a failed unit rests
)

// restartPolicy says when to start a worker again. The zero value is ready;
// it is for one goroutine.
type restartPolicy struct {
	deaths []time.Time // within restartWindow, oldest first
}

// died counts a death and returns the pause before the next start, and
// whether the budget is spent.
func (p *restartPolicy) died(now time.Time) (pause time.Duration, spent bool) {
	for len(p.deaths) > 0 && now.Sub(p.deaths[0]) > restartWindow {
		p.deaths = p.deaths[1:]
	}
	p.deaths = append(p.deaths, now)
	n := len(p.deaths)
	switch {
	case n >= restartBudget:
		p.deaths = nil // after the rest it has the whole budget again
		return jitter(failedPause), true
	case n == 1:
		return restartFirst, false
	}
	return jitter(min(restartSecond<<(n-2), restartMost)), false
}

// jitter spreads a pause by a quarter either way, so that many units that fell
// together do not rise together.
func jitter(d time.Duration) time.Duration {
	return d - d/4 + rand.N(d/2+1)
}

package remote

import (
	"testing"
	"time"
)

// A train proves no more than half of what the link carries in a round trip, and at
// most a leap.
func TestTrain_proves(t *testing.T) {
	const packet, flight = 255 << 10, 2 << 20
	for name, c := range map[string]struct {
		rate     float64 // bytes a second
		rtt      time.Duration
		min, max int64
	}{
		"home connection":        {5e6, 30 * time.Millisecond, 0, 100e3},
		"home connection, far":   {5e6, 200 * time.Millisecond, 0, 600e3},
		"gigabit, far":           {110e6, 100 * time.Millisecond, 5e6, 6.5e6},
		"ten gigabit, far":       {1.1e9, 100 * time.Millisecond, 30e6, rampLeap * flight},
		"gigabit, on the island": {110e6, 5 * time.Millisecond, 0, 400e3},
	} {
		t.Run(name, func(t *testing.T) {
			var x train
			now, most := time.Now(), int64(0)
			for range flight / packet {
				most = max(most, x.proves(packet, flight, c.rtt, now))
				now = now.Add(time.Duration(packet / c.rate * float64(time.Second)))
			}
			if most < c.min || most > c.max {
				t.Errorf("%d bytes are proven, want %d to %d", most, c.min, c.max)
			}
		})
	}
}

// A pause ends a train: what comes after it is another one.
func TestTrain_ends(t *testing.T) {
	var x train
	now := time.Now()
	const rtt = 100 * time.Millisecond
	for range 100 { // one packet now and then shows nothing
		if n := x.proves(255<<10, 2<<20, rtt, now); n != 0 {
			t.Fatalf("%d bytes are proven by single packets", n)
		}
		now = now.Add(rtt/rampGap + time.Millisecond)
	}
}

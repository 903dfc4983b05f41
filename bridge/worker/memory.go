package worker

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

const (
	// garbageRoom is about how much memory may wait to be collected. What comes over
	// SSH passes through buffers that are garbage at once; the runtime would let that
	// grow to as much as is in use, which here is mostly the cache of file data: a
	// mount with 128 MiB of it would be twice as large. To collect often is cheap,
	// as file data hold no pointers.
	garbageRoom = 32 << 20
	// leastGarbage is the least part of what is in use, in percent.
	leastGarbage = 12
)

// boundGarbage has the collector leave garbageRoom from now on; a process does it
// once.
func boundGarbage() { (&collection{percent: 100}).over() }

// collection is made anew by each collection: its finalizer runs when one is over.
type collection struct {
	percent int
	live    [1]metrics.Sample
}

func (c *collection) over() {
	c.live[0].Name = "/gc/heap/live:bytes"
	metrics.Read(c.live[:])
	if percent := garbagePercent(c.live[0].Value.Uint64()); percent != c.percent {
		debug.SetGCPercent(percent)
		c.percent = percent
	}
	runtime.SetFinalizer(c, (*collection).over)
}

// garbagePercent is how much garbage may wait beside so many bytes in use: as the
// runtime has it while that is little.
func garbagePercent(live uint64) int {
	return int(min(100, max(leastGarbage, garbageRoom*100/max(live, 1))))
}

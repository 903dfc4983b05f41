package bench

import (
	"context"
	"fmt"
	"time"

	"sshfs-bridge/e2e/testenv"
)

// work is a thing that people do, and how much of it was done is its amount.
type work struct {
	name  string
	title string
	unit  string // of an amount per second
	// fills: it fills a directory of its own (cell.fresh).
	fills bool
	// do does it on the mount and returns the amount. It stops early, with
	// c.over, when the time is up.
	do func(c *cell) (float64, error)
	// check compares what the server has, once the clock has stopped.
	check func(c *cell) error
}

// cell is one measurement.
type cell struct {
	ctx      context.Context
	fix      *fixture
	system   system
	mount    *mount
	fresh    string // name of an empty directory there
	deadline time.Time
	partial  bool // the time was up before the work was done
	done     int  // files or bytes that were done, for check
	start    time.Time
	elapsed  time.Duration
}

// begin starts the clock, once more where a work has to prepare something; end
// notes what it shows. The work's own begin and end are those of the call, where it
// says nothing.
func (c *cell) begin() { c.start, c.elapsed = time.Now(), 0 }
func (c *cell) end()   { c.elapsed = time.Since(c.start) }

// over says whether the time is up, and notes that the work remains partial.
func (c *cell) over() bool {
	if c.ctx.Err() != nil || time.Now().After(c.deadline) {
		c.partial = true
	}
	return c.partial
}

// landed waits until the server has a file. It may take longer than the cell's
// time: what was written must arrive.
func (c *cell) landed(rel string, size int) error {
	if !testenv.Poll(4*c.fix.set.Limit, func() bool { return c.fix.landed(rel, int64(size)) || c.ctx.Err() != nil }) {
		return fmt.Errorf("%s: %w", rel, errServerLacks)
	}
	return c.ctx.Err()
}

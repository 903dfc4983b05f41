package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"sshfs-bridge/e2e/testenv"
)

// interruptible is the test's context, which also ends with Ctrl-C: cleanups run.
func interruptible(tb testing.TB) context.Context {
	tb.Helper()
	ctx, stop := signal.NotifyContext(tb.Context(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	tb.Cleanup(stop)
	return ctx
}

// measureAll measures every work on every system at every round-trip time, the
// systems side by side, in rounds. A cell that was cut short is not repeated: its rate
// is that of many operations already. A cell that fails has no figure, and the rest
// goes on; an interrupt ends the test.
func measureAll(tb testing.TB, kind string, set settings, works []work, all []system) *report {
	tb.Helper()
	x := &runner{ctx: interruptible(tb), link: newLink(tb), set: set, kept: map[string]*mount{}}
	tb.Cleanup(func() {
		if err := x.closeKept(); err != nil {
			tb.Error(err)
		}
	})
	x.fix = makeFixture(tb, x.link.sshd.Home, set)
	found, absent := present(all, set)
	r := newReport(kind, set, found, absent)
	begin, last := time.Now(), time.Duration(0)
	for r.Rounds < set.Runs && (r.Rounds == 0 || set.Whole == 0 || time.Since(begin)+last <= set.Whole) {
		r.Rounds++
		began := time.Now()
		r.noteLoad(fmt.Sprintf("before round %d", r.Rounds))
		for _, rtt := range set.RTTs {
			x.link.delay(rtt)
			if r.Rounds == 1 {
				r.noteLink(rtt, testenv.RoundTrips(tb, x.link.bare.Addr(), linkTrips))
			}
			for _, w := range works {
				if len(set.Works) > 0 && !slices.Contains(set.Works, w.name) {
					continue
				}
				for _, s := range found {
					if c := r.find(rtt, w.name, s.name); c != nil && c.Partial {
						continue
					}
					m := x.measure(w, s)
					if x.ctx.Err() != nil {
						tb.Fatalf("interrupted: %v", x.ctx.Err())
					}
					r.add(rtt, w, s.name, m)
					r.progress("%3v ms  round %d/%d  %-10s %-12s %s", rtt, r.Rounds, set.Runs, w.name, s.name, m)
				}
			}
		}
		last = time.Since(began)
	}
	r.noteLoad("after")
	return r
}

// linkTrips is how many bare round trips are taken before a round-trip time's works.
const linkTrips = 25

// measurement is what one run of a cell gave.
type measurement struct {
	amount  float64
	elapsed time.Duration
	partial bool
	cpu     time.Duration // of the processes that serve the mount
	peak    int64         // the sum of their largest resident sizes, bytes
	err     error
}

func (m measurement) rate() float64 { return m.amount / max(m.elapsed.Seconds(), 1e-9) }

func (m measurement) String() string {
	if m.err != nil {
		return "failed: " + m.err.Error()
	}
	mark := ""
	if m.partial {
		mark = "~"
	}
	return fmt.Sprintf("%s%s in %v", mark, figure(m.rate()), m.elapsed.Round(time.Millisecond))
}

// runner is what the measurements of one run of the program share.
type runner struct {
	ctx  context.Context
	link *link
	fix  *fixture
	set  settings
	kept map[string]*mount // by system, where mounts are kept
}

func (x *runner) measure(w work, s system) measurement {
	c := &cell{ctx: x.ctx, fix: x.fix, system: s}
	if w.fills {
		fresh, err := x.fix.newDir()
		if err != nil {
			return measurement{err: err}
		}
		c.fresh = fresh
		defer os.RemoveAll(filepath.Join(x.fix.dir, fresh))
	}
	if err := x.open(c); err != nil {
		return measurement{err: err}
	}
	result := c.clock(w, c.mount)
	if result.err == nil && w.check != nil {
		result.err = w.check(c)
	}
	switch {
	case result.err != nil:
		delete(x.kept, s.name)
		result.err = errors.Join(result.err, c.mount.logged(), c.mount.abort())
	case x.set.keep:
		x.kept[s.name] = c.mount
	default:
		result.err = c.mount.close()
	}
	return result
}

// open gets the cell's system ready: cold, unless mounts are kept.
func (x *runner) open(c *cell) (err error) {
	if c.mount = x.kept[c.system.name]; c.mount != nil {
		return nil
	}
	if !x.set.keep {
		if err := dropCaches(x.fix.dir); err != nil {
			return err
		}
		if x.set.Warm {
			if err := warmFiles(x.fix.dir); err != nil {
				return err
			}
		}
	}
	if c.mount, err = c.system.open(x.ctx, x.link); err != nil || x.set.keep {
		return err
	}
	warmPrograms(c.mount.pids(), "/usr/sbin/sshd", "tar")
	if c.mount.proc == nil {
		return nil // nothing there has to settle
	}
	return x.settle()
}

// settle leaves a new mount alone for as long as a person takes to open it: a mount
// may still make connections. Its caches stay cold.
func (x *runner) settle() error {
	select {
	case <-time.After(x.set.Settle):
		return nil
	case <-x.ctx.Done():
		return context.Cause(x.ctx)
	}
}

func (x *runner) closeKept() error {
	var errs []error
	for _, m := range x.kept {
		errs = append(errs, m.close())
	}
	return errors.Join(errs...)
}

// clock does the work on a mount and takes the time.
func (c *cell) clock(w work, m *mount) measurement {
	before, _ := m.usage()
	limit := c.fix.set.Limit
	c.begin()
	c.deadline = c.start.Add(limit)
	amount, err := within(6*limit, m, func() (float64, error) {
		amount, err := w.do(c)
		if c.elapsed == 0 {
			c.end()
		}
		return amount, err
	})
	result := measurement{amount: amount, elapsed: c.elapsed, partial: c.partial, err: err}
	if err == nil {
		after, peak := m.usage()
		result.cpu, result.peak = after-before, peak
	}
	return result
}

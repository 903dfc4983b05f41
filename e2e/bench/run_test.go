package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// interruptible is the test's context, which also ends with Ctrl-C: cleanups run.
func interruptible(t testing.TB) context.Context {
	t.Helper()
	ctx, stop := signal.NotifyContext(t.Context(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	t.Cleanup(stop)
	return ctx
}

// measureMounts measures every work on every system at every round-trip time, the
// systems side by side. A cell that fails has no figure, and the rest goes on; an
// interrupt ends the test.
func measureMounts(t testing.TB, set settings) *report {
	t.Helper()
	ctx := interruptible(t)
	l := newLink(t)
	fix := makeFixture(t, l.sshd.Home, set)
	found, absent := systems(t, set, bridgeBinary(t))
	r := newReport("mounts", set, found, absent)
	for _, rtt := range set.RTTs {
		l.delay(rtt)
		r.noteLoad(fmt.Sprintf("before %v ms", rtt))
		for run := range set.Runs {
			for _, w := range mountWorks() {
				if len(set.Works) > 0 && !contains(set.Works, w.name) {
					continue
				}
				for _, s := range found {
					m := measure(ctx, l, fix, w, s)
					if ctx.Err() != nil {
						t.Fatalf("interrupted: %v", ctx.Err())
					}
					r.add(rtt, w, s.name, m)
					r.progress("%3v ms  run %d/%d  %-10s %-12s %s", rtt, run+1, set.Runs, w.name, s.name, m)
				}
			}
		}
	}
	r.noteLoad("after")
	return r
}

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

func measure(ctx context.Context, l *link, fix *fixture, w work, s system) measurement {
	c := &cell{ctx: ctx, fix: fix, system: s}
	if w.fills {
		fresh, err := fix.newDir()
		if err != nil {
			return measurement{err: err}
		}
		c.fresh = fresh
		defer os.RemoveAll(filepath.Join(fix.dir, fresh))
	}
	if fix.set.drop {
		if err := dropCaches(fix.dir); err != nil {
			return measurement{err: err}
		}
	}
	m, err := s.open(ctx, l)
	if err != nil {
		return measurement{err: err}
	}
	c.dir = m.dir
	if fix.set.drop {
		warmPrograms(m.pids(), "/usr/sbin/sshd", "tar")
	}
	result := c.clock(w, m)
	if result.err == nil && w.check != nil {
		result.err = w.check(c)
	}
	if result.err != nil {
		result.err = errors.Join(result.err, m.logged(), m.abort())
		return result
	}
	result.err = m.close()
	return result
}

// clock does the work on a mount and takes the time.
func (c *cell) clock(w work, m *mount) measurement {
	var before time.Duration
	if m.proc != nil {
		before, _ = m.proc.usage()
	}
	limit := c.fix.set.Limit
	start := time.Now()
	c.deadline = start.Add(limit)
	amount, err := within(3*limit, m, func() (float64, error) { return w.do(c) })
	result := measurement{amount: amount, elapsed: time.Since(start), partial: c.partial, err: err}
	if m.proc != nil && err == nil {
		after, peak := m.proc.usage()
		result.cpu, result.peak = after-before, peak
	}
	return result
}

// logged is what the serving process said, as an error; nil where there is none.
func (m *mount) logged() error {
	if m.proc == nil {
		return nil
	}
	if text := strings.TrimSpace(m.proc.log.String()); text != "" {
		return errors.New(text)
	}
	return nil
}

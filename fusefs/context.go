package fusefs

import (
	"context"
	"sync"
	"time"
)

const (
	// lookGrace is how long an operation that only looks goes on after its caller
	// was interrupted. Most signals are not meant to end anything, and few programs
	// expect that a stat fails with EINTR, as it does on no local disk.
	lookGrace = time.Second
	// changeGrace is the same for an operation that changes something: the change
	// may have been made, and a caller that sees EINTR tries again.
	changeGrace = 5 * time.Second
	// noticeEvery is how soon an interrupt is noticed.
	noticeEvery = 100 * time.Millisecond
)

// interrupts watches over the operations that wait, for those whose callers were
// interrupted. It looks now and then, as each waits for a round trip, few are ever
// interrupted, and a goroutine for each would be most of what an operation costs.
// Its lock and that of an opContext are never held together.
type interrupts struct {
	mu    sync.Mutex
	ops   map[*opContext]struct{} // GUARDED_BY(mu)
	timer *time.Timer             // runs while there are any; GUARDED_BY(mu)
	over  bool                    // GUARDED_BY(mu)
}

// add watches over c; it is called once.
func (i *interrupts) add(c *opContext) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.ops == nil {
		i.ops = make(map[*opContext]struct{})
	}
	i.ops[c] = struct{}{}
	if i.timer == nil && !i.over {
		i.timer = time.AfterFunc(noticeEvery, i.notice)
	}
}

// remove forgets c: its channel is not looked at any more.
func (i *interrupts) remove(c *opContext) {
	i.mu.Lock()
	defer i.mu.Unlock()
	delete(i.ops, c)
}

// notice ends the operations whose callers were interrupted their grace ago.
func (i *interrupts) notice() {
	var over []*opContext
	i.mu.Lock()
	now := time.Now()
	for c := range i.ops {
		if c.noticed.IsZero() {
			select {
			case <-c.cancel:
				c.noticed = now
			default:
			}
		} else if now.Sub(c.noticed) >= c.grace {
			over = append(over, c)
		}
	}
	if i.timer = nil; len(i.ops) > 0 && !i.over {
		i.timer = time.AfterFunc(noticeEvery, i.notice)
	}
	i.mu.Unlock()
	for _, c := range over {
		c.end()
	}
}

// close ends the watch.
func (i *interrupts) close() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.over = true
	if i.timer != nil {
		i.timer.Stop()
	}
}

// opContext is the context of one operation: it ends a while after the kernel
// said that the caller was interrupted. It costs nothing until somebody waits
// for it, as most operations are answered from memory.
type opContext struct {
	all    *interrupts
	cancel <-chan struct{}
	grace  time.Duration
	// noticed is when the interrupt was; GUARDED_BY(all.mu)
	noticed time.Time

	mu      sync.Mutex
	watched bool              // GUARDED_BY(mu)
	done    chan struct{}     // nil until it is asked for; GUARDED_BY(mu)
	err     error             // GUARDED_BY(mu)
	after   map[uint64]func() // what AfterFunc was told; GUARDED_BY(mu)
	seq     uint64            // GUARDED_BY(mu)
}

// look gives the context of an operation that only looks, change that of one that
// changes something. stop must be called when the operation is over.
func (s *Server) look(cancel <-chan struct{}) (ctx context.Context, stop func()) {
	c := &opContext{all: &s.interrupts, cancel: cancel, grace: lookGrace}
	return c, c.stop
}

func (s *Server) change(cancel <-chan struct{}) (ctx context.Context, stop func()) {
	c := &opContext{all: &s.interrupts, cancel: cancel, grace: changeGrace}
	return c, c.stop
}

// Deadline: there is none.
func (*opContext) Deadline() (time.Time, bool) { return time.Time{}, false }

// Value: there are none.
func (*opContext) Value(any) any { return nil }

// Err is context.Canceled once the context has ended.
func (c *opContext) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// Done is closed when the context ends.
func (c *opContext) Done() <-chan struct{} {
	c.mu.Lock()
	if c.done == nil {
		c.done = make(chan struct{})
		if c.err != nil {
			close(c.done)
		}
	}
	done := c.done
	begin := c.err == nil && !c.watched
	c.watched = true
	c.mu.Unlock()
	if begin {
		c.all.add(c)
	}
	return done
}

// AfterFunc is what package context looks for in a parent that is not its own: with
// it, a context that is made of this one needs no goroutine. f must not block.
func (c *opContext) AfterFunc(f func()) (stop func() bool) {
	c.Done() // somebody waits
	c.mu.Lock()
	if c.err != nil {
		c.mu.Unlock()
		time.AfterFunc(0, f) // the caller may hold what f needs
		return func() bool { return false }
	}
	if c.after == nil {
		c.after = make(map[uint64]func(), 1)
	}
	c.seq++
	id := c.seq
	c.after[id] = f
	c.mu.Unlock()
	return func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		_, waits := c.after[id]
		delete(c.after, id)
		return waits
	}
}

func (c *opContext) end() {
	c.mu.Lock()
	if c.err != nil {
		c.mu.Unlock()
		return
	}
	c.err = context.Canceled
	if c.done != nil {
		close(c.done)
	}
	after := c.after
	c.after = nil
	c.mu.Unlock()
	for _, f := range after {
		f()
	}
}

// stop ends the context. After it nobody looks at the channel, which is used again
// for another request.
func (c *opContext) stop() {
	c.end()
	c.mu.Lock()
	watched := c.watched
	c.mu.Unlock()
	if watched {
		c.all.remove(c)
	}
}

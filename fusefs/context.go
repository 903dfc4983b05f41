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
)

// opContext is the context of one operation: it ends a while after the kernel
// said that the caller was interrupted. It costs nothing until somebody waits
// for it, as most operations are answered from memory.
type opContext struct {
	cancel <-chan struct{}
	grace  time.Duration
	over   chan struct{}

	mu   sync.Mutex
	done chan struct{} // nil until it is asked for
	err  error
	ends sync.WaitGroup
}

// look gives the context of an operation that only looks, change that of one that
// changes something. stop must be called when the operation is over.
func look(cancel <-chan struct{}) (ctx context.Context, stop func()) {
	c := &opContext{cancel: cancel, grace: lookGrace}
	return c, c.stop
}

func change(cancel <-chan struct{}) (ctx context.Context, stop func()) {
	c := &opContext{cancel: cancel, grace: changeGrace}
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
	defer c.mu.Unlock()
	if c.done == nil {
		c.done = make(chan struct{})
		if c.err != nil {
			close(c.done)
			return c.done
		}
		c.over = make(chan struct{})
		c.ends.Go(c.watch)
	}
	return c.done
}

func (c *opContext) watch() {
	select {
	case <-c.over:
		return
	case <-c.cancel:
	}
	t := time.NewTimer(c.grace)
	defer t.Stop()
	select {
	case <-c.over:
	case <-t.C:
		c.end()
	}
}

func (c *opContext) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err == nil {
		c.err = context.Canceled
		if c.done != nil {
			close(c.done)
		}
	}
}

// stop ends the context and waits for its goroutine: the channel that it watches
// is used again for another request.
func (c *opContext) stop() {
	c.end()
	c.mu.Lock()
	over := c.over
	c.mu.Unlock()
	if over != nil {
		close(over)
	}
	c.ends.Wait()
}

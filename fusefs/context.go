package fusefs

import (
	"context"
	"time"
)

// grace is how long an operation that changes something goes on after its caller
// was interrupted: the change may have been made, and a caller that sees EINTR
// tries again.
const grace = 5 * time.Second

// lookContext is the context of an operation that only looks: it ends with the
// interrupt. It is cheap, as there is one for every request.
type lookContext struct{ cancel <-chan struct{} }

func look(cancel <-chan struct{}) context.Context { return lookContext{cancel} }

func (lookContext) Deadline() (time.Time, bool) { return time.Time{}, false }
func (c lookContext) Done() <-chan struct{}     { return c.cancel }
func (lookContext) Value(any) any               { return nil }

func (c lookContext) Err() error {
	select {
	case <-c.cancel:
		return context.Canceled
	default:
		return nil
	}
}

// change gives the context of an operation that changes something, which ends a
// while after the interrupt. stop must be called when the operation is over.
func change(cancel <-chan struct{}) (ctx context.Context, stop func()) {
	ctx, done := context.WithCancel(context.Background())
	over := make(chan struct{})
	go func() {
		select {
		case <-over:
			return
		case <-cancel:
		}
		t := time.NewTimer(grace)
		defer t.Stop()
		select {
		case <-over:
		case <-t.C:
			done()
		}
	}()
	return ctx, func() { close(over); done() }
}

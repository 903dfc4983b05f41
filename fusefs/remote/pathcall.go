package remote

import (
	"context"
	"errors"
	"fmt"
	"time"

	"sshfs-bridge/fusefs/sftp"
)

// outcome is what looking finds out about a request whose answer was lost.
type outcome int

const (
	notDone outcome = iota // it did not happen: ask again
	undone                 // the same, and it cannot look so for another reason
	done                   // it happened
)

// pathRequest is an operation on a path.
type pathRequest[T any] struct {
	op, path string
	// prepare, where it is not nil, goes before do and is no question to the control
	// channel: when it takes too long, that says nothing of it.
	prepare func(ctx context.Context) error
	// do asks the server. The error is a *sftp.StatusError (perhaps wrapped)
	// where the server answered.
	do func(ctx context.Context, l *link) (T, error)
	// settle finds out, after the answer was lost, what became of it; nil
	// for what may simply be asked again.
	settle func(ctx context.Context, l *link) (T, outcome, error)
	// bounded says that the caller has set the time that all of it may take.
	bounded bool
	// opens says that do asks another channel, and notes itself which one timed out.
	opens bool
}

// losses counts how often the answer to one request was lost. The request may be
// what ends the sessions: a server that cannot bear it, or breaks the protocol.
type losses struct {
	any, hostile int
	last         time.Time // that was counted in any
}

const (
	maxLosses  = 8
	maxHostile = 2
	// oneLoss is the time within which losses are one: the sessions of a server that
	// goes away end one after the other, each with what was sent on to it meanwhile.
	oneLoss = time.Second
)

// tooMany counts a loss for the reason err, and says that the request shall not
// be tried again.
func (l *losses) tooMany(err error) bool {
	if errors.Is(err, sftp.ErrNotSent) {
		return false // it was not this one
	}
	if now := time.Now(); now.Sub(l.last) >= oneLoss {
		l.any++
		l.last = now
	}
	if errors.Is(err, sftp.ErrProtocol) {
		l.hostile++
	}
	return l.any > maxLosses || l.hostile > maxHostile
}

// reset begins anew, after progress.
func (l *losses) reset() { *l = losses{} }

// run carries out an operation on a path: within PathTimeout, and across a lost
// connection.
func run[T any](ctx context.Context, r *Remote, q pathRequest[T]) (T, error) {
	var zero T
	start := time.Now()
	if !q.bounded {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, r.o.PathTimeout, ErrTimeout)
		defer cancel()
	}
	r.used()
	if err := r.requestLimit.wait(ctx, 1); err != nil {
		return zero, q.wrap(err)
	}
	var unknown, lost bool // the outcome is unknown; the answer was lost
	var losses losses
	for {
		l, err := r.pathLink(ctx, lost)
		if err != nil {
			return zero, q.wrap(err)
		}
		var val T
		if unknown && q.settle != nil {
			var out outcome
			if val, out, err = q.settle(ctx, l); err == nil && out == done {
				r.counters.settled.Add(1)
				return val, nil
			}
			unknown = err != nil
		}
		if err == nil && q.prepare != nil {
			if err := q.prepare(ctx); err != nil {
				return zero, q.wrap(err)
			}
		}
		if err == nil {
			val, err = q.do(ctx, l)
			unknown = unknown || err != nil && !errors.Is(err, sftp.ErrNotSent)
		}
		switch {
		case err == nil:
			return val, nil
		case ctx.Err() != nil && !isStatus(err):
			if !q.opens {
				l.control.noteTimeout(ctx, start)
			}
			return zero, q.wrap(contextCause(ctx))
		case !isLost(err):
			return zero, err
		case losses.tooMany(err):
			return zero, q.wrap(linkDown(err))
		}
		lost = true
		if !l.control.alive() {
			l.fail(err) // else it was a data channel alone
		}
	}
}

// heardTimeout bounds what goes on because more and more of its answer comes.
const heardTimeout = 10 * time.Minute

// whileHeard gives a context that ends PathTimeout after the last call of heard, and
// after heardTimeout in all. The caller calls stop at the end.
func (r *Remote) whileHeard(parent context.Context) (ctx context.Context, heard func(), stop func()) {
	most, cancelMost := context.WithTimeoutCause(parent, heardTimeout, ErrTimeout)
	ctx, cancel := context.WithCancelCause(most)
	t := time.AfterFunc(r.o.PathTimeout, func() { cancel(ErrTimeout) })
	heard = func() { t.Reset(r.o.PathTimeout) }
	return ctx, heard, func() {
		t.Stop()
		cancel(nil)
		cancelMost()
	}
}

func (q pathRequest[T]) wrap(err error) error {
	if errors.Is(err, ErrClosed) {
		return err
	}
	return fmt.Errorf("%s %q: %w", q.op, q.path, err)
}

// runErr is run for what gives nothing but an error.
func runErr(ctx context.Context, r *Remote, op, path string,
	do func(ctx context.Context, c *sftp.Client) error,
	settle func(ctx context.Context, c *sftp.Client) (outcome, error),
) error {
	_, err := run(ctx, r, errRequest(op, path, do, settle))
	return err
}

// errRequest makes a request of what gives nothing but an error.
func errRequest(op, path string,
	do func(ctx context.Context, c *sftp.Client) error,
	settle func(ctx context.Context, c *sftp.Client) (outcome, error),
) pathRequest[struct{}] {
	q := pathRequest[struct{}]{op: op, path: path}
	q.do = func(ctx context.Context, l *link) (struct{}, error) { return struct{}{}, do(ctx, l.control.client) }
	if settle != nil {
		q.settle = func(ctx context.Context, l *link) (struct{}, outcome, error) {
			out, err := settle(ctx, l.control.client)
			return struct{}{}, out, err
		}
	}
	return q
}

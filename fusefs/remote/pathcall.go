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
	done                   // it happened
)

// pathRequest is an operation on a path.
type pathRequest[T any] struct {
	op, path string
	// do asks the server. The error is a *sftp.StatusError (perhaps wrapped)
	// where the server answered.
	do func(ctx context.Context, c *sftp.Client) (T, error)
	// settle finds out, after the answer was lost, what became of it; nil
	// for what may simply be asked again.
	settle func(ctx context.Context, c *sftp.Client) (T, outcome, error)
}

// maxHostile bounds how often an operation is tried again after the server broke
// the protocol: it may well be that operation that makes it do so.
const maxHostile = 2

// run carries out an operation on a path: within PathTimeout, and across a lost
// connection.
func run[T any](ctx context.Context, r *Remote, q pathRequest[T]) (T, error) {
	var zero T
	start := time.Now()
	ctx, cancel := context.WithTimeoutCause(ctx, r.o.PathTimeout, ErrTimeout)
	defer cancel()
	r.used()
	if err := r.requestLimit.wait(ctx, 1); err != nil {
		return zero, q.wrap(err)
	}
	var unknown, lost bool // the outcome is unknown; the answer was lost
	hostile := 0
	for {
		l, err := r.pathLink(ctx, lost)
		if err != nil {
			return zero, q.wrap(err)
		}
		var (
			val T
			out = notDone
		)
		if unknown && q.settle != nil {
			if val, out, err = q.settle(ctx, l.control.client); err == nil && out == done {
				r.counters.settled.Add(1)
				return val, nil
			}
			unknown = err != nil
		}
		if err == nil {
			val, err = q.do(ctx, l.control.client)
			unknown = unknown || err != nil && !errors.Is(err, sftp.ErrNotSent)
		}
		switch {
		case err == nil:
			return val, nil
		case ctx.Err() != nil && !isStatus(err):
			if errors.Is(context.Cause(ctx), ErrTimeout) {
				l.noteTimeout(start)
			}
			return zero, q.wrap(contextCause(ctx))
		case !isLost(err):
			return zero, err
		case errors.Is(err, sftp.ErrProtocol):
			if hostile++; hostile >= maxHostile {
				return zero, q.wrap(err)
			}
		}
		lost = true
		l.fail(err)
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
	q := pathRequest[struct{}]{op: op, path: path}
	q.do = func(ctx context.Context, c *sftp.Client) (struct{}, error) { return struct{}{}, do(ctx, c) }
	if settle != nil {
		q.settle = func(ctx context.Context, c *sftp.Client) (struct{}, outcome, error) {
			out, err := settle(ctx, c)
			return struct{}{}, out, err
		}
	}
	_, err := run(ctx, r, q)
	return err
}

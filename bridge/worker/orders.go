package worker

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"sshfs-bridge/bridge/api"
)

// Answer answers a question. Answering one that is closed does nothing.
func (p *Process) Answer(a api.Answer) error { return p.send(order{Answer: &a}) }

// Login tries to connect now, with a person who answers questions.
func (p *Process) Login() error { return p.send(order{Login: true}) }

// Retry tries to connect now, without a person.
func (p *Process) Retry() error { return p.send(order{Retry: true}) }

// refreshTimeout is how long a worker may take to forget: it waits for nobody.
const refreshTimeout = 5 * time.Second

// Refresh forgets what is cached, so that the server is looked at anew by who
// looks after it has returned.
func (p *Process) Refresh() error {
	ctx, cancel := context.WithTimeout(context.Background(), refreshTimeout)
	defer cancel()
	_, err := p.call(ctx, opRefresh)
	return err
}

// SetCache changes how much file data the worker may keep in memory.
func (p *Process) SetCache(bytes int64) error { return p.send(order{Cache: bytes}) }

// SetLogLevel changes the least level of the records that the worker writes.
func (p *Process) SetLogLevel(l slog.Level) error { return p.send(order{Level: &l}) }

func (p *Process) send(o order) error {
	select {
	case <-p.done:
		return ErrEnded
	default:
	}
	if err := p.link.send(o); err != nil {
		return fmt.Errorf("tell the worker: %w", err)
	}
	return nil
}

// Stats asks for the counters.
func (p *Process) Stats(ctx context.Context) (api.TrafficStats, error) {
	r, err := p.call(ctx, opStats)
	if err != nil || r.Stats == nil {
		return api.TrafficStats{}, err
	}
	return *r.Stats, nil
}

// Drain waits until everything that was written before has landed on the
// server. Nothing keeps others from writing meanwhile.
func (p *Process) Drain(ctx context.Context) error {
	_, err := p.call(ctx, opDrain)
	return err
}

// Release lets a Detached worker go on without its starter, which may end
// then. The worker closes its side of the socket: of p only PID, Done, Err
// and Kill are of use afterwards, its records are written nowhere, and a
// question that comes up later is answered by nobody.
func (p *Process) Release(ctx context.Context) error {
	if _, err := p.call(ctx, opRelease); err != nil {
		return err
	}
	p.letGo()
	return nil
}

// call asks and waits for the reply.
func (p *Process) call(ctx context.Context, op string) (*reply, error) {
	answer := make(chan *reply, 1)
	p.mu.Lock()
	p.lastCall++
	id := p.lastCall
	p.calls[id] = answer
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.calls, id)
	}()
	if err := p.send(order{Call: &call{ID: id, Op: op}}); err != nil {
		return nil, err
	}
	select {
	case r := <-answer:
		if r.Error != "" {
			return nil, fmt.Errorf("%s: %s", op, r.Error)
		}
		return r, nil
	case <-p.done:
		return nil, ErrEnded
	case <-ctx.Done():
		if err := p.send(order{Cancel: id}); err != nil {
			p.log.LogAttrs(ctx, slog.LevelDebug, "worker not told of a cancelled call", slog.Any("err", err))
		}
		return nil, context.Cause(ctx)
	}
}

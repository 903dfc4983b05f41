package remote

import (
	"context"
	"errors"
	"time"
)

// stableAfter is how long a link must have lasted for the back-off to begin anew.
const stableAfter = 10 * time.Second

// probePause is the time between two questions to a stalled control channel.
const probePause = time.Second

// setStateLocked changes the state, and wakes and tells who waits for that.
// r.mu is held.
func (r *Remote) setStateLocked(s State, cause error) {
	if r.state != s {
		r.since = time.Now()
		level := r.log.Info
		if s == StateDegraded || s == StateDown || s == StateNeedsLogin {
			level = r.log.Warn
		}
		if cause != nil {
			level("state changed", "state", string(s), "err", cause)
		} else {
			level("state changed", "state", string(s))
		}
	}
	r.state, r.cause = s, cause
	r.wakeLocked()
	r.tellLocked()
}

// wakeLocked wakes who waits for a change. r.mu is held.
func (r *Remote) wakeLocked() {
	close(r.changed)
	r.changed = make(chan struct{})
}

// tellLocked queues the state for OnState. r.mu is held.
func (r *Remote) tellLocked() {
	if r.o.OnState == nil {
		return
	}
	r.events = append(r.events, r.statusLocked())
	if !r.telling {
		r.telling = r.spawn(r.tell)
	}
}

func (r *Remote) tell() {
	for {
		r.mu.Lock()
		events := r.events
		r.events = nil
		if len(events) == 0 {
			r.telling = false
			r.mu.Unlock()
			return
		}
		r.mu.Unlock()
		for _, s := range events {
			r.o.OnState(s)
		}
	}
}

// pathLink gives the link for an operation on a path. It waits while the link is
// being made for the first time, or was lost a moment ago; and, with patient,
// as long as ctx allows: for who must find out what became of a request. Where an
// attempt has just failed it waits for nothing.
func (r *Remote) pathLink(ctx context.Context, patient bool) (*link, error) {
	for {
		r.mu.Lock()
		wait := time.Duration(-1)
		switch {
		case r.closed:
			r.mu.Unlock()
			return nil, ErrClosed
		case r.state == StateUp:
			l := r.link
			r.mu.Unlock()
			if !patient && l.control.stalled() {
				return nil, ErrTimeout
			}
			return l, nil
		case r.state == StateConnecting:
		case r.state == StateIdle && r.dialOnDemandLocked():
		case r.state == StateIdle && !r.everUp && r.attempts == 0:
			// Connect is about to be called: a mount is served before that.
		case r.state == StateDegraded && patient:
		case r.state == StateDegraded && r.failures == 0 && r.lostAt.IsZero():
			// Nothing was lost and nothing has failed: a person asked for
			// this attempt, and it is as good as the first.
		case r.state == StateDegraded && r.failures == 0 && time.Since(r.lostAt) < r.graceLocked():
			wait = r.graceLocked() - time.Since(r.lostAt)
		default:
			err := linkDown(r.cause)
			r.mu.Unlock()
			return nil, err
		}
		changed := r.changed
		r.mu.Unlock()
		if err := waitFor(ctx, changed, wait); err != nil {
			return nil, err
		}
	}
}

// dialTrips is how many round trips a new connection takes, with its login and
// the control channel.
const dialTrips = 16

// graceLocked is how long after a loss operations on paths wait: over a long way
// a connection that fails at nothing takes longer. r.mu is held.
func (r *Remote) graceLocked() time.Duration {
	if r.o.LossGrace == 0 {
		return 0
	}
	return r.o.LossGrace + dialTrips*r.rtt.get()
}

// fileLink gives the link for an operation on an open file: it waits up to
// DataTimeout.
func (r *Remote) fileLink(ctx context.Context) (*link, error) {
	deadline := time.Now().Add(r.o.DataTimeout)
	registered := false
	r.mu.Lock()
	defer func() {
		if registered {
			r.waiting--
		}
		r.mu.Unlock()
	}()
	for {
		if err := context.Cause(r.ctx); err != nil {
			return nil, err
		}
		switch {
		case r.state == StateUp:
			return r.link, nil
		case r.state == StateDown:
			return nil, linkDown(r.cause)
		case r.state == StateIdle && !r.dialOnDemandLocked():
			return nil, linkDown(r.cause)
		}
		left := time.Until(deadline)
		if left <= 0 {
			return nil, linkDown(r.cause)
		}
		if !registered {
			registered = true
			r.waiting++
			r.pokeLocked()
		}
		changed := r.changed
		r.mu.Unlock()
		err := waitFor(ctx, changed, left)
		r.mu.Lock()
		if err != nil {
			return nil, err
		}
	}
}

// waitFor waits for changed, for d (below 0: without end), or the end of ctx,
// which alone is an error.
func waitFor(ctx context.Context, changed <-chan struct{}, d time.Duration) error {
	var timeout <-chan time.Time
	if d >= 0 {
		t := time.NewTimer(d)
		defer t.Stop()
		timeout = t.C
	}
	select {
	case <-changed:
	case <-timeout:
	case <-ctx.Done():
		return contextCause(ctx)
	}
	return nil
}

// linkLost takes a link that ended out of use.
func (r *Remote) linkLost(l *link, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.link != l {
		return
	}
	r.link = nil
	r.lostAt, r.attempts, r.failures = time.Now(), 0, 0
	stable := time.Since(l.started) > stableAfter
	if stable {
		r.pauses.reset()
	}
	r.shy.Store(!stable)
	if (r.closed || r.o.OnDemand) && r.objects.count() == 0 {
		r.setStateLocked(StateIdle, err)
		return
	}
	r.setStateLocked(StateDegraded, err)
	r.redialLocked()
}

// checkIdle closes the link when it was not used for IdleAfter.
func (r *Remote) checkIdle(l *link) {
	if r.o.IdleAfter <= 0 {
		return
	}
	r.mu.Lock()
	if r.link != l || r.objects.count() > 0 ||
		time.Since(moment(r.lastUse.Load())) < r.o.IdleAfter {
		r.mu.Unlock()
		return
	}
	r.link = nil
	r.idled = true
	r.setStateLocked(StateIdle, nil)
	r.mu.Unlock()
	l.fail(errors.New("closed after a time without use"))
}

// probe asks for a sign of life on the control channel while that counts as
// stalled: operations on paths fail at once then, so nothing else would.
func (l *link) probe(now time.Time) {
	if !l.control.stalled() || now.Sub(l.probed) < probePause {
		return
	}
	l.probed = now
	l.r.spawn(func() {
		ctx, cancel := context.WithTimeout(l.ctx, probePause)
		defer cancel()
		_, _ = l.control.client.Realpath(ctx, ".") // heard, or not
	})
}

package remote

import (
	"context"
	"errors"
	"fmt"
	"time"

	"sshfs-bridge/fusefs/sshdial"
)

// rootError says that the connection is fine and the root is not.
type rootError struct{ err error }

func (e *rootError) Error() string { return e.err.Error() }
func (e *rootError) Unwrap() error { return e.err }

// Connect dials now, and waits for the outcome. Only where interactive is true a
// person may be asked. A refusal leaves the state at down or needs-login; what
// may pass (no route, no answer) leaves it at degraded, and is tried again. The
// root must exist (fs.ErrNotExist) and be a directory (ErrNotDirectory). Connect
// returns at once when the Remote is up already.
func (r *Remote) Connect(ctx context.Context, interactive bool) error {
	if err := r.takeDial(ctx); err != nil {
		return err
	}
	defer r.giveDial()
	if interactive {
		r.alone.Store(false)
	}
	r.mu.Lock()
	if r.closed {
		r.mu.Unlock()
		return ErrClosed
	}
	if r.state == StateUp {
		r.mu.Unlock()
		return nil
	}
	before, cause := r.state, r.cause
	if before != StateDegraded {
		r.attempts, r.failures = 0, 0
		r.setStateLocked(StateConnecting, nil)
	}
	r.mu.Unlock()
	err := r.attempt(ctx, interactive)
	if err != nil && ctx.Err() != nil {
		r.mu.Lock()
		if r.state == StateConnecting { // nobody's fault: as it was
			r.setStateLocked(before, cause)
		}
		r.mu.Unlock()
	}
	return err
}

// Retry tries again now: it ends the pause of a back-off, and leaves down.
// It asks no person: needs-login is left by Connect alone.
func (r *Remote) Retry() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return
	}
	r.alone.Store(false)
	r.hold = time.Time{}
	r.pauses.reset()
	if r.state == StateDown {
		r.attempts, r.failures, r.lostAt = 0, 0, time.Time{}
		r.setStateLocked(StateDegraded, r.cause)
	}
	if r.state == StateDegraded {
		r.hurry = true
		r.redialLocked()
		r.pokeLocked()
	}
}

func (r *Remote) takeDial(ctx context.Context) error {
	select {
	case r.dialing <- struct{}{}:
		return nil
	case <-ctx.Done():
		return contextCause(ctx)
	case <-r.ctx.Done():
		return ErrClosed
	}
}

func (r *Remote) giveDial() { <-r.dialing }

// attempt dials once, and sets the state that results. The dial token is held.
func (r *Remote) attempt(ctx context.Context, interactive bool) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stop := context.AfterFunc(r.ctx, func() { cancel(ErrClosed) })
	defer stop()
	r.mu.Lock()
	r.attempts++
	r.next = time.Time{}
	r.mu.Unlock()
	r.counters.dials.Add(1)
	l, err := r.establish(ctx, interactive)
	if err == nil {
		err = r.linkUp(l)
	}
	if err != nil {
		r.shy.Store(true)
		r.dialFailed(ctx, err)
	}
	return err
}

// linkUp puts a link to use, unless it ended meanwhile.
func (r *Remote) linkUp(l *link) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if l.ctx.Err() != nil {
		return context.Cause(l.ctx)
	}
	if r.everUp {
		r.counters.reconnects.Add(1)
	}
	r.everUp, r.idled = true, false
	r.hold = time.Time{}
	r.link = l
	r.limits = l.control.client.Limits()
	r.copyData = l.control.client.Has("copy-data")
	r.setStateLocked(StateUp, nil)
	r.used()
	r.spawn(r.tune)
	r.spawn(l.monitor)
	r.spawn(func() {
		l.opening.Wait()
		l.dialAhead()
	})
	return nil
}

// dialFailed sets the state after a failed attempt.
func (r *Remote) dialFailed(ctx context.Context, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failures++
	if r.state == StateUp || context.Cause(r.ctx) != nil {
		return
	}
	fault := classify(err)
	var root *rootError
	if errors.As(err, &root) && !r.everUp {
		fault = faultRefused
	}
	if r.everUp && errors.Is(err, sshdial.ErrNoSFTP) {
		fault = faultTransient // it was there, and cannot be started now
	}
	switch {
	case fault == faultRefused:
		r.setStateLocked(StateDown, err)
	case fault == faultPerson:
		r.setStateLocked(StateNeedsLogin, err)
	case ctx.Err() != nil:
		// Given up by who asked: nobody's fault. Connect sets the state back.
		if r.state == StateDegraded {
			r.redialLocked()
		}
	case r.o.OnDemand && r.objects.count() == 0:
		r.hold = time.Now().Add(r.pauses.pause())
		r.next = r.hold
		r.setStateLocked(StateIdle, err)
	default:
		r.setStateLocked(StateDegraded, err)
		r.redialLocked()
	}
}

// dialOnDemandLocked begins to dial because somebody needs the link; false when
// that is not allowed now. r.mu is held.
func (r *Remote) dialOnDemandLocked() bool {
	if !r.o.OnDemand && !r.idled || r.closed || time.Now().Before(r.hold) {
		return false
	}
	began := r.spawn(func() {
		if r.takeDial(r.ctx) != nil {
			return
		}
		defer r.giveDial()
		r.mu.Lock()
		needed := r.state == StateConnecting
		r.mu.Unlock()
		if needed {
			_ = r.attempt(r.ctx, false) // the state tells
		}
	})
	if began {
		r.attempts, r.failures = 0, 0
		r.setStateLocked(StateConnecting, nil)
	}
	return began
}

// dialTimeout bounds an attempt that asks no person.
func (r *Remote) dialTimeout() time.Duration {
	if p, ok := r.o.Dialer.(PatientDialer); ok && p.DialTimeout() > 0 {
		return p.DialTimeout()
	}
	return r.o.DialTimeout
}

// establish makes a link: connection, control channel, a data channel if the
// server allows one, and a look at the root.
func (r *Remote) establish(ctx context.Context, interactive bool) (*link, error) {
	dialCtx, cancel := ctx, context.CancelFunc(func() {})
	if !interactive {
		dialCtx, cancel = context.WithTimeoutCause(ctx, r.dialTimeout(), ErrTimeout)
	}
	defer cancel()
	c, err := r.o.Dialer.Dial(dialCtx, interactive)
	if err != nil {
		return nil, err
	}
	ctx, cancelSetup := context.WithTimeoutCause(ctx, r.o.DialTimeout, ErrTimeout)
	defer cancelSetup()
	l := newLink(r, c)
	first := l.conns[0]
	type opened struct {
		ch  *channel
		err error
	}
	second := make(chan opened, 1)
	switch {
	case r.o.MaxChannels < 2:
		second <- opened{nil, sshdial.ErrChannelRefused}
	case !r.spawn(func() {
		ch, err := l.openChannel(ctx, first)
		second <- opened{ch, err}
	}):
		second <- opened{nil, ErrClosed}
	}
	l.opening.Add(1)
	if !r.spawn(func() {
		defer l.opening.Done()
		l.openAhead(ctx, first)
	}) {
		l.opening.Done()
	}
	control, err := l.openChannel(ctx, first)
	other := <-second
	if err != nil { // one is enough, whichever it is
		control, other.ch = other.ch, nil
	}
	if control == nil {
		err = causeOf(ctx, l.endOf(err))
		l.fail(err)
		return nil, fmt.Errorf("start session: %w", err)
	}
	if other.err != nil && !errors.Is(other.err, sshdial.ErrChannelRefused) {
		r.log.Debug("no data channel", "err", other.err)
	}
	l.mu.Lock()
	l.control, l.mostHandles = control, mostHandles(control.client.Limits().MaxOpenHandles)
	l.mu.Unlock()
	if err := l.lookAtRoot(ctx); err != nil {
		err = causeOf(ctx, l.endOf(err))
		l.fail(err)
		return nil, err
	}
	// The control channel may have ended before it was known to be that.
	if !control.alive() {
		err := l.endOf(control.client.Err())
		l.fail(err)
		return nil, fmt.Errorf("start session: %w", err)
	}
	return l, nil
}

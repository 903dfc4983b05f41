package remote

import (
	"context"
	"time"
)

// redialLocked starts the goroutine that reconnects, if none runs. r.mu is held.
func (r *Remote) redialLocked() {
	if !r.redials {
		r.redials = r.spawn(r.redial)
	}
}

func (r *Remote) pokeLocked() {
	select {
	case r.poke <- struct{}{}:
	default:
	}
}

// redial tries to reconnect until the state is no longer degraded.
func (r *Remote) redial() {
	for {
		r.mu.Lock()
		if r.state != StateDegraded || context.Cause(r.ctx) != nil {
			r.redials = false
			r.next = time.Time{}
			r.mu.Unlock()
			return
		}
		pause := r.pauses.pause()
		r.next = time.Now().Add(pause)
		r.tellLocked()
		r.mu.Unlock()
		if !r.pause() || r.takeDial(r.ctx) != nil {
			continue // closed: seen above
		}
		r.mu.Lock()
		needed := r.state == StateDegraded
		r.mu.Unlock()
		if needed {
			_ = r.attempt(r.ctx, false) // the state tells
		}
		r.giveDial()
	}
}

// pause waits until r.next, which comes closer when an open file waits, or a
// person; false when the Remote is closed.
func (r *Remote) pause() bool {
	for {
		r.mu.Lock()
		if r.waiting > 0 {
			if soon := time.Now().Add(waitedBackoff); r.next.After(soon) {
				r.next = soon
			}
		}
		left := time.Until(r.next)
		if r.hurry {
			r.hurry, left = false, 0
		}
		r.mu.Unlock()
		if left <= 0 {
			return r.ctx.Err() == nil
		}
		t := time.NewTimer(left)
		select {
		case <-t.C:
		case <-r.poke:
		case <-r.ctx.Done():
			t.Stop()
			return false
		}
		t.Stop()
	}
}

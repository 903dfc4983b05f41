package remote

import (
	"container/list"
	"context"
	"sync"
	"time"
)

// gate admits a bounded amount of bytes at a time, first come, first served.
// Something larger than the capacity is admitted alone.
type gate struct {
	mu       sync.Mutex
	used     int64     // GUARDED_BY(mu)
	capacity int64     // GUARDED_BY(mu)
	began    time.Time // when used last left 0; GUARDED_BY(mu)
	waiters  list.List // of *gateWaiter, GUARDED_BY(mu)
	waited   bool      // somebody waited since takeWaited, GUARDED_BY(mu)
	refused  bool      // somebody did not fit since takeRefused, or filled it; GUARDED_BY(mu)
	waits    uint64    // GUARDED_BY(mu)
	onWait   func()    // called without mu when somebody begins to wait; may be nil
}

type gateWaiter struct {
	n     int64
	ready chan struct{}
}

// take admits n bytes. mu is held.
func (g *gate) take(n int64) {
	if g.used == 0 {
		g.began = time.Now()
	}
	g.used += n
	if !g.fits(n) {
		g.refused = true
	}
}

// busySince is when the first byte was admitted after there was none.
func (g *gate) busySince() time.Time {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.began
}

func (g *gate) fits(n int64) bool { return g.used == 0 || g.used+n <= g.capacity }

// tryAcquire admits n bytes if that needs no waiting.
func (g *gate) tryAcquire(n int64) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.waiters.Len() > 0 || !g.fits(n) {
		g.refused = true
		return false
	}
	g.take(n)
	return true
}

// acquire waits until n bytes are admitted or ctx ends.
func (g *gate) acquire(ctx context.Context, n int64) error {
	_, err := g.acquireOr(ctx, n, nil)
	return err
}

// acquireOr waits until n bytes are admitted, which it says, or stop is closed, or
// ctx ends, which alone is an error.
func (g *gate) acquireOr(ctx context.Context, n int64, stop <-chan struct{}) (bool, error) {
	g.mu.Lock()
	if g.waiters.Len() == 0 && g.fits(n) {
		g.take(n)
		g.mu.Unlock()
		return true, nil
	}
	w := &gateWaiter{n: n, ready: make(chan struct{})}
	e := g.waiters.PushBack(w)
	g.waited, g.refused = true, true
	g.waits++
	g.mu.Unlock()
	if g.onWait != nil {
		g.onWait()
	}
	select {
	case <-w.ready:
		return true, nil
	case <-stop:
	case <-ctx.Done():
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	select {
	case <-w.ready: // admitted in the meantime
		if ctx.Err() == nil {
			return true, nil
		}
		g.used -= n
	default:
		g.waiters.Remove(e)
	}
	g.admit()
	if ctx.Err() != nil {
		return false, contextCause(ctx)
	}
	return false, nil
}

// release gives n bytes back.
func (g *gate) release(n int64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.used -= n
	g.admit()
}

func (g *gate) setCapacity(n int64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.capacity = n
	g.admit()
}

// admit lets in whoever fits, in order. mu is held.
func (g *gate) admit() {
	for e := g.waiters.Front(); e != nil; e = g.waiters.Front() {
		w := e.Value.(*gateWaiter)
		if !g.fits(w.n) {
			return
		}
		g.take(w.n)
		g.waiters.Remove(e)
		close(w.ready)
	}
}

// inUse says how many bytes are admitted now.
func (g *gate) inUse() int64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.used
}

// crowded says that somebody waits.
func (g *gate) crowded() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.waiters.Len() > 0 || g.used >= g.capacity
}

// takeWaited says whether the gate was what limited its users since the last
// call.
func (g *gate) takeWaited() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	w := g.waited || g.waiters.Len() > 0
	g.waited = false
	return w
}

// noteWaited notes that somebody waited elsewhere who would have waited here.
func (g *gate) noteWaited() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.waited = true
}

// takeRefused says whether somebody did not fit since the last call, waiting or
// not.
func (g *gate) takeRefused() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	r := g.refused || g.waiters.Len() > 0
	g.refused = false
	return r
}

// widen raises the capacity by n, up to most, unless it is beyond that already or
// nobody wants more. It does nothing where n is not above 0.
func (g *gate) widen(n, most int64, wanted bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if n > 0 && g.capacity < most && (wanted || g.refused || g.waiters.Len() > 0) {
		g.capacity = min(g.capacity+n, most)
		g.admit()
	}
}

func (g *gate) waitCount() uint64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.waits
}

func (g *gate) limit() int64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.capacity
}

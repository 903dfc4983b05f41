package remote

import (
	"context"
	"sync"
	"time"
)

// rateLimit bounds something a second, by making its users wait their turn. A
// nil one bounds nothing.
type rateLimit struct {
	perSecond float64

	mu   sync.Mutex
	free time.Time // when the next use may start; GUARDED_BY(mu)
}

// rateBurst is how much of a second may be used at once after a pause.
const rateBurst = 100 * time.Millisecond

func newRateLimit(perSecond int64) *rateLimit {
	if perSecond <= 0 {
		return nil
	}
	return &rateLimit{perSecond: float64(perSecond)}
}

// wait takes n units, and returns once they may be used or ctx has ended.
func (l *rateLimit) wait(ctx context.Context, n int) error {
	if l == nil {
		return nil
	}
	cost := time.Duration(float64(n) / l.perSecond * float64(time.Second))
	l.mu.Lock()
	now := time.Now()
	if earliest := now.Add(-rateBurst); l.free.Before(earliest) {
		l.free = earliest
	}
	delay := l.free.Sub(now)
	l.free = l.free.Add(cost)
	l.mu.Unlock()
	if delay <= 0 {
		return nil
	}
	err := sleep(ctx, delay)
	if err != nil {
		// Others need not wait for what was not used.
		l.mu.Lock()
		l.free = l.free.Add(-cost)
		l.mu.Unlock()
	}
	return err
}

// sleep waits for d or the end of ctx.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return contextCause(ctx)
	}
}

package remote

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// Who gave up waiting does not make those behind wait for what was never used.
func TestRateLimit_whoGivesUpTakesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newRateLimit(10)
		var wg sync.WaitGroup
		for range 1000 {
			wg.Go(func() {
				ctx, cancel := context.WithTimeoutCause(t.Context(), 5*time.Second, ErrTimeout)
				defer cancel()
				if err := l.wait(ctx, 1); err != nil && !errors.Is(err, ErrTimeout) {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		start := time.Now()
		if err := l.wait(t.Context(), 1); err != nil {
			t.Fatal(err)
		}
		if d := time.Since(start); d > time.Second {
			t.Errorf("the next one waited %v", d)
		}
	})
}

package fusefs

import (
	"context"
	"errors"
	"runtime"
	"testing"
	"testing/synctest"
	"time"
)

func TestOpContext_endsAWhileAfterTheInterrupt(t *testing.T) {
	for name, c := range map[string]struct {
		begin func(*Server, <-chan struct{}) (context.Context, func())
		grace time.Duration
	}{"look": {(*Server).look, lookGrace}, "change": {(*Server).change, changeGrace}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &Server{}
				defer s.interrupts.close()
				interrupted := make(chan struct{})
				ctx, stop := c.begin(s, interrupted)
				defer stop()
				child, cancel := context.WithTimeout(ctx, time.Hour)
				defer cancel()
				other, stopOther := c.begin(s, make(chan struct{}))
				defer stopOther()
				_ = other.Done()
				time.Sleep(time.Minute)
				if ctx.Err() != nil || child.Err() != nil {
					t.Fatal("it ended without an interrupt")
				}
				start := time.Now()
				close(interrupted)
				<-child.Done()
				if d := time.Since(start); d < c.grace || d > c.grace+2*noticeEvery {
					t.Errorf("it ended %v after the interrupt, want %v", d, c.grace)
				}
				if !errors.Is(ctx.Err(), context.Canceled) || other.Err() != nil {
					t.Errorf("interrupted: %v, not interrupted: %v", ctx.Err(), other.Err())
				}
			})
		})
	}
}

// The kernel's channel belongs to the next request once an operation is over.
func TestOpContext_isNotInterruptedWhenItIsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &Server{}
		interrupted := make(chan struct{})
		ctx, stop := s.look(interrupted)
		ran := make(chan struct{}, 1)
		forget := context.AfterFunc(ctx, func() { ran <- struct{}{} })
		if !forget() || forget() {
			t.Error("what was to run cannot be taken back, or twice")
		}
		child, cancel := context.WithCancel(ctx)
		defer cancel()
		stop()
		<-child.Done()
		late, cancelLate := context.WithCancel(ctx)
		defer cancelLate()
		<-late.Done()
		_, stopNext := s.look(interrupted)
		stopNext()
		close(interrupted)
		time.Sleep(time.Minute)
		synctest.Wait()
		s.interrupts.mu.Lock()
		defer s.interrupts.mu.Unlock()
		if len(ran) > 0 || len(s.interrupts.ops) > 0 || s.interrupts.timer != nil {
			t.Errorf("%d ran, %d watched over, timer %v", len(ran), len(s.interrupts.ops), s.interrupts.timer)
		}
	})
}

// A goroutine for each operation would be most of what a small one costs.
func TestOpContext_needsNoGoroutine(t *testing.T) {
	s := &Server{}
	defer s.interrupts.close()
	before := runtime.NumGoroutine()
	for range 100 {
		ctx, stop := s.change(make(chan struct{}))
		defer stop()
		child, cancel := context.WithTimeout(ctx, time.Hour)
		defer cancel()
		_ = child.Done()
	}
	if n := runtime.NumGoroutine() - before; n > 10 {
		t.Errorf("100 operations that wait have %d goroutines", n)
	}
}

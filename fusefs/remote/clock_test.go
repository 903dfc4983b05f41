package remote

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// What is kept in atomics stays on the monotonic clock on its way there and back: a
// time that lost it would show no "m=".
func TestClock_isMonotonic(t *testing.T) {
	now := time.Now()
	back := moment(nanos(now))
	if !strings.Contains(back.String(), " m=") {
		t.Errorf("%v has lost the monotonic clock", back)
	}
	if d := now.Sub(back); d != 0 {
		t.Errorf("%v off", d)
	}
}

// A bubble's time begins in the year 2000.
func TestClock_isPositiveInABubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		now := time.Now()
		if n := nanos(now); n <= 0 {
			t.Errorf("%v is %d", now, n)
		}
		if back := moment(nanos(now)); !back.Equal(now) {
			t.Errorf("%v came back as %v", now, back)
		}
	})
}

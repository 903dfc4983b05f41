package remote

import (
	"strings"
	"testing"
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

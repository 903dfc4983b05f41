package testenv

import (
	"testing"
	"time"
)

// Eventually polls cond until it holds, and fails the test when it still does
// not after the deadline; what says what was waited for. It is the only way in
// which a test waits for something that it cannot be told of.
func Eventually(t testing.TB, deadline time.Duration, what string, cond func() bool) {
	t.Helper()
	start := time.Now()
	pause := time.Millisecond
	for !cond() {
		if time.Since(start) > deadline {
			t.Fatalf("after %v still not: %s", deadline, what)
		}
		<-time.After(pause)
		pause = min(2*pause, 50*time.Millisecond)
	}
}

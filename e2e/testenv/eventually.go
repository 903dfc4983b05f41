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
	if !Poll(deadline, cond) {
		t.Fatalf("after %v still not: %s", deadline, what)
	}
}

// Poll is Eventually where there is no test to fail: it says whether cond came to
// hold before the deadline.
func Poll(deadline time.Duration, cond func() bool) bool {
	pause := time.Millisecond
	for start := time.Now(); !cond(); pause = min(2*pause, 50*time.Millisecond) {
		if time.Since(start) > deadline {
			return false
		}
		<-time.After(pause)
	}
	return true
}

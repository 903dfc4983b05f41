package remote

import "time"

// started is where nanos counts from. Nothing ever changes it.
var started = time.Now()

// nanos gives a time from time.Now as a number that atomics can hold. It counts on the
// monotonic clock: the time of day may jump by hours, when a machine wakes above
// all, and no connection may be thought silent, or in use, for that.
func nanos(t time.Time) int64 { return int64(t.Sub(started)) }

// moment is the time that nanos made n of.
func moment(n int64) time.Time { return started.Add(time.Duration(n)) }

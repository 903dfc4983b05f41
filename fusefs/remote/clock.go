package remote

import "time"

// origin is where nanos counts from. Nothing ever changes it. It lies so far back that
// every time is after it, those of a testing/synctest bubble among them: then 0
// stands for long ago.
var origin = time.Now().Add(-100 * 365 * 24 * time.Hour)

// nanos gives a time from time.Now as a number that atomics can hold. It counts on the
// monotonic clock: the time of day may jump by hours, when a machine wakes above
// all, and no connection may be thought silent, or in use, for that.
func nanos(t time.Time) int64 { return int64(t.Sub(origin)) }

// moment is the time that nanos made n of.
func moment(n int64) time.Time { return origin.Add(time.Duration(n)) }

package sftp

import (
	"sync/atomic"
	"time"
)

// Counters are a session's traffic so far.
type Counters struct {
	Requests     map[string]uint64 // requests started, by kind ("open", "read", "posix-rename", ...)
	BytesRead    uint64            // payload of READ replies, those thrown away included
	BytesWritten uint64            // payload of WRITE requests handed to the stream
	WireIn       uint64            // bytes read from the stream: grows while a long reply is still coming
	WireOut      uint64            // bytes written to the stream
	InFlight     int               // calls that wait for their reply, queued ones included
	Abandoned    int               // abandoned calls whose reply is still to come
	Waits        uint64            // Waits that had to block
	WaitTime     time.Duration     // sum of the time spent in them
}

type counters struct {
	requests     [kindCount]atomic.Uint64
	bytesRead    atomic.Uint64
	bytesWritten atomic.Uint64
	wireIn       atomic.Uint64
	wireOut      atomic.Uint64
	waits        atomic.Uint64
	waitNanos    atomic.Int64
}

// Counters gives the session's traffic so far. It does not block; the values
// are taken one after the other.
func (c *Client) Counters() Counters {
	s := Counters{
		Requests:     make(map[string]uint64),
		BytesRead:    c.count.bytesRead.Load(),
		BytesWritten: c.count.bytesWritten.Load(),
		WireIn:       c.count.wireIn.Load(),
		WireOut:      c.count.wireOut.Load(),
		Waits:        c.count.waits.Load(),
		WaitTime:     time.Duration(c.count.waitNanos.Load()),
	}
	for k := range kindCount {
		if n := c.count.requests[k].Load(); n > 0 {
			s.Requests[k.String()] = n
		}
	}
	c.mu.Lock()
	s.InFlight = len(c.calls) - c.orphans
	s.Abandoned = c.orphans
	c.mu.Unlock()
	return s
}

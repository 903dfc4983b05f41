package fusefs

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Operations is what a server counted of the kernel's operations.
type Operations struct {
	// Kinds holds each kind that occurred: "lookup", "read", ...
	Kinds map[string]OperationStats
	// Waiting are the operations that were begun and not answered yet, and
	// Oldest is how long the first of them has been waiting.
	Waiting int
	Oldest  time.Duration
	// ReadRate and WriteRate are what programs read and wrote during the last
	// second, in bytes a second.
	ReadRate, WriteRate float64
}

// OperationStats are the answered operations of one kind.
type OperationStats struct {
	Count uint64
	// Time is the sum of their durations.
	Time time.Duration
	// Buckets count those that took at most each of LatencyBounds, and no less
	// than the bound before; what took longer than the last one is only in Count.
	Buckets []uint64
}

// latencyBounds reach from what memory answers to what a deadline ends.
var latencyBounds = [...]time.Duration{
	100 * time.Microsecond, time.Millisecond, 5 * time.Millisecond, 10 * time.Millisecond, 25 * time.Millisecond,
	50 * time.Millisecond, 100 * time.Millisecond, 250 * time.Millisecond, 500 * time.Millisecond,
	time.Second, 2500 * time.Millisecond, 5 * time.Second, 10 * time.Second, 30 * time.Second,
}

// LatencyBounds are the upper bounds of OperationStats.Buckets.
func LatencyBounds() []time.Duration { return slices.Clone(latencyBounds[:]) }

// opKind sorts the kernel's operations.
type opKind int

const (
	opLookup opKind = iota
	opGetattr
	opSetattr
	opAccess
	opStatfs
	opReadlink
	opXattr
	opReaddir
	opOpen
	opCreate
	opRead
	opWrite
	opFlush
	opFsync
	opCopy
	opMkdir
	opLink
	opRename
	opRemove
	opKinds
)

var opNames = [opKinds]string{
	opLookup: "lookup", opGetattr: "getattr", opSetattr: "setattr", opAccess: "access", opStatfs: "statfs",
	opReadlink: "readlink", opXattr: "xattr", opReaddir: "readdir", opOpen: "open", opCreate: "create",
	opRead: "read", opWrite: "write", opFlush: "flush", opFsync: "fsync", opCopy: "copy",
	opMkdir: "mkdir", opLink: "link", opRename: "rename", opRemove: "remove",
}

// operations counts what the kernel asks for.
type operations struct {
	kinds [opKinds]struct {
		count   atomic.Uint64
		nanos   atomic.Int64
		buckets [len(latencyBounds)]atomic.Uint64
	}

	mu            sync.Mutex
	last          uint64               // GUARDED_BY(mu)
	begun         map[uint64]time.Time // GUARDED_BY(mu): what is not answered yet
	read, written meter                // GUARDED_BY(mu)
}

// opToken is one operation on its way.
type opToken struct {
	id    uint64
	since time.Time
}

// begin notes an operation; over must follow.
func (o *operations) begin() opToken {
	now := time.Now()
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.begun == nil {
		o.begun = map[uint64]time.Time{}
	}
	o.last++
	o.begun[o.last] = now
	return opToken{o.last, now}
}

// over counts an operation that is answered.
func (o *operations) over(kind opKind, t opToken) { o.moved(kind, t, nil, 0) }

// moved is over for an operation that moved n bytes, which m counts.
func (o *operations) moved(kind opKind, t opToken, m *meter, n int) {
	now := time.Now()
	took := now.Sub(t.since)
	k := &o.kinds[kind]
	k.count.Add(1)
	k.nanos.Add(int64(took))
	if i, _ := slices.BinarySearch(latencyBounds[:], took); i < len(latencyBounds) {
		k.buckets[i].Add(1)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.begun, t.id)
	if m != nil {
		m.add(n, now)
	}
}

// snapshot tells what was counted so far.
func (o *operations) snapshot(now time.Time) Operations {
	s := Operations{Kinds: map[string]OperationStats{}}
	for kind := range o.kinds {
		k := &o.kinds[kind]
		n := k.count.Load()
		if n == 0 {
			continue
		}
		st := OperationStats{Count: n, Time: time.Duration(k.nanos.Load()), Buckets: make([]uint64, len(latencyBounds))}
		for i := range k.buckets {
			st.Buckets[i] = k.buckets[i].Load()
		}
		s.Kinds[opNames[kind]] = st
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	s.Waiting = len(o.begun)
	for _, since := range o.begun {
		s.Oldest = max(s.Oldest, now.Sub(since))
	}
	s.ReadRate, s.WriteRate = o.read.rate(now), o.written.rate(now)
	return s
}

// meter tells how many bytes moved during the last second: those of the present
// second, and of the one before as much as still counts.
type meter struct {
	begin     time.Time // of the present second
	now, last float64   // bytes in it, and in the one before
}

func (m *meter) add(n int, now time.Time) {
	m.advance(now)
	m.now += float64(n)
}

func (m *meter) advance(now time.Time) {
	switch gone := now.Sub(m.begin); {
	case gone < time.Second:
	case gone < 2*time.Second:
		m.begin = m.begin.Add(time.Second)
		m.last, m.now = m.now, 0
	default:
		m.begin, m.last, m.now = now, 0, 0
	}
}

func (m *meter) rate(now time.Time) float64 {
	m.advance(now)
	left := 1 - min(now.Sub(m.begin).Seconds(), 1)
	return m.now + m.last*left
}

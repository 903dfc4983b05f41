package testenv

import (
	"encoding/binary"
	"io"
	"strings"
	"sync/atomic"
	"time"
)

// FaultKind is a way to misbehave.
type FaultKind int

const (
	FaultSwallow     FaultKind = iota + 1 // the request is neither served nor answered
	FaultNoReply                          // served, never answered
	FaultBreakBefore                      // not served; all sessions break
	FaultBreakAfter                       // served; all sessions break before the reply
	FaultEOF                              // not served; this session ends cleanly
	FaultCut                              // served; the reply's first half, then the session ends
	FaultStatus                           // not served; answered with Fault.Status
	FaultDelay                            // served after Fault.Wait (the session waits, as OpenSSH does)
	FaultWrongID                          // the reply has an id that nobody asked for
	FaultTwice                            // the reply comes twice
	FaultWrongType                        // the reply has a type that does not fit
	FaultGarbage                          // random bytes instead of the reply
	FaultHugeLength                       // the reply's length field says 4 GiB
	FaultShortField                       // the reply's last byte is missing, its length right
	FaultShortData                        // READ gives half of what it has
	FaultNoData                           // READ gives DATA of 0 bytes
	FaultLongData                         // READ gives one byte more than was asked
	FaultNames                            // READDIR, READLINK, REALPATH give Fault.Names
	FaultCount                            // NAME says four billion names
)

// Fault says which requests are answered wrongly, and how.
type Fault struct {
	Kind   FaultKind
	Op     string        // as in Rounds.Requests; "" is any but init
	Path   string        // a part of the path, of the handle's path for requests by handle; "" is any
	Skip   int           // how many matching requests are served well first
	Times  int           // how many are served badly then; 0: all
	Status uint32        // FaultStatus: the code
	Wait   time.Duration // FaultDelay
	Names  []string      // FaultNames
}

type fault struct {
	Fault
	seen int // guarded by CountServer.mu
	hits atomic.Int64
}

// Inject adds a fault. The first one that matches a request applies. hits tells
// how often it has; remove takes it away.
func (s *CountServer) Inject(f Fault) (hits func() int, remove func()) {
	x := &fault{Fault: f}
	s.mu.Lock()
	s.faults = append(s.faults, x)
	s.mu.Unlock()
	remove = func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		for i, y := range s.faults {
			if x == y {
				s.faults = append(s.faults[:i:i], s.faults[i+1:]...)
				return
			}
		}
	}
	return func() int { return int(x.hits.Load()) }, remove
}

// faultFor gives the fault that a request meets, or nil.
func (s *CountServer) faultFor(op, path string) *fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range s.faults {
		if f.Op != op && (f.Op != "" || op == "init") || !strings.Contains(path, f.Path) {
			continue
		}
		f.seen++
		if f.seen <= f.Skip || f.Times > 0 && f.seen > f.Skip+f.Times {
			continue
		}
		f.hits.Add(1)
		return f
	}
	return nil
}

// before does what a fault does instead of serving the request. served is false
// when the request is done with.
func (f *fault) before(c *countSession, id uint32) (reply []byte, served bool, err error) {
	switch f.Kind {
	case FaultSwallow:
		return nil, false, nil
	case FaultBreakBefore:
		c.s.Break()
		return nil, false, ErrBroken
	case FaultEOF:
		return nil, false, io.EOF
	case FaultStatus:
		return statusReply(id, f.Status, "injected"), false, nil
	case FaultDelay:
		<-time.After(f.Wait)
	}
	return nil, true, nil
}

// after spoils a reply (a frame with its length field). end says that the
// session ends after it.
func (f *fault) after(c *countSession, reply []byte) (spoilt []byte, end bool) {
	id := uint32(0)
	if len(reply) >= 9 {
		id = binary.BigEndian.Uint32(reply[5:])
	}
	switch f.Kind {
	case FaultNoReply:
		return nil, false
	case FaultBreakAfter:
		c.s.Break()
		return nil, true
	case FaultCut:
		return reply[:len(reply)/2], true
	case FaultWrongID:
		binary.BigEndian.PutUint32(reply[5:], id+0x40000000)
	case FaultTwice:
		return append(reply, reply...), false
	case FaultWrongType:
		wrong := byte(fxpAttrs)
		if reply[4] == wrong {
			wrong = fxpHandle
		}
		reply[4] = wrong
	case FaultGarbage:
		garbage := make([]byte, 64)
		for i := range garbage {
			garbage[i] = byte(i*37 + 129)
		}
		return garbage, false
	case FaultHugeLength:
		binary.BigEndian.PutUint32(reply, 0xffffffff)
	case FaultShortField:
		reply = reply[:len(reply)-1]
		binary.BigEndian.PutUint32(reply, uint32(len(reply)-4))
	case FaultShortData, FaultNoData, FaultLongData:
		if reply[4] == fxpData {
			data := reply[13:]
			switch f.Kind {
			case FaultShortData:
				data = data[:(len(data)+1)/2]
			case FaultNoData:
				data = nil
			case FaultLongData:
				data = append(data, make([]byte, c.asked+1-len(data))...)
			}
			return newReply(fxpData, id).bytes(data).done(), false
		}
	case FaultNames:
		r := newReply(fxpName, id).u32(uint32(len(f.Names)))
		for _, name := range f.Names {
			r.str(name).str("long " + name).u32(0)
		}
		return r.done(), false
	case FaultCount:
		return newReply(fxpName, id).u32(0xfffffff0).str("a").str("a").u32(0).done(), false
	}
	return reply, false
}

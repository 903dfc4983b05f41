package testenv

import (
	"errors"
	"io"
	"sync"
	"testing"
	"time"
)

// CountOptions are a counting server's. The zero value serves "/" at once and
// without limits, with every extension.
type CountOptions struct {
	// Dir is the starting directory, in which relative paths are. Absolute paths
	// are the machine's own, as with sftp-server outside a chroot.
	Dir string
	// Delay is the one-way time of the link; order is kept. Round trips can be
	// counted only with a delay (5 to 10 ms) that is longer than the client
	// takes to send what it sends together.
	Delay time.Duration
	// Settle holds replies back while the client is still sending: they are
	// delivered once it has sent nothing for Settle (at most 4 Settle later than
	// due). It keeps the count exact on a busy machine. 0 is Delay, < 0 none.
	Settle time.Duration
	// Window is how many bytes a session (a channel) holds in each direction
	// before the sender blocks, like an SSH channel's window (2 MiB): room is made
	// one Delay after the bytes were taken. 0: no limit.
	Window int
	// Without names extensions that are not offered and not served; "*" is all.
	Without []string
	// MaxPacket, MaxRead, MaxWrite, MaxHandles are what limits@openssh.com says
	// (0: OpenSSH's 256 KiB, 255 KiB, 255 KiB, 1000) and what is served: a longer READ
	// is answered short, a longer frame ends the session, a handle too many is
	// refused.
	MaxPacket, MaxRead, MaxWrite, MaxHandles int
	// NamesPerReply is how many names a READDIR gives (0: 100, as OpenSSH).
	NamesPerReply int
	// MaxSessions is how many sessions a CountConn may have at once, further
	// ones being refused as by sshd's MaxSessions. 0: no limit.
	MaxSessions int
	// Unordered says of a CountConn that its server may not keep the order of requests.
	Unordered bool
	// OnRequest is called before a request is served; it may block (the session
	// with it). op is as in Rounds.Requests, path "" for what has none.
	OnRequest func(op, path string)
}

// CountServer is an SFTP version 3 server over local files that counts the round
// trips its client waits for, and misbehaves on demand.
//
// Sessions are in memory (Connect, or Dial for something like an SSH connection
// with several of them) and share one link with a delay. Every request has a
// depth: one more than the greatest depth of the replies that had been delivered
// to the client, on any session, when the client wrote it. Requests that go out
// together have the same depth; one that had to wait for a reply is one deeper.
//
// Requests of one session are served in order, one at a time, as OpenSSH does.
//
// Best used within testing/synctest (create the server inside the bubble): time
// then passes only while client and server all wait, so that the count is exact
// however busy the machine is, a delay costs nothing, and even durations and, with
// a Window, throughputs come out as the link alone makes them. Outside a bubble,
// Settle does what it can.
type CountServer struct {
	o  CountOptions
	wg sync.WaitGroup // sessions being served

	mu       sync.Mutex
	links    map[*countLink]struct{}
	conns    map[*CountConn]struct{}
	closed   bool
	stalled  bool
	epoch    int // of Rounds
	depth    int // greatest depth of a delivered reply of this epoch
	lastSend time.Time
	requests map[string]int
	read     int64 // payload bytes of READ replies
	written  int64 // payload bytes of WRITE requests
	faults   []*fault
}

// NewCountServer starts a server that ends with the test.
func NewCountServer(t testing.TB, o CountOptions) *CountServer {
	t.Helper()
	def := func(v *int, d int) {
		if *v == 0 {
			*v = d
		}
	}
	def(&o.MaxPacket, 256*1024)
	def(&o.MaxRead, 255*1024)
	def(&o.MaxWrite, 255*1024)
	def(&o.MaxHandles, 1000)
	def(&o.NamesPerReply, 100)
	if o.Settle == 0 {
		o.Settle = o.Delay
	}
	if o.Dir == "" {
		o.Dir = "/"
	}
	s := &CountServer{
		o:        o,
		links:    make(map[*countLink]struct{}),
		conns:    make(map[*CountConn]struct{}),
		requests: make(map[string]int),
	}
	t.Cleanup(s.Close)
	return s
}

// Connect starts a session and gives the client's end of it. Nothing is waited
// for: the delay of a real connection's set-up is not modelled.
func (s *CountServer) Connect() io.ReadWriteCloser {
	l := newCountLink(s)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		l.err = io.ErrClosedPipe // nobody else has l yet
		return l
	}
	s.links[l] = struct{}{}
	s.wg.Go(func() {
		newCountSession(s).serveLink(l)
		s.mu.Lock()
		delete(s.links, l)
		s.mu.Unlock()
	})
	return l
}

// Serve serves a session on a stream of the test's own, for example a channel of
// an SSH server, until it ends. Requests are counted by kind and faults apply;
// round trips are not counted, and there is no delay.
func (s *CountServer) Serve(conn io.ReadWriter) error {
	return newCountSession(s).serveStream(conn)
}

// Rounds is what a piece of work has cost.
type Rounds struct {
	Depth        int            // round trips that were waited for, one after the other
	Requests     map[string]int // requests that arrived, by kind: "open", "readdir", "posix-rename", ...
	BytesRead    int64          // payload of READ replies
	BytesWritten int64          // payload of WRITE requests
}

// Total is the number of requests of all kinds.
func (r Rounds) Total() int {
	n := 0
	for _, k := range r.Requests {
		n += k
	}
	return n
}

// Rounds runs f and gives what it has cost: the greatest depth of the replies that
// were delivered when f returned, and the requests that arrived meanwhile. Replies
// to requests made before do not count. Only one Rounds can run at a time.
func (s *CountServer) Rounds(f func()) Rounds {
	s.mu.Lock()
	s.epoch++
	s.depth = 0
	s.requests = make(map[string]int)
	s.read, s.written = 0, 0
	s.mu.Unlock()
	f()
	return s.Counted()
}

// Counted gives what was counted since the latest Rounds began.
func (s *CountServer) Counted() Rounds {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := Rounds{Depth: s.depth, Requests: make(map[string]int), BytesRead: s.read, BytesWritten: s.written}
	for k, n := range s.requests {
		r.Requests[k] = n
	}
	return r
}

// Sessions is how many sessions are open.
func (s *CountServer) Sessions() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.links)
}

// Stall stops the link in both directions until Resume; nothing is lost.
func (s *CountServer) Stall() { s.setStalled(true) }

// Resume ends Stall.
func (s *CountServer) Resume() { s.setStalled(false) }

func (s *CountServer) setStalled(v bool) {
	s.mu.Lock()
	s.stalled = v
	s.mu.Unlock()
	s.eachLink((*countLink).wake)
}

// ErrBroken is what a session's Read and Write give after Break.
var ErrBroken = errors.New("testenv: connection broken")

// Break ends all sessions and CountConns at once, as a reset connection does:
// what is on its way is lost. New ones can be made.
func (s *CountServer) Break() {
	s.mu.Lock()
	conns := make([]*CountConn, 0, len(s.conns))
	for c := range s.conns {
		conns = append(conns, c)
	}
	s.mu.Unlock()
	for _, c := range conns {
		c.Kill()
	}
	s.eachLink(func(l *countLink) { l.breakWith(ErrBroken) })
}

// Close ends the server and waits for its sessions. The test's end does it too.
func (s *CountServer) Close() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.eachLink(func(l *countLink) { l.breakWith(io.ErrClosedPipe) })
	s.wg.Wait()
}

func (s *CountServer) eachLink(f func(*countLink)) {
	s.mu.Lock()
	links := make([]*countLink, 0, len(s.links))
	for l := range s.links {
		links = append(links, l)
	}
	s.mu.Unlock()
	for _, l := range links {
		f(l)
	}
}

// stamp is what a request knows of the moment at which the client wrote it.
type stamp struct{ epoch, depth int }

// sent notes that the client writes, and gives the stamp of a request that
// begins now.
func (s *CountServer) sent(now time.Time) stamp {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lastSend = now
	return stamp{s.epoch, s.depth + 1}
}

// delivered notes that the client has got the reply to a request.
func (s *CountServer) delivered(of stamp) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if of.epoch == s.epoch {
		s.depth = max(s.depth, of.depth)
	}
}

// arrived counts a request, unless it was made before the latest Rounds.
func (s *CountServer) arrived(op string, of stamp) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if of.epoch == s.epoch || of.epoch < 0 {
		s.requests[op]++
	}
}

func (s *CountServer) addBytes(read, written int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.read += int64(read)
	s.written += int64(written)
}

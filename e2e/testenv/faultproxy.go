package testenv

import (
	"context"
	"net"
	"sync"
	"testing"
	"time"
)

// Direction is one way through a FaultProxy.
type Direction int

const (
	ToServer Direction = iota
	ToClient
	bothDirections
)

// FaultProxy is a TCP proxy on loopback whose link can be made slow or broken
// while it is in use. Every setting takes effect at once, also for the bytes that
// are on their way, and for all connections. Methods are safe for concurrent use.
//
//	p := testenv.NewFaultProxy(t, sshd.Addr)
//	p.SetDelay(10 * time.Millisecond) // one way, in each direction
//	dial(p.Addr()) ...
//	p.Stall(testenv.ToClient); p.Resume(testenv.ToClient)
//	p.Reset()
type FaultProxy struct {
	target string
	addr   string
	wg     sync.WaitGroup

	mu       sync.Mutex
	changed  sync.Cond
	listener net.Listener // nil while refusing
	conns    map[*proxyConn]struct{}
	closed   bool
	accepts  int
	blackout bool // new connections are accepted and lead nowhere
	dir      [bothDirections]proxyDirection
	spares   [][]byte // buffers to be used again
}

// proxyDirection are one direction's settings and counts.
type proxyDirection struct {
	delay   time.Duration
	rate    int64 // bytes a second, 0: no limit
	stalled bool
	corrupt int64 // a byte is flipped after so many more bytes; < 0: never
	cut     int64 // the connection is reset after so many more bytes; < 0: never
	bytes   int64
}

// proxyQueue is how many bytes a connection holds per direction: a delay of 100 ms
// at 600 MB/s.
const proxyQueue = 64 << 20

// NewFaultProxy starts a proxy to a TCP address that ends with the test.
func NewFaultProxy(t testing.TB, target string) *FaultProxy {
	t.Helper()
	p := &FaultProxy{target: target, conns: make(map[*proxyConn]struct{})}
	p.changed.L = &p.mu
	for d := range p.dir {
		p.dir[d].corrupt, p.dir[d].cut = -1, -1
	}
	l, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p.addr = l.Addr().String()
	p.listen(l)
	t.Cleanup(p.Close)
	return p
}

// Addr is where the proxy listens; it stays the same across Refuse and Accept.
func (p *FaultProxy) Addr() string { return p.addr }

func (p *FaultProxy) listen(l net.Listener) {
	p.mu.Lock()
	p.listener = l
	p.mu.Unlock()
	p.wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			p.accepted(c)
		}
	})
}

func (p *FaultProxy) accepted(client net.Conn) {
	p.mu.Lock()
	p.accepts++
	blackout := p.blackout
	p.mu.Unlock()
	x := &proxyConn{p: p, client: client}
	if blackout {
		x.half = true
	} else {
		server, err := (&net.Dialer{}).DialContext(context.Background(), "tcp", p.target)
		if err != nil {
			reset(client)
			return
		}
		x.server = server
	}
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		x.reset()
		return
	}
	p.conns[x] = struct{}{}
	p.mu.Unlock()
	x.start()
}

// SetDelay sets the one-way time of both directions: a round trip takes twice d.
func (p *FaultProxy) SetDelay(d time.Duration) {
	p.set(func() { p.dir[ToServer].delay, p.dir[ToClient].delay = d, d })
}

// SetRate limits one direction to so many bytes a second; 0 lifts the limit.
func (p *FaultProxy) SetRate(d Direction, bytesPerSecond int64) {
	p.set(func() { p.dir[d].rate = bytesPerSecond })
}

// Stall holds one direction's bytes back until Resume: the connection stays, and
// nothing is lost.
func (p *FaultProxy) Stall(d Direction) { p.set(func() { p.dir[d].stalled = true }) }

// Resume ends Stall.
func (p *FaultProxy) Resume(d Direction) { p.set(func() { p.dir[d].stalled = false }) }

// StallBoth is Stall in both directions: silence, as behind a dead radio link.
func (p *FaultProxy) StallBoth() {
	p.Stall(ToServer)
	p.Stall(ToClient)
}

// ResumeBoth ends StallBoth.
func (p *FaultProxy) ResumeBoth() {
	p.Resume(ToServer)
	p.Resume(ToClient)
}

// Reset resets all connections (RST on both sides). New ones are accepted.
func (p *FaultProxy) Reset() {
	for _, x := range p.all() {
		x.reset()
	}
}

// ResetAfter resets the connection that carries the n-th byte from now on in one
// direction; once. Negative n takes that back.
func (p *FaultProxy) ResetAfter(d Direction, n int64) { p.set(func() { p.dir[d].cut = n }) }

// Corrupt flips a bit of the n-th byte from now on in one direction; once.
// Negative n takes that back.
func (p *FaultProxy) Corrupt(d Direction, n int64) { p.set(func() { p.dir[d].corrupt = n }) }

// HalfOpen makes the far end of all connections vanish without a word: bytes are
// accepted and thrown away, nothing comes back, nothing is closed. The server sees
// its side reset. New connections are not concerned; see Blackout.
func (p *FaultProxy) HalfOpen() {
	for _, x := range p.all() {
		x.halfOpen()
	}
}

// Blackout makes new connections lead nowhere: they are accepted, and no byte
// ever comes.
func (p *FaultProxy) Blackout(on bool) { p.set(func() { p.blackout = on }) }

// Refuse refuses new connections (nothing listens); those that are there stay.
func (p *FaultProxy) Refuse() {
	p.mu.Lock()
	l := p.listener
	p.listener = nil
	p.mu.Unlock()
	if l != nil {
		l.Close()
	}
}

// Accept ends Refuse: it listens on the same address again.
func (p *FaultProxy) Accept(t testing.TB) {
	t.Helper()
	p.mu.Lock()
	listening := p.listener != nil
	p.mu.Unlock()
	if listening {
		return
	}
	l, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", p.addr)
	if err != nil {
		t.Fatal(err)
	}
	p.listen(l)
}

// Connections is how many connections are open.
func (p *FaultProxy) Connections() int { return len(p.all()) }

// Accepted is how many connections were ever accepted.
func (p *FaultProxy) Accepted() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.accepts
}

// Bytes is how many bytes one direction has delivered.
func (p *FaultProxy) Bytes(d Direction) int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.dir[d].bytes
}

// Close ends the proxy and all connections, and waits. The test's end does it too.
func (p *FaultProxy) Close() {
	p.set(func() { p.closed = true })
	p.Refuse()
	p.Reset()
	p.wg.Wait()
}

func (p *FaultProxy) set(f func()) {
	p.mu.Lock()
	f()
	p.changed.Broadcast()
	p.mu.Unlock()
}

func (p *FaultProxy) all() []*proxyConn {
	p.mu.Lock()
	defer p.mu.Unlock()
	conns := make([]*proxyConn, 0, len(p.conns))
	for x := range p.conns {
		conns = append(conns, x)
	}
	return conns
}

// reset closes a connection with RST.
func reset(c net.Conn) {
	if tcp, ok := c.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // fails only on a closed socket
	}
	c.Close()
}

package testenv

import (
	"bytes"
	"errors"
	"io"
	"net"
	"time"
)

// proxyConn is a connection through a FaultProxy. FaultProxy.mu guards its state;
// each direction has a goroutine that reads and one that writes.
type proxyConn struct {
	p              *FaultProxy
	client, server net.Conn // server is nil in a blackout
	dead           bool
	half           bool // the far end has vanished
	vanished       vanished
	queue          [bothDirections][]proxyPiece
	queued         [bothDirections]int
	ended          [bothDirections]bool // the sender has closed its side
	running        int
}

// proxyPiece is what one Read gave.
type proxyPiece struct {
	b    []byte
	buf  []byte    // which b is a part of, to be used again; nil for a small one
	read time.Time // when it was received
}

func (x *proxyConn) start() {
	x.running = 4
	if x.server == nil {
		x.running = 1
		x.p.wg.Go(func() { x.receive(ToServer, x.client) })
		return
	}
	x.p.wg.Go(func() { x.receive(ToServer, x.client) })
	x.p.wg.Go(func() { x.receive(ToClient, x.server) })
	x.p.wg.Go(func() { x.send(ToServer, x.server) })
	x.p.wg.Go(func() { x.send(ToClient, x.client) })
}

// left closes the sockets when the last goroutine is done.
func (x *proxyConn) left() {
	x.p.mu.Lock()
	x.running--
	last := x.running == 0
	if last {
		delete(x.p.conns, x)
	}
	x.p.mu.Unlock()
	if last {
		x.client.Close()
		if x.server != nil {
			x.server.Close()
		}
	}
}

func (x *proxyConn) reset() {
	x.p.set(func() { x.dead = true })
	reset(x.client)
	if x.server != nil {
		reset(x.server)
	}
}

func (x *proxyConn) halfOpen() {
	x.p.set(func() { x.half = true })
	if x.server != nil {
		reset(x.server)
	}
}

// receive reads one direction's bytes and queues them.
func (x *proxyConn) receive(d Direction, from net.Conn) {
	defer x.left()
	p := x.p
	buf := make([]byte, smallRead)
	in := newArrivals(from)
	for {
		n, at, err := in.Read(buf)
		piece := proxyPiece{b: buf[:n], read: at}
		if n < smallRead/2 {
			piece.b = bytes.Clone(piece.b)
		} else {
			piece.buf = buf
			buf = p.buffer()
		}
		if err != nil && !errors.Is(err, io.EOF) {
			x.abort()
			return
		}
		p.mu.Lock()
		lost := x.half || x.vanished != here
		if n > 0 && !lost {
			x.queue[d] = append(x.queue[d], piece)
			x.queued[d] += n
		}
		if err != nil && !lost {
			x.ended[d] = true
		}
		p.changed.Broadcast()
		for x.queued[d] > proxyQueue && !x.dead && !x.half {
			p.changed.Wait()
		}
		stop := x.dead || err != nil
		p.mu.Unlock()
		if stop {
			return
		}
	}
}

// send writes one direction's bytes when they are due.
func (x *proxyConn) send(d Direction, to net.Conn) {
	defer x.left()
	pace := newPacer()
	defer pace.close()
	var free time.Time // when the rate allows the next byte
	for {
		b, buf, ok := x.due(d, &free, pace)
		if !ok {
			break
		}
		if _, err := to.Write(b); err != nil {
			x.abort()
			return
		}
		x.p.done(buf)
	}
	x.p.mu.Lock()
	dead, half := x.dead, x.half
	x.p.mu.Unlock()
	if dead || half {
		return
	}
	if tcp, ok := to.(*net.TCPConn); ok {
		_ = tcp.CloseWrite() // fails when the other side is gone
	}
}

// abort passes on that one side is gone.
func (x *proxyConn) abort() {
	x.p.mu.Lock()
	apart := x.half || x.vanished != here
	x.p.mu.Unlock()
	if !apart {
		x.reset()
	}
}

// due waits for the next bytes that may be delivered; false at the end. With the
// last ones of a buffer comes the buffer.
func (x *proxyConn) due(d Direction, free *time.Time, pace pacer) (b, buf []byte, ok bool) {
	p := x.p
	p.mu.Lock()
	defer p.mu.Unlock()
	s := &p.dir[d]
	for {
		if x.dead || x.half || p.closed {
			return nil, nil, false
		}
		if len(x.queue[d]) == 0 {
			if x.ended[d] {
				return nil, nil, false
			}
			p.changed.Wait()
			continue
		}
		if s.stalled || x.vanished == onItsWay {
			p.changed.Wait()
			continue
		}
		now := time.Now()
		at := x.queue[d][0].read.Add(s.delay)
		if s.rate > 0 && free.After(at) {
			at = *free
		}
		if now.Before(at) {
			p.waitUntil(at, pace, len(x.queue[d]) == 1)
			continue
		}
		b, buf = x.takeLocked(d, s, free, now)
		return b, buf, true
	}
}

// waitUntil waits for a change, at most until a time, or until that time exactly
// when it is near. In a stream (not alone) exactness is not worth a processor. It
// needs p.mu.
func (p *FaultProxy) waitUntil(at time.Time, pace pacer, alone bool) {
	if left := time.Until(at) - nearlyDue; left > 0 {
		timer := time.AfterFunc(left, func() { p.set(func() {}) })
		p.changed.Wait()
		timer.Stop()
		return
	}
	p.mu.Unlock()
	pace.until(at, alone)
	p.mu.Lock()
}

// takeLocked takes bytes from the queue and does to them what was ordered.
func (x *proxyConn) takeLocked(d Direction, s *proxyDirection, free *time.Time, now time.Time) (b, buf []byte) {
	piece := &x.queue[d][0]
	n := int64(len(piece.b))
	if s.rate > 0 {
		n = min(n, max(1, s.rate/200))            // 5 ms worth
		if now.Sub(*free) > 20*time.Millisecond { // idle, or the first
			*free = now
		}
		*free = free.Add(time.Duration(n * int64(time.Second) / s.rate))
	}
	if s.cut >= 0 {
		n = min(n, s.cut)
	}
	b = piece.b[:n]
	if piece.b = piece.b[n:]; len(piece.b) == 0 {
		buf = piece.buf
		x.queue[d] = x.queue[d][1:]
	}
	x.queued[d] -= int(n)
	s.bytes += n
	if s.corrupt >= 0 {
		if s.corrupt < n {
			b[s.corrupt] ^= 0x10
			s.corrupt = -1
		} else {
			s.corrupt -= n
		}
	}
	if s.cut >= 0 {
		if s.cut -= n; s.cut == 0 {
			s.cut = -1
			x.dead = true
			x.p.wg.Go(x.reset)
		}
	}
	x.p.changed.Broadcast()
	return b, buf
}

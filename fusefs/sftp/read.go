package sftp

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// readBuffer is what is read from the stream at once.
const readBuffer = 64 * 1024

// read is the reading goroutine: it hands each reply to its call.
func (c *Client) read() {
	r := reader{c: c, buf: make([]byte, readBuffer)}
	var err error
	for err == nil {
		err = r.frame()
	}
	c.end(err)
	for err = nil; err == nil; { // to its end, by which its owner knows that it is gone
		_, err = c.conn.Read(r.buf)
	}
}

// reader takes frames from the stream. buf[lo:hi] is read and not yet used.
type reader struct {
	c      *Client
	buf    []byte
	lo, hi int
	big    []byte  // holds a frame that is longer than buf
	fields decoder // of the reply being delivered
}

// fill reads more bytes; there is room for them.
func (r *reader) fill() error {
	if r.lo == r.hi {
		r.lo, r.hi = 0, 0
	}
	n, err := r.c.conn.Read(r.buf[r.hi:])
	r.c.count.wireIn.Add(uint64(max(n, 0)))
	r.hi += max(n, 0)
	if n > 0 {
		return nil // an error comes again
	}
	return err
}

// peek gives the next n bytes, n <= len(buf), without using them.
func (r *reader) peek(n int) ([]byte, error) {
	if r.lo+n > len(r.buf) {
		r.hi = copy(r.buf, r.buf[r.lo:r.hi])
		r.lo = 0
	}
	for r.hi-r.lo < n {
		some := r.hi > r.lo
		if err := r.fill(); err != nil {
			if errors.Is(err, io.EOF) && some {
				err = io.ErrUnexpectedEOF
			}
			return nil, err
		}
	}
	return r.buf[r.lo : r.lo+n], nil
}

// frame reads one reply and delivers it.
func (r *reader) frame() error {
	h, err := r.peek(headerLen)
	if err != nil {
		return err
	}
	length, packet, id := binary.BigEndian.Uint32(h), h[4], binary.BigEndian.Uint32(h[5:])
	if length < headerLen-4 || length > maxFrame {
		return r.badLength(length)
	}
	r.lo += headerLen
	rest := int(length) - (headerLen - 4)
	select {
	case <-r.c.greeted:
	default:
		return r.version(packet, id, rest)
	}
	r.c.mu.Lock()
	req, ok := r.c.calls[id]
	r.c.mu.Unlock()
	if !ok {
		if r.c.Err() != nil {
			return r.c.Err()
		}
		return protocolError("reply to a request that was not made (id %d)", id)
	}
	if packet == fxpData {
		err = r.data(req, rest)
	} else {
		var payload []byte
		if payload, err = r.payload(rest); err == nil {
			r.fields = decoder{b: payload}
			err = req.deliver(packet, &r.fields)
		}
	}
	if err == nil {
		r.c.answered(req.base())
	}
	return err
}

// payload gives the rest of a frame; it is valid until the next frame.
func (r *reader) payload(n int) ([]byte, error) {
	if n <= len(r.buf) {
		p, err := r.peek(n)
		r.lo += len(p)
		return p, truncated(err)
	}
	if cap(r.big) < n {
		r.big = make([]byte, n)
	}
	p := r.big[:n]
	k := copy(p, r.buf[r.lo:r.hi])
	r.lo += k
	for k < n {
		m, err := r.c.conn.Read(p[k:])
		r.c.count.wireIn.Add(uint64(max(m, 0)))
		k += max(m, 0)
		if err != nil && k < n {
			return nil, truncated(err)
		}
	}
	return p, nil
}

// data delivers a DATA reply piece by piece, as it comes.
func (r *reader) data(req request, rest int) error {
	call, ok := req.(*Call[int])
	if !ok || call.kind != kindRead {
		return protocolError("reply to %s has type %d", req.base().kind, fxpData)
	}
	if rest < 4 {
		return protocolError("reply to read: %v", errShort)
	}
	h, err := r.peek(4)
	if err != nil {
		return truncated(err)
	}
	n := int(binary.BigEndian.Uint32(h))
	r.lo += 4
	switch {
	case n != rest-4:
		return protocolError("reply to read has %d bytes and says %d", rest-4, n)
	case n > call.want:
		return protocolError("reply to read has %d bytes, %d were asked", n, call.want)
	}
	for at := 0; at < n; {
		if r.lo == r.hi {
			if err := r.fill(); err != nil {
				return truncated(err)
			}
		}
		piece := r.buf[r.lo:min(r.hi, r.lo+n-at)]
		call.mu.Lock()
		if call.buf != nil {
			copy(call.buf[at:], piece)
		}
		call.mu.Unlock()
		at += len(piece)
		r.lo += len(piece)
	}
	r.c.count.bytesRead.Add(uint64(n))
	call.mu.Lock()
	defer call.mu.Unlock()
	if call.finished {
		return nil
	}
	call.val = n
	var result error
	if n == 0 && call.want > 0 {
		// Neither data nor end: a caller that loops must not loop for ever.
		result = fmt.Errorf("read: %w", io.ErrNoProgress)
	}
	call.finishLocked(result)
	return nil
}

// version takes the server's first frame.
func (r *reader) version(packet byte, version uint32, rest int) error {
	if packet != fxpVersion {
		return protocolError("first reply has type %d, not VERSION", packet)
	}
	if version != protocolVersion {
		return protocolError("server speaks version %d, not %d", version, protocolVersion)
	}
	payload, err := r.payload(rest)
	if err != nil {
		return err
	}
	for d := (decoder{b: payload}); len(d.b) > 0; {
		name, data := string(d.bytes()), string(d.bytes())
		if d.err != nil {
			return protocolError("VERSION: %v", d.err)
		}
		if len(r.c.exts) >= maxExtensions {
			return protocolError("VERSION has more than %d extensions", maxExtensions)
		}
		r.c.exts[name] = data
	}
	close(r.c.greeted)
	return nil
}

// badLength is the error for a frame that cannot be. Text where the first frame
// should be is what a shell's start-up file has printed.
func (r *reader) badLength(length uint32) error {
	text := r.buf[r.lo:min(r.hi, r.lo+64)]
	printable := true
	for _, b := range text {
		printable = printable && (b >= ' ' && b < 0x7f || b == '\n' || b == '\r' || b == '\t' || b >= 0x80)
	}
	if printable {
		return protocolError("server sent text, not SFTP: %q (does a shell start-up file on the server print something?)", text)
	}
	return protocolError("frame of %d bytes", length)
}

// truncated turns the end of the stream within a frame into an error of its own.
func truncated(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

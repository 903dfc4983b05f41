package sftp

import (
	"encoding/binary"
)

const (
	// flushAt is how many queued bytes are gathered before they are written.
	flushAt = 128 * 1024
	// sshPacket is the payload of an SSH packet, in which an x/crypto channel
	// cuts what it is given: a request's head and the first of its data share one.
	sshPacket = 32 * 1024
)

// newFrame gives an empty request of a kind.
func (c *Client) newFrame(k kind) *frame {
	return c.frames.Get().(*frame).reset(k)
}

// start queues a request whose reply decode understands.
func start[T any](c *Client, k kind, path string, f *frame, decode func(*decoder) (T, error)) *Call[T] {
	r := &Call[T]{call: call{c: c, kind: k, path: path, frame: f, done: make(chan struct{})}, decode: decode}
	c.submit(r)
	return r
}

// failed is a call that has its error already: nothing is sent.
func failed[T any](c *Client, k kind, err error) *Call[T] {
	r := &Call[T]{call: call{c: c, kind: k, finished: true, err: err, done: make(chan struct{})}}
	close(r.done)
	return r
}

// submit gives a request its id and queues it. It does not block on the stream.
func (c *Client) submit(r request) {
	k := r.base()
	c.count.requests[k.kind].Add(1)
	c.mu.Lock()
	if c.err != nil {
		err := c.err
		c.mu.Unlock()
		k.fail(err)
		return
	}
	for {
		k.id = c.nextID
		c.nextID++
		if _, taken := c.calls[k.id]; !taken {
			break
		}
	}
	c.calls[k.id] = r
	k.frame.seal(k.id, len(k.data))
	c.queue = append(c.queue, k)
	c.mu.Unlock()
	c.work.Signal()
}

// write is the writing goroutine: INIT, then what is queued, in order.
func (c *Client) write() {
	w := writer{c: c}
	w.out = binary.BigEndian.AppendUint32(w.out, 5)
	w.out = append(w.out, fxpInit)
	w.out = binary.BigEndian.AppendUint32(w.out, protocolVersion)
	if err := w.flush(); err != nil {
		c.end(err)
		return
	}
	var batch []*call
	for {
		c.mu.Lock()
		for len(c.queue) == 0 && c.err == nil {
			c.work.Wait()
		}
		ended := c.err != nil
		clear(batch) // lets the garbage collector have the calls
		batch, c.queue = c.queue, batch[:0]
		c.mu.Unlock()
		if ended {
			return
		}
		if err := w.writeAll(batch); err != nil {
			c.end(err)
			return
		}
	}
}

// writer gathers requests in out and writes them to the stream. out grows to at
// most flushAt and one request, and stays: a session that writes keeps writing.
type writer struct {
	c   *Client
	out []byte
}

func (w *writer) writeAll(batch []*call) error {
	for _, k := range batch {
		if err := w.add(k); err != nil {
			return err
		}
		if len(w.out) >= flushAt {
			if err := w.flush(); err != nil {
				return err
			}
		}
	}
	return w.flush()
}

// add takes one request, unless it was abandoned. Lent data is copied here,
// under the call's lock, and never looked at again.
func (w *writer) add(k *call) error {
	k.mu.Lock()
	f, data := k.frame, k.data
	if f == nil {
		k.mu.Unlock()
		return nil
	}
	k.sent, k.writing = true, k.direct
	k.frame, k.data = nil, nil
	w.out = append(w.out, f.b...)
	if !k.direct {
		w.out = append(w.out, data...)
	}
	k.mu.Unlock()
	w.c.frames.Put(f)
	w.c.count.bytesWritten.Add(uint64(len(data)))
	if !k.direct {
		return nil
	}
	defer k.wrote()
	// The rest of this SSH packet is filled by a copy, what follows goes to
	// the stream as it is.
	n := min(len(data), sshPacket-len(w.out)%sshPacket)
	w.out = append(w.out, data[:n]...)
	if n == len(data) {
		return nil
	}
	if err := w.flush(); err != nil {
		return err
	}
	return w.send(data[n:])
}

func (w *writer) flush() error {
	if len(w.out) == 0 {
		return nil
	}
	err := w.send(w.out)
	w.out = w.out[:0]
	return err
}

func (w *writer) send(b []byte) error {
	n, err := w.c.conn.Write(b)
	w.c.count.wireOut.Add(uint64(max(n, 0)))
	return err
}

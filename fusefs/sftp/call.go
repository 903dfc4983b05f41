package sftp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"
)

// Call is one request on its way. Exactly one of Wait and Abandon must be
// called, else a handle that the reply brings stays open on the server. The two
// are safe for concurrent use, also with Done.
type Call[T any] struct {
	call
	decode func(*decoder) (T, error)
	val    T
}

// call is the part of a Call that does not depend on its result's type.
type call struct {
	c    *Client
	id   uint32
	kind kind
	path string
	done chan struct{} // closed once finished

	want     int  // READ: bytes asked for
	direct   bool // data stay the session's until the call is answered
	mustSend bool // sent even when abandoned: CLOSE
	orphan   bool // counted in Client.orphans; guarded by Client.mu

	mu       sync.Mutex // guards what follows
	sent     bool       // handed, or about to be, to the stream
	finished bool       // err (and the result) are final
	taken    bool       // the result was given to the caller, or dropped
	err      error
	writing  bool // the stream has lent data: there is no result while it has
	answered bool // result is there, and waits for writing to end
	result   error
	frame    *frame // the request, until sent
	data     []byte // WRITE's data, until sent
	buf      []byte // READ's buffer, until finished
}

// request is a Call of any type, as the table of calls has it.
type request interface {
	base() *call
	// deliver takes a reply's fields. An error means that the reply breaks the
	// protocol; a refusal by the server is the call's result.
	deliver(packet byte, d *decoder) error
}

func (k *call) base() *call { return k }

// Done is closed when the call has its result or was abandoned: Wait will not
// block then.
func (k *call) Done() <-chan struct{} { return k.done }

// Wait blocks until the reply is there, the session has ended, or ctx has. In
// the last case the call is abandoned, and the error is a *CallError with ctx's
// error and cause. Further Waits give the same result again.
func (k *Call[T]) Wait(ctx context.Context) (T, error) {
	select {
	case <-k.done:
	default:
		start := time.Now()
		select {
		case <-k.done:
		case <-ctx.Done():
			err := ctx.Err()
			if cause := context.Cause(ctx); !errors.Is(cause, err) {
				err = fmt.Errorf("%w: %w", err, cause)
			}
			k.giveUp(err)
		}
		k.c.count.waits.Add(1)
		k.c.count.waitNanos.Add(int64(time.Since(start)))
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.taken = true
	return k.val, k.err
}

// Abandon lets the call go without waiting for it. It does not block. A CLOSE is
// sent nevertheless; any other request is not sent if it has not been yet. A
// handle that the reply has brought, or will bring, is closed.
func (k *Call[T]) Abandon() {
	if k.giveUp(ErrAbandoned) {
		return
	}
	k.mu.Lock()
	drop := !k.taken && k.err == nil
	k.taken = true
	val := k.val
	k.mu.Unlock()
	if drop {
		k.c.drop(val)
	}
}

// giveUp finishes the call with err; false if it had finished before.
func (k *call) giveUp(err error) bool {
	k.mu.Lock()
	if k.finished {
		k.mu.Unlock()
		return false
	}
	sent, unsend := k.sent, !k.sent && !k.mustSend
	k.finishLocked(&CallError{Op: k.kind.String(), Path: k.path, Sent: sent || k.mustSend, Err: err})
	if unsend {
		k.frame, k.data = nil, nil // the writer skips it
	}
	k.mu.Unlock()
	k.c.gaveUp(k, unsend)
	return true
}

// finishLocked makes err (nil: val) the result. It needs mu.
func (k *call) finishLocked(err error) {
	k.err = err
	k.finished = true
	k.buf = nil
	close(k.done)
}

// wrote takes note that the stream has let go of lent data. The answer can be there
// before that: a server has read the last byte before Write tells its writer so.
func (k *call) wrote() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.writing = false
	if k.answered && !k.finished {
		k.finishLocked(k.result)
	}
}

// fail finishes the call with the session's error, if it had not finished.
func (k *call) fail(err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.finished {
		k.finishLocked(&CallError{Op: k.kind.String(), Path: k.path, Sent: k.sent, Err: err})
	}
	k.frame, k.data = nil, nil
}

func (k *Call[T]) deliver(packet byte, d *decoder) error {
	var val T
	var result error
	switch packet {
	case fxpStatus:
		code := d.u32()
		if d.err != nil {
			return protocolError("reply to %s: %v", k.kind, d.err)
		}
		if code == StatusOK && kinds[k.kind].reply != fxpStatus {
			return protocolError("reply to %s is a status without error", k.kind)
		}
		result = k.statusResult(code, d)
	case kinds[k.kind].reply:
		var err error
		if val, err = k.decode(d); err != nil {
			return protocolError("reply to %s: %v", k.kind, err)
		}
	default:
		return protocolError("reply to %s has type %d", k.kind, packet)
	}
	k.mu.Lock()
	late := k.finished
	if !late {
		k.val = val
		if k.writing {
			k.answered, k.result = true, result
		} else {
			k.finishLocked(result)
		}
	}
	k.mu.Unlock()
	if late && result == nil {
		k.c.drop(val)
	}
	return nil
}

// statusResult is the call's error for a status: nil, io.EOF or *StatusError.
func (k *call) statusResult(code uint32, d *decoder) error {
	switch {
	case code == StatusOK:
		return nil
	case code == StatusEOF && (k.kind == kindRead || k.kind == kindReadDir):
		return io.EOF
	}
	msg := d.bytes() // some servers leave it out
	if len(msg) > maxStatusMsg {
		msg = msg[:maxStatusMsg]
	}
	return &StatusError{Code: code, Msg: string(msg), Op: k.kind.String(), Path: k.path}
}

// drop undoes what an unwanted reply has brought: it closes a handle.
func (c *Client) drop(val any) {
	if h, ok := val.(Handle); ok {
		c.StartCloseHandle(h).Abandon()
	}
}

package remote

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"sshfs-bridge/fusefs/sftp"
)

// piece is a part of a ReadAt that one READ fetches.
type piece struct {
	buf []byte
	off int64

	room   int64 // that it takes in the flow
	lane   *lane
	call   *sftp.Call[int]
	ctx    context.Context //nolint:containedctx // of the one request
	finish func()
	late   time.Duration // see requestList.begin
}

// ReadAt reads len(buf) bytes at off, and fewer only with io.EOF. What this Remote has
// written there and the server has not yet acknowledged is waited for. It goes on over a
// lost connection; it fails after DataTimeout without progress (ErrTimeout, ErrLinkDown),
// and with ErrChanged. It is safe to call many at a time: that is what fills a link. buf
// must not be used after ReadAt has given up (an ended ctx) until it returns.
func (f *File) ReadAt(ctx context.Context, buf []byte, off int64) (int, error) {
	if off < 0 {
		return 0, fmt.Errorf("read at %d: %w", off, errors.ErrUnsupported)
	}
	if err := f.hold(); err != nil {
		return 0, err
	}
	defer f.release()
	if err := f.r.objects.waitWritten(ctx, f, off); err != nil {
		return 0, err
	}
	f.r.used()
	packet := f.r.MaxRead()
	var (
		flight []*piece
		rest   = buf
		pos    = off
		end    = int64(-1) // of the file, once seen
		failed error
	)
	for failed == nil && (len(rest) > 0 && end < 0 || len(flight) > 0) {
		for len(rest) > 0 && end < 0 && failed == nil {
			p := &piece{buf: rest[:min(packet, len(rest))], off: pos}
			var oldest <-chan struct{}
			if len(flight) > 0 {
				oldest = flight[0].call.Done()
			}
			started, err := f.startRead(ctx, p, oldest)
			if err != nil {
				failed = err
			}
			if !started {
				break
			}
			flight = append(flight, p)
			rest = rest[len(p.buf):]
			pos += int64(len(p.buf))
		}
		if len(flight) == 0 || failed != nil {
			break
		}
		p := flight[0]
		flight = flight[1:]
		eof, err := f.finishRead(ctx, p)
		if err != nil {
			failed = err
		} else if eof >= 0 {
			end = eof
		}
	}
	for _, p := range flight {
		f.dropRead(p)
	}
	switch {
	case failed != nil:
		return 0, failed
	case end >= 0:
		return int(min(max(end-off, 0), int64(len(buf)))), io.EOF
	}
	return len(buf), nil
}

// startRead sends the READ for p when there is room for it. It waits no longer for
// that than until answered is closed: who holds an answered request must take it
// first, since that has room which others wait for.
func (f *File) startRead(ctx context.Context, p *piece, answered <-chan struct{}) (bool, error) {
	n := int64(len(p.buf))
	p.room = n
	if !f.room.tryAcquire(n) {
		f.stripe()
		if ok, err := f.room.acquireOr(ctx, n, answered); !ok {
			return false, err
		}
	}
	if !f.r.reads.tryAcquire(n) {
		f.r.grow(f.r.reads)
		if ok, err := f.r.reads.acquireOr(ctx, n, answered); !ok {
			f.room.release(n)
			return false, err
		}
	}
	err := f.r.readLimit.wait(ctx, int(n))
	if err == nil {
		err = f.send(ctx, p)
	}
	if err != nil {
		f.unread(n)
	}
	return err == nil, err
}

// unread gives back the room of n bytes that are no longer asked for.
func (f *File) unread(n int64) {
	f.r.reads.release(n)
	f.room.release(n)
}

// send starts the READ of p on a lane.
func (f *File) send(ctx context.Context, p *piece) error {
	n, err := f.lane(ctx, false, int64(len(p.buf)))
	if err != nil {
		return err
	}
	f.stripe()
	p.lane = n
	p.ctx, p.finish = n.ch.requests.begin(ctx, &p.late)
	p.call = n.ch.client.StartRead(n.handle, uint64(p.off), p.buf)
	return nil
}

// unsend takes back what send did.
func (p *piece) unsend() {
	p.finish()
	p.lane.ch.load.Add(-int64(len(p.buf)))
}

// dropRead gives up a READ that was started.
func (f *File) dropRead(p *piece) {
	p.call.Abandon()
	p.unsend()
	f.unread(p.room)
}

// finishRead waits for p's answer, and sends again what was lost or came short.
// It gives the end of the file where it met it, else -1.
func (f *File) finishRead(ctx context.Context, p *piece) (int64, error) {
	defer f.unread(p.room)
	for losses := (losses{}); ; {
		n, err := p.call.Wait(p.ctx)
		cause := context.Cause(p.ctx)
		p.unsend()
		switch {
		case err == nil:
			f.moved.Add(int64(n))
			f.r.reads.delivered(n, time.Now())
			p.buf, p.off = p.buf[n:], p.off+int64(n)
			losses.reset()
			p.late = 0
			if len(p.buf) == 0 {
				return -1, nil
			}
		case isLost(err): // looked at first: a session may have ended with EOF
			if losses.tooMany(err) {
				return -1, linkDown(err)
			}
		case errors.Is(err, io.EOF):
			return p.off, nil
		case ctx.Err() != nil:
			return -1, contextCause(ctx)
		case cause != nil && !isStatus(err):
			return -1, fmt.Errorf("read: %w", cause)
		default:
			return -1, err
		}
		if err := f.send(ctx, p); err != nil {
			return -1, err
		}
	}
}

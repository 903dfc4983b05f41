package remote

import (
	"container/heap"
	"context"
	"fmt"

	"sshfs-bridge/fusefs/sftp"
)

// kickLocked starts the goroutine that sends, where there is something to send
// and none runs. f.mu is held.
func (f *File) kickLocked() {
	if f.sending || f.queue.Len() == 0 {
		return
	}
	f.sending = f.r.spawn(f.sendAll)
	if !f.sending { // the Remote is closed
		f.discardLocked(ErrClosed)
	}
}

// sendAll sends what is queued, in order, until the queue is empty or its first
// operation must wait for others to end; their end starts it again.
func (f *File) sendAll() {
	for {
		f.mu.Lock()
		o := f.nextLocked()
		if o == nil {
			f.sending = false
			f.mu.Unlock()
			return
		}
		f.mu.Unlock()
		if err := f.sendOne(f.r.ctx, o); err != nil {
			f.mu.Lock()
			f.failLocked(err)
			f.discardLocked(err)
			f.mu.Unlock()
		}
	}
}

// sendOne sends o if it is still the next one. An error means that nothing can be
// sent any more.
func (f *File) sendOne(ctx context.Context, o *op) error {
	if f.unneeded(o) {
		return nil
	}
	n, err := f.laneFor(ctx, o)
	if err != nil {
		return err
	}
	var source *lane
	if o.kind == opCopy {
		if source, err = o.src.laneOn(ctx, n.ch); err != nil {
			if isLost(err) && !n.ch.alive() {
				return nil // looked at again
			}
			f.drop(o, fmt.Errorf("copy: %w", err))
			return nil
		}
	}
	f.mu.Lock()
	f.cutLocked(o, int(n.ch.client.Limits().MaxWrite))
	size := o.bytes() // it may still grow, which is looked at again below
	f.mu.Unlock()
	if size > 0 {
		if !f.room.tryAcquire(size) {
			f.stripe()
			if err := f.room.acquire(ctx, size); err != nil {
				return err
			}
		}
		if err := f.r.writes.acquire(ctx, size); err != nil {
			f.room.release(size)
			return err
		}
		f.stripe()
	}
	f.mu.Lock()
	if f.nextLocked() != o || o.bytes() != size || !n.ch.alive() || source != nil && !source.ch.alive() {
		f.mu.Unlock()
		f.unsent(size)
		return nil
	}
	heap.Pop(&f.queue)
	if f.last == o {
		f.last = nil
	}
	if o.sent {
		f.r.counters.resent.Add(1)
	}
	o.sent, o.lane = true, n
	f.flight.add(o)
	f.mu.Unlock()
	if o.changes() {
		f.r.objects.sent(f.object, o.end(), o.kind == opSetstat && o.attrs.Valid&sftp.AttrSize != 0)
	}
	f.start(o, n, source)
	return nil
}

// cutLocked makes two of a queued write that carries more than limit: it was queued
// before the connection was made again to a server that takes less. f.mu is held.
func (f *File) cutLocked(o *op, limit int) {
	if o.kind != opWrite || len(o.data) <= limit {
		return
	}
	rest := &op{kind: opWrite, seq: o.seq, off: o.off + int64(limit), data: o.data[limit:], sent: o.sent, losses: o.losses}
	o.data = o.data[:limit:limit] // of one buffer, which neither gives back
	heap.Push(&f.queue, rest)
	f.unacked.Add(1)
	if f.last == o {
		f.last = rest
	}
}

// unsent gives back the room of n bytes that are no longer in flight.
func (f *File) unsent(n int64) {
	if n > 0 {
		f.r.writes.release(n)
		f.room.release(n)
	}
}

// laneFor gives the lane on which o goes.
func (f *File) laneFor(ctx context.Context, o *op) (*lane, error) {
	f.mu.Lock()
	// Behind what is in order it goes on the same channel.
	first := o.ordered() || o.kind == opCopy || f.flight.ordered > 0
	f.mu.Unlock()
	return f.lane(ctx, first, 0)
}

// nextLocked gives the operation to send next, nil when there is none or it must
// wait. f.mu is held.
func (f *File) nextLocked() *op {
	if f.queue.Len() == 0 {
		return nil
	}
	o := f.queue[0]
	if o.kind == opClose && f.holds > 0 {
		return nil // others use the handles
	}
	if o.changes() && f.object.copies.before(o.seq, f) {
		return nil // a copy that was queued earlier shall not see it
	}
	if f.flight.len() == 0 {
		return o
	}
	if o.ordered() || f.flight.ordered > 0 {
		// On one channel of a server that keeps the order nothing need wait.
		if len(f.lanes) == 0 || !f.flight.onlyOn(f.lanes[0]) || !f.lanes[0].ch.serial() {
			return nil
		}
		return o
	}
	if f.flight.overlaps(o) {
		return nil
	}
	return o
}

// start puts o on the wire, and a goroutine behind it that takes the answer.
func (f *File) start(o *op, n, source *lane) {
	ctx, finish := n.ch.requests.begin(f.r.ctx, &o.late)
	size := o.bytes()
	if o.kind == opCopy {
		size = min(o.n, busyLoad+1) // the channel is busy, whatever it carries
	}
	n.ch.load.Add(size)
	var wait func() error
	c := n.ch.client
	switch o.kind {
	case opWrite:
		call := c.StartWriteDirect(n.handle, uint64(o.off), o.data)
		wait = func() error { _, err := call.Wait(ctx); return err }
	case opSetstat:
		call := c.StartFsetstat(n.handle, o.attrs)
		wait = func() error { _, err := call.Wait(ctx); return err }
	case opCopy:
		call := c.StartCopyData(source.handle, uint64(o.srcOff), uint64(o.n), n.handle, uint64(o.off))
		wait = func() error { _, err := call.Wait(ctx); return err }
	case opFsync:
		call := c.StartFsync(n.handle)
		wait = func() error { _, err := call.Wait(ctx); return err }
	case opFstat:
		call := c.StartFstat(n.handle)
		wait = func() error {
			a, err := call.Wait(ctx)
			o.attrs = a
			return err
		}
	case opClose:
		call := c.StartCloseHandle(n.handle)
		wait = func() error { _, err := call.Wait(ctx); return err }
	}
	task := func() {
		err := wait()
		if cause := context.Cause(ctx); cause != nil && err != nil && !isStatus(err) && !isLost(err) {
			err = cause
		}
		finish()
		n.ch.load.Add(-size)
		f.answered(o, err)
	}
	if !f.r.spawn(task) {
		task()
	}
}

package remote

import (
	"container/heap"
	"errors"
	"time"

	"sshfs-bridge/fusefs/sftp"
)

// answered takes the outcome of o, which was in flight.
func (f *File) answered(o *op, err error) {
	if isLost(err) {
		if !o.losses.tooMany(err) {
			f.requeue(o)
			return
		}
		err = linkDown(err)
	}
	if n := o.bytes(); n > 0 {
		if err == nil {
			f.moved.Add(n)
			if f.r.window.takeWaited() { // on a slow link it holds less than the flow
				f.r.writes.noteWaited()
			}
			f.r.writes.delivered(int(n), time.Now())
			f.r.tuneWindow()
		}
		f.unsent(n)
	}
	f.mu.Lock()
	if err == nil && o.changes() {
		f.ackedLocked(o)
	}
	f.flight.remove(o)
	f.endLocked(o, err)
	f.kickLocked()
	f.mu.Unlock()
}

// ackedLocked notes what the server has acknowledged. Answers are taken in no order:
// what is older than a change of the size says nothing of the size any more. f.mu is
// held.
func (f *File) ackedLocked(o *op) {
	older, a := o.seq < f.resized, o.attrs
	switch {
	case o.kind != opSetstat && older:
	case o.kind != opSetstat:
		f.r.objects.acked(f.object, o.end())
	case older:
		a.Valid &^= sftp.AttrSize
		f.r.objects.ackedSet(f.object, a)
	default:
		if a.Valid&sftp.AttrSize != 0 {
			f.resized = o.seq
		}
		f.r.objects.ackedSet(f.object, a)
	}
}

// requeue puts o, whose answer was lost, back to where it was.
func (f *File) requeue(o *op) {
	f.unsent(o.bytes())
	f.mu.Lock()
	defer f.mu.Unlock()
	f.flight.remove(o)
	o.lane = nil
	heap.Push(&f.queue, o)
	f.kickLocked()
}

// drop ends o, which is still queued, with err.
func (f *File) drop(o *op, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i, p := range f.queue {
		if p == o {
			heap.Remove(&f.queue, i)
			f.endLocked(o, err)
			return
		}
	}
}

// endLocked takes o, which is neither queued nor in flight, to its end. f.mu is
// held.
func (f *File) endLocked(o *op, err error) {
	if f.last == o {
		f.last = nil
	}
	if o.kind == opFsync && errors.Is(err, errors.ErrUnsupported) {
		err = nil // what is acknowledged is all there is to know, and no failure of a write
	}
	if err != nil && (o.changes() || o.kind == opFsync || o.kind == opClose && isStatus(err)) {
		f.failLocked(err)
	}
	if o.changes() {
		f.unacked.Add(-1)
	}
	if n := o.bytes(); n > 0 {
		f.r.window.release(n)
		f.pending.Add(-n)
		// A session that did not answer may still look at the data.
		if o.losses == (losses{}) && (err == nil || isStatus(err)) {
			buffers.put(o.data)
		}
		o.data = nil
	}
	if o.counted {
		f.r.queued.release(opCost)
	}
	if o.src != nil {
		f.r.spawn(func() { o.src.copyDone(o.seq) })
	}
	o.err = err
	if o.done != nil {
		close(o.done)
	}
	if o.kind == opClose {
		if o.lane != nil {
			// Its CLOSE was sent. A second one would close whatever file the
			// server has given the same handle since.
			for i, n := range f.lanes {
				if n == o.lane {
					f.lanes = append(f.lanes[:i:i], f.lanes[i+1:]...)
					n.ch.handles.Add(-1)
					break
				}
			}
		}
		f.finishLocked()
	}
	f.signalLocked()
}

// failLocked remembers the first failure. f.mu is held.
func (f *File) failLocked(err error) {
	if f.err == nil {
		f.err, f.told = err, false
	}
}

// discardLocked ends all that is queued with err: it cannot be sent. f.mu is held.
func (f *File) discardLocked(err error) {
	queue := f.queue
	f.queue, f.last = nil, nil
	for _, o := range queue {
		f.endLocked(o, err)
	}
}

// unneeded ends o without sending it, where it is a CLOSE of a handle that went
// with the connection.
func (f *File) unneeded(o *op) bool {
	if o.kind != opClose {
		return false
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	// What is in flight may come back unanswered, and needs the file again.
	if len(f.liveLocked()) > 0 || f.flight.len() > 0 || f.unacked.Load() > 0 || f.queue.Len() == 0 || f.queue[0] != o {
		return false
	}
	heap.Pop(&f.queue)
	f.endLocked(o, nil)
	return true
}

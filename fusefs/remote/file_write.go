package remote

import (
	"container/heap"
	"context"
	"fmt"
	"io/fs"

	"sshfs-bridge/fusefs/sftp"
)

// WriteAt queues a copy of data for off. It waits only while the window of what is not
// acknowledged is full, or too many writes are queued, at most until ctx ends. An earlier
// failure of this file is returned once, and then by Flush or Close; in that case, too,
// data is not queued.
func (f *File) WriteAt(ctx context.Context, data []byte, off int64) error {
	if off < 0 || !f.flags.Write {
		return fmt.Errorf("write at %d: %w", off, fs.ErrInvalid)
	}
	f.r.used()
	for len(data) > 0 {
		// Two of them fit into the window, so that one is on its way while the other is
		// answered.
		n := min(len(data), f.r.maxWrite(), max(int(f.r.window.limit()/2), 32<<10))
		if err := f.r.writeLimit.wait(ctx, n); err != nil {
			return err
		}
		if err := f.r.queued.acquire(ctx, opCost); err != nil {
			return err
		}
		if err := f.r.window.acquire(ctx, int64(n)); err != nil {
			f.r.queued.release(opCost)
			return err
		}
		joined, err := f.queueWrite(data[:n], off)
		if joined || err != nil {
			f.r.queued.release(opCost)
		}
		if err != nil {
			f.r.window.release(int64(n))
			return err
		}
		data, off = data[n:], off+int64(n)
	}
	return nil
}

func (r *Remote) maxWrite() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.limits.MaxWrite == 0 {
		return 32 << 10
	}
	return int(r.limits.MaxWrite)
}

// queueWrite says whether data became part of a write that was queued before.
func (f *File) queueWrite(data []byte, off int64) (joined bool, err error) {
	limit := f.r.maxWrite()
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.usableLocked(true); err != nil {
		return false, err
	}
	// What follows on the last write that still waits becomes part of it.
	if w := f.last; w != nil && w.kind == opWrite && !w.sent && w.end() == off && len(w.data)+len(data) <= limit {
		if cap(w.data) < len(w.data)+len(data) {
			grown := append(buffers.get(min(limit, 2*(len(w.data)+len(data)))), w.data...)
			buffers.put(w.data)
			w.data = grown
		}
		w.data = append(w.data, data...)
		f.pending.Add(int64(len(data)))
		return true, nil
	}
	f.addLocked(&op{kind: opWrite, off: off, data: append(buffers.get(len(data)), data...), counted: true})
	return false, nil
}

// usableLocked gives the error for which nothing more can be queued. f.mu is held.
func (f *File) usableLocked(tell bool) error {
	switch {
	case f.closed || f.closing:
		return ErrClosed
	case f.broken != nil && (f.err == nil || f.told):
		return f.broken
	case tell && f.err != nil && !f.told:
		f.told = true
		return f.err
	}
	return nil
}

// addLocked queues o, and sees that it is sent. f.mu is held.
func (f *File) addLocked(o *op) {
	o.seq = f.r.seq.Add(1)
	f.seq = o.seq
	f.pending.Add(o.bytes())
	if o.changes() {
		f.unacked.Add(1)
		f.changed = o.seq
	}
	heap.Push(&f.queue, o)
	f.last = o
	f.kickLocked()
}

// Setstat queues a change of the attributes that a.Valid names, the size among
// them, behind the writes. A failure is reported as that of a write.
func (f *File) Setstat(_ context.Context, a Attrs) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.usableLocked(false); err != nil {
		return err
	}
	f.addLocked(&op{kind: opSetstat, attrs: a})
	return nil
}

// signalLocked wakes who waits for the end of an operation. f.mu is held.
func (f *File) signalLocked() {
	close(f.progress)
	f.progress = make(chan struct{})
}

// waitWritten waits until no file of f's object has anything queued that could
// change what is read from off on.
func (t *objectTable) waitWritten(ctx context.Context, f *File, off int64) error {
	if f.unacked.Load() > 0 {
		if err := f.waitBefore(ctx, off); err != nil {
			return err
		}
	}
	for _, g := range t.siblings(f) {
		if g.unacked.Load() > 0 {
			if err := g.waitBefore(ctx, off); err != nil {
				return err
			}
		}
	}
	return nil
}

// siblings gives the other files of f's object; f may be closed.
func (t *objectTable) siblings(f *File) []*File {
	t.mu.Lock()
	defer t.mu.Unlock()
	var others []*File
	for g := range f.object.files {
		if g != f {
			others = append(others, g)
		}
	}
	return others
}

// waitBefore waits until nothing that was queued by now and reaches beyond off is
// unacknowledged. A failure of it is the writer's to hear of.
func (f *File) waitBefore(ctx context.Context, off int64) error {
	f.mu.Lock()
	upTo := f.seq
	for {
		if !f.pendingLocked(upTo, off) {
			f.mu.Unlock()
			return nil
		}
		progress := f.progress
		f.mu.Unlock()
		if err := waitFor(ctx, progress, -1); err != nil {
			return err
		}
		f.mu.Lock()
	}
}

// pendingLocked says that an operation up to upTo is not done that changes the
// file beyond off. f.mu is held.
func (f *File) pendingLocked(upTo uint64, off int64) bool {
	concerns := func(o *op) bool {
		return o.seq <= upTo && o.changes() &&
			(o.end() > off || o.kind == opSetstat && o.attrs.Valid&sftp.AttrSize != 0)
	}
	for o := range f.flight.ops {
		if concerns(o) {
			return true
		}
	}
	for _, o := range f.queue {
		if concerns(o) {
			return true
		}
	}
	return false
}

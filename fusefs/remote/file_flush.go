package remote

import (
	"context"

	"sshfs-bridge/fusefs/sftp"
)

// Flush waits until all that was queued is acknowledged, and gives the file's
// attributes, which were asked for in the same flight. It costs nothing where
// nothing was queued since the last one. The first failure since then is returned, once.
func (f *File) Flush(ctx context.Context) (Attrs, error) {
	f.mu.Lock()
	if f.closed || f.closing {
		f.mu.Unlock()
		return Attrs{}, ErrClosed
	}
	if f.cleanLocked() {
		defer f.mu.Unlock()
		return f.attrs, f.takeErrLocked()
	}
	o := f.fstatLocked()
	f.mu.Unlock()
	return f.await(ctx, o)
}

// Sync is Flush and the server's fsync, which it leaves out where the server has
// none (then what is acknowledged is all there is to know): all in one flight.
func (f *File) Sync(ctx context.Context) (Attrs, error) {
	f.mu.Lock()
	if f.closed || f.closing {
		f.mu.Unlock()
		return Attrs{}, ErrClosed
	}
	f.addLocked(&op{kind: opFsync})
	o := f.fstatLocked()
	f.mu.Unlock()
	return f.await(ctx, o)
}

// Close is Flush, and the end of the file: all in one flight. A file that has
// nothing queued is closed without waiting; what reads from it still may. Close ends the file whatever it
// returns; when ctx ends first, what is queued is still sent.
func (f *File) Close(ctx context.Context) (Attrs, error) {
	f.mu.Lock()
	if f.closed || f.closing {
		f.mu.Unlock()
		return Attrs{}, ErrClosed
	}
	f.closing = true
	clean := f.cleanLocked()
	if clean && f.holds == 0 {
		defer f.mu.Unlock()
		err := f.takeErrLocked()
		f.finishLocked()
		return f.attrs, err
	}
	var o *op
	if !clean {
		o = f.fstatLocked()
	}
	end := &op{kind: opClose, done: make(chan struct{})}
	f.addLocked(end)
	if clean { // it is closed when those who use it are done
		defer f.mu.Unlock()
		return f.attrs, f.takeErrLocked()
	}
	f.mu.Unlock()
	if _, err := f.await(ctx, end); err != nil {
		return Attrs{}, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if o.err != nil {
		return Attrs{}, o.err
	}
	f.noteAttrsLocked(o)
	return o.attrs, nil
}

// fstatLocked queues a look at the attributes. f.mu is held.
func (f *File) fstatLocked() *op {
	o := &op{kind: opFstat, done: make(chan struct{})}
	f.addLocked(o)
	return o
}

// await waits for the end of o and of all before it, and takes the failure that
// is to be told.
func (f *File) await(ctx context.Context, o *op) (Attrs, error) {
	if err := waitFor(ctx, o.done, -1); err != nil {
		return Attrs{}, err
	}
	f.mu.Lock()
	for f.olderLocked(o.seq) {
		progress := f.progress
		f.mu.Unlock()
		if err := waitFor(ctx, progress, -1); err != nil {
			return Attrs{}, err
		}
		f.mu.Lock()
	}
	defer f.mu.Unlock()
	if err := f.takeErrLocked(); err != nil {
		return Attrs{}, err
	}
	if o.err != nil { // what changed the file is told above
		return Attrs{}, o.err
	}
	if o.kind == opFstat {
		f.noteAttrsLocked(o)
	}
	return o.attrs, nil
}

// cleanLocked says that attrs are what the server showed after all changes. f.mu
// is held.
func (f *File) cleanLocked() bool {
	return f.changed <= f.shown && f.queue.Len() == 0 && f.flight.len() == 0
}

// noteAttrsLocked keeps the attributes that o asked for, behind all that was
// queued then. f.mu is held.
func (f *File) noteAttrsLocked(o *op) {
	if o.attrs.Valid&sftp.AttrSize == 0 || o.seq < f.shown {
		return // answers are taken in no order
	}
	f.attrs, f.shown = o.attrs, o.seq
	if f.changed < o.seq {
		f.r.objects.settledAt(f.object, o.attrs)
	}
}

// olderLocked says that an operation up to seq is not done. f.mu is held.
func (f *File) olderLocked(seq uint64) bool {
	if f.queue.Len() > 0 && f.queue[0].seq <= seq {
		return true
	}
	for o := range f.flight.ops {
		if o.seq <= seq {
			return true
		}
	}
	return false
}

// takeErrLocked gives the failure to tell, once. f.mu is held.
func (f *File) takeErrLocked() error {
	err := f.err
	f.err, f.told = nil, false
	if err == nil {
		err = f.broken
	}
	return err
}

// finishLocked is the end of the file: its handles are closed, unless that was
// done, and nobody waits for the answers. f.mu is held.
func (f *File) finishLocked() {
	if f.closed {
		return
	}
	f.closed = true
	for _, n := range f.liveLocked() {
		n.release()
	}
	f.lanes = nil
	f.r.objects.drop(f)
}

// drain is Flush at the end of the Remote, for a file that may be closing.
func (f *File) drain(ctx context.Context) error {
	f.mu.Lock()
	if f.closed {
		f.mu.Unlock()
		return nil
	}
	seq := f.seq
	for f.olderLocked(seq) {
		progress := f.progress
		f.mu.Unlock()
		if err := waitFor(ctx, progress, -1); err != nil {
			return err
		}
		f.mu.Lock()
	}
	defer f.mu.Unlock()
	if f.closing {
		return nil // whoever closes it is told
	}
	return f.takeErrLocked()
}

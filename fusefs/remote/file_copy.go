package remote

import (
	"context"
	"fmt"
	"io/fs"
	"sync"
)

// copyPiece is what one copy-data request copies: the server answers nothing else
// on that channel meanwhile.
const copyPiece = 16 << 20

// CopyTo queues, behind what dst has queued, a copy on the server of n bytes at
// srcOff to dstOff of dst, after the source's own writes are acknowledged (which
// CopyTo waits for). No file data crosses the link. ErrUnsupported where the
// server cannot. dst may be f where the ranges do not overlap. A failure is
// reported as that of a write of dst.
func (f *File) CopyTo(ctx context.Context, dst *File, srcOff, dstOff, n int64) error {
	if srcOff < 0 || dstOff < 0 || n < 0 || dst == f && srcOff < dstOff+n && dstOff < srcOff+n {
		return fmt.Errorf("copy: %w", fs.ErrInvalid)
	}
	if !f.r.CanCopy() {
		return ErrUnsupported
	}
	// All of them: what the source has queued must never wait for the copy.
	if err := f.r.objects.waitWritten(ctx, f, -1); err != nil {
		return err
	}
	for n > 0 {
		size := min(n, copyPiece)
		if err := f.hold(); err != nil {
			return err
		}
		if err := dst.queueCopy(f, srcOff, dstOff, size); err != nil {
			f.release()
			return err
		}
		srcOff, dstOff, n = srcOff+size, dstOff+size, n-size
	}
	return nil
}

func (f *File) queueCopy(src *File, srcOff, dstOff, n int64) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.usableLocked(true); err != nil {
		return err
	}
	// Finder copies in pieces of 1 MiB: what follows on the last one is one.
	if c := f.last; c != nil && c.kind == opCopy && !c.sent && c.src == src &&
		c.end() == dstOff && c.srcOff+c.n == srcOff && c.n+n <= copyPiece {
		c.n += n
		f.r.spawn(src.release) // a hold is one operation's
		return nil
	}
	o := &op{kind: opCopy, src: src, srcOff: srcOff, off: dstOff, n: n}
	f.addLocked(o)
	src.object.copies.add(o.seq, src, f)
	return nil
}

// copyDone ends the hold of a copy, and starts the changes of the source that waited for
// it: it is out of the set before they are looked at.
func (f *File) copyDone(seq uint64) {
	f.object.copies.remove(seq)
	f.release()
	for _, g := range f.r.objects.siblings(f) {
		g.mu.Lock()
		g.kickLocked()
		g.mu.Unlock()
	}
}

// copySet are the copies that read from an object. A change of it waits for those that
// are older than itself, as a copy does for what is older in its own file: whoever waits
// is younger, so that no two can wait for one another. A file keeps the copies within
// itself in order by what overlaps them, and none waits for the whole of them.
type copySet struct {
	mu   sync.Mutex
	seqs map[uint64]*File // with the file if it is one within itself; GUARDED_BY(mu)
}

func (s *copySet) add(seq uint64, src, dst *File) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.seqs == nil {
		s.seqs = make(map[uint64]*File)
	}
	if src != dst {
		dst = nil
	}
	s.seqs[seq] = dst
}

func (s *copySet) remove(seq uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.seqs, seq)
}

// before says that a change of f waits for one that is older than seq.
func (s *copySet) before(seq uint64, f *File) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c, within := range s.seqs {
		if c < seq && within != f {
			return true
		}
	}
	return false
}

// laneOn gives the file's handle on ch, and opens it there where it has none.
func (f *File) laneOn(ctx context.Context, ch *channel) (*lane, error) {
	f.mu.Lock()
	there := f.onLocked(ch)
	f.mu.Unlock()
	if there != nil {
		return there, nil
	}
	ch.handles.Add(1) // of those that are kept for this
	n, err := f.openLane(ctx, ch, false)
	if err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if there = f.onLocked(ch); there != nil { // somebody else was faster
		n.release()
		return there, nil
	}
	f.addLaneLocked(n)
	return n, nil
}

// onLocked gives the file's lane on ch, for use; nil where it has none. f.mu is held.
func (f *File) onLocked(ch *channel) *lane {
	for _, n := range f.liveLocked() {
		if n.ch == ch {
			n.touch()
			return n
		}
	}
	return nil
}

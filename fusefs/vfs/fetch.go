package vfs

import (
	"context"
	"errors"
	"io"
	"syscall"

	"sshfs-bridge/fusefs/sftp"
)

// openToRead has the remote file opened, for the reader himself and as long as he waits,
// where something must be fetched for a handle that was opened from memory.
func (f *FS) openToRead(ctx context.Context, h *handle, size int64) error {
	f.mu.Lock()
	open := h.rf != nil
	f.mu.Unlock()
	if open || f.spans.whole(h.n, size) {
		return nil
	}
	rf, err := f.readable(ctx, h)
	if err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.putFile(rf)
	return nil
}

// fetch gets a span's data in the background.
func (f *FS) fetch(h *handle, s *span) {
	rf, err := f.readable(f.life, h)
	if err != nil {
		s.err = err
		close(s.done)
		f.spans.remove(s)
		return
	}
	rf, behind := f.behindWrites(h.n, rf)
	ctx, cancel := context.WithCancel(f.life)
	f.spans.mu.Lock()
	s.cancel = cancel
	f.spans.mu.Unlock()
	f.spawn(func(context.Context) {
		defer cancel()
		got, err := 0, error(nil)
		if !behind {
			err = f.flushNode(ctx, h.n, false)
		}
		if err == nil {
			got, err = rf.file.ReadAt(ctx, s.buf, s.off)
		}
		f.mu.Lock()
		f.putFile(rf)
		f.mu.Unlock()
		f.finish(s, got, err)
	})
}

// behindWrites gives the file through which n is written in place of rf, whose reference
// it takes, while something is queued there: through another one a read may overtake
// that. Where the writer cannot read it says so, and who reads has to flush first.
func (f *FS) behindWrites(n *node, rf *readFile) (file *readFile, behind bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	w := n.file.writer
	switch {
	case !n.dirty() || w != nil && rf.w == w:
		return rf, true
	case w == nil || !w.read:
		return rf, false
	}
	f.putFile(rf)
	return readWith(n, w), true
}

// finish completes a span.
func (f *FS) finish(s *span, got int, err error) {
	if err != nil && !errors.Is(err, io.EOF) {
		s.err = err
	}
	s.buf = s.buf[:got]
	short := s.err != nil || int64(got) < s.end-s.off
	close(s.done)
	if short {
		// The file is shorter than it was: whoever waits gets this, and the next
		// reader asks again.
		f.spans.remove(s)
	}
}

// readable gives a file to read h's node from, with a reference for the caller. A
// handle that was opened without asking the server asks now.
func (f *FS) readable(ctx context.Context, h *handle) (*readFile, error) {
	f.mu.Lock()
	if h.rf != nil {
		h.rf.refs++
		defer f.mu.Unlock()
		return h.rf, nil
	}
	n := h.n
	ver := n.file.ver
	lost := f.lost(h)
	f.mu.Unlock()
	if lost {
		return nil, syscall.ESTALE
	}
	o, err := f.openByName(ctx, n, OpenFlags{Read: true})
	if err != nil {
		return nil, err
	}
	if ver.set && o.attrs.Valid&sftp.AttrSize != 0 && (ver.size != o.attrs.Size || ver.mtime != o.attrs.Mtime) && h.w == nil {
		f.closeFile(o.file)
		f.mu.Lock()
		n.attrAt = zeroTime
		n.file.foreign++
		f.dropData(n)
		f.mu.Unlock()
		return nil, syscall.ESTALE
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if h.rf != nil {
		f.closeFile(o.file)
	} else {
		h.rf, h.fromMemory = &readFile{file: o.file, path: o.path, refs: 1}, zeroTime
		if f.handles[h.fh] != h {
			// Released meanwhile: ours is the only reference.
			rf := h.rf
			h.rf = nil
			return rf, nil
		}
	}
	h.rf.refs++
	return h.rf, nil
}

// lost says that a handle that was opened from memory has no file, and that others
// changed the one of its name. FS.mu is held.
func (f *FS) lost(h *handle) bool {
	return h.rf == nil && h.w == nil && h.foreign != h.n.file.foreign
}

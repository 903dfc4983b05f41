package vfs

import (
	"context"
	"errors"
	"io"
	"syscall"

	"sshfs-bridge/fusefs/sftp"
)

const (
	// pieceSize is what one fetch asks for at most: four READs of OpenSSH, which
	// gives 255 KiB at a time.
	pieceSize = 4 * 255 << 10
	// firstRead is what the first read of a file fetches at least.
	firstRead = 128 << 10
	// largeRead is what nobody asks for at once, at the beginning of a file, who
	// does not want the rest, too.
	largeRead = 512 << 10
	// smallFile is the size up to which the first read fetches everything.
	smallFile = 512 << 10
)

// Read reads. It fills buf, or gives the data as slices that must not be
// changed; in sequence it waits for nothing once the window is open, at random
// for one round trip. It is short only at the end of the file.
func (f *FS) Read(ctx context.Context, fh uint64, buf []byte, off int64) (int, [][]byte, error) {
	h, loc, err := f.handleLocal(fh)
	if err != nil {
		return 0, nil, err
	}
	for ; loc != nil; loc = f.localOf(h.n) {
		got, err := f.readLocal(h, loc, buf, off)
		if !errors.Is(err, errMoved) {
			return got, nil, err
		}
	}
	if h.fixed != nil {
		return readFixed(h.fixed, buf, off), nil, nil
	}
	if !h.canRead() || h.n.file == nil {
		return 0, nil, syscall.EBADF
	}
	n := h.n
	for try := 0; ; try++ {
		f.mu.Lock()
		size := int64(n.attr.Size)
		dirty := n.dirty()
		doubt := n.file.doubt && !dirty && try == 0
		lost := f.lost(h)
		f.mu.Unlock()
		switch {
		case lost:
			return 0, nil, syscall.ESTALE
		case doubt:
			if err := f.refresh(ctx, n); err != nil {
				return 0, nil, err
			}
			continue
		}
		end := min(off+int64(len(buf)), size)
		if off < 0 || off >= end {
			return 0, nil, nil
		}
		h.mu.Lock()
		before := h.pat
		sequential := h.pat.note(off, end)
		if try > 0 {
			h.pat, sequential = before, false
		}
		pat := h.pat
		f.countStream(h, pat.window > 0)
		h.mu.Unlock()
		if dirty && f.spans.covered(n, off) < end {
			if err := f.flushNode(ctx, n, false); err != nil {
				return 0, nil, err
			}
		}
		if !sequential && f.spans.covered(n, off) < end {
			return f.readDirect(ctx, h, buf[:end-off], off)
		}
		got, vec, err := f.readSpans(ctx, h, pat, off, end, size)
		if errors.Is(err, context.Canceled) && ctx.Err() == nil && try < 3 {
			// Another handle's reader gave up what we waited for.
			continue
		}
		return got, vec, err
	}
}

// readDirect reads past the cache: a random reader gets what it asks for.
func (f *FS) readDirect(ctx context.Context, h *handle, buf []byte, off int64) (int, [][]byte, error) {
	f.count.misses.Add(1)
	rf, err := f.readable(ctx, h)
	if err != nil {
		return 0, nil, err
	}
	got, err := rf.file.ReadAt(ctx, buf, off)
	f.mu.Lock()
	f.putFile(rf)
	f.mu.Unlock()
	if errors.Is(err, io.EOF) {
		err = nil
	}
	if got > 0 {
		err = nil
	}
	return got, nil, err
}

// readSpans reads through the cache and reads ahead.
func (f *FS) readSpans(ctx context.Context, h *handle, pat pattern, off, end, size int64) (int, [][]byte, error) {
	n := h.n
	want := end
	switch {
	case pat.window == 0 && size <= smallFile:
		want = size
	case pat.window == 0 && off == 0 && end >= largeRead:
		want = min(size, f.wholeRequests(end))
	case pat.window == 0 && off == 0:
		want = min(size, max(end, firstRead))
	}
	if err := f.openToRead(ctx, h, size); err != nil {
		return 0, nil, err
	}
	begin := func(s *span) { f.fetch(h, s) }
	spans, waits := f.spans.cover(n, off, want, pieceSize, false, begin)
	if waits {
		f.count.misses.Add(1)
		if begins := pat.streak <= end-off && off == 0; !begins || end-off >= largeRead {
			limit := f.readWindow()
			if begins {
				limit /= 3 // what was asked for must not wait behind what was not
			}
			h.mu.Lock()
			f.countStream(h, true)
			h.pat.widen(limit)
			pat.window = h.pat.window
			h.mu.Unlock()
		}
	} else {
		f.count.hits.Add(1)
	}
	if pat.window > 0 {
		f.readAhead(n, max(end, want), size, min(pat.window, f.readWindow()), begin)
	}
	var vec [][]byte
	got := 0
	for _, s := range spans {
		if s.off >= end {
			break
		}
		select {
		case <-s.done:
		case <-ctx.Done():
			return 0, nil, ctx.Err()
		}
		if s.err != nil {
			if got > 0 {
				break
			}
			return 0, nil, s.err
		}
		lo := max(off, s.off) - s.off
		hi := min(end-s.off, int64(len(s.buf)))
		if lo >= hi {
			break
		}
		vec = append(vec, s.buf[lo:hi])
		got += int(hi - lo)
		if hi < s.end-s.off && s.off+hi < end {
			break // the file ended earlier than it said
		}
	}
	return got, vec, nil
}

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

func readFixed(data, buf []byte, off int64) int {
	if off < 0 || off >= int64(len(data)) {
		return 0
	}
	return copy(buf, data[off:])
}

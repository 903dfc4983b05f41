package vfs

import (
	"context"
	"errors"
	"io"
	"syscall"
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
	spans, waits := f.spans.cover(n, off, end, want, pieceSize, begin)
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

func readFixed(data, buf []byte, off int64) int {
	if off < 0 || off >= int64(len(data)) {
		return 0
	}
	return copy(buf, data[off:])
}

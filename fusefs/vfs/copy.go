package vfs

import (
	"context"
	"errors"
	"syscall"
)

// CopyRange copies within the server, without the data passing here. It queues
// like a write. EOPNOTSUPP tells the caller to copy by itself.
func (f *FS) CopyRange(ctx context.Context, fhIn uint64, offIn int64, fhOut uint64, offOut, size int64) (int64, error) {
	in, err := f.handle(fhIn)
	if err != nil {
		return 0, err
	}
	out, err := f.handle(fhOut)
	if err != nil {
		return 0, err
	}
	if f.localOf(in.n) != nil || f.localOf(out.n) != nil {
		return 0, syscall.EOPNOTSUPP
	}
	if out.w == nil || !out.canWrite() || !in.canRead() || in.fixed != nil {
		return 0, syscall.EBADF
	}
	f.mu.Lock()
	size = min(size, int64(in.n.attr.Size)-offIn, maxCopy)
	overlap := in.n == out.n && offIn < offOut+size && offOut < offIn+size
	f.mu.Unlock()
	switch {
	case size <= 0:
		return 0, nil
	case overlap:
		return 0, syscall.EINVAL
	}
	f.mu.Lock()
	dirty := in.n.dirty() && (in.rf == nil || in.rf.w != in.n.file.writer)
	f.mu.Unlock()
	if dirty {
		if err := f.flushNode(ctx, in.n, false); err != nil {
			return 0, err
		}
	}
	rf, err := f.readable(ctx, in)
	if err != nil {
		return 0, err
	}
	n, w := out.n, out.w
	if err := w.take(ctx); err != nil {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.putFile(rf)
		return 0, err
	}
	defer w.give()
	f.mu.Lock()
	if rf.path == w.path {
		// OpenSSH refuses to copy within a file, which it knows by the name under
		// which it was opened; and what is queued cannot be done otherwise later.
		f.putFile(rf)
		f.mu.Unlock()
		return 0, syscall.EOPNOTSUPP
	}
	clean, changes := !n.dirty(), n.file.changes
	f.begin(n)
	out.wrote, out.closed = true, false
	f.spans.dropRange(n, offOut, size)
	f.mu.Unlock()
	err = rf.file.CopyTo(ctx, w.file, offIn, offOut, size)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.putFile(rf)
	if err == nil {
		n.attr.Size = max(n.attr.Size, uint64(offOut+size))
		n.attr.Mtime = f.serverNow()
	}
	f.end(n)
	f.spans.dropRange(n, offOut, size)
	if errors.Is(err, errors.ErrUnsupported) {
		if clean && n.file.changes == changes+2 {
			n.file.saved = n.file.changes // nothing was queued, by us or others
		}
		return 0, syscall.EOPNOTSUPP
	}
	if err != nil {
		return 0, err
	}
	return size, nil
}

// maxCopy bounds one copy: FUSE tells its result in 32 bits.
const maxCopy = 1 << 30

package vfs

import (
	"context"
	"errors"
	"math"
	"syscall"
	"time"

	"sshfs-bridge/fusefs/sftp"
)

// SetAttr is what a change of attributes asks for; nil fields stay.
type SetAttr struct {
	Mode         *uint32
	UID, GID     *uint32
	Size         *uint64
	Atime, Mtime *time.Time
	// FH is the handle that a truncation came through; 0 for none.
	FH uint64
}

// SetAttrs changes attributes: queued behind the writes, without waiting, where
// the file is open for writing and its close will tell what comes of it, and in
// one round trip otherwise. Nothing is sent where nothing would change.
func (f *FS) SetAttrs(ctx context.Context, ino uint64, s SetAttr) (Attr, time.Duration, error) {
	if f.opts.ReadOnly {
		return Attr{}, 0, syscall.EROFS
	}
	f.mu.Lock()
	n, err := f.get(ino)
	if err != nil {
		f.mu.Unlock()
		return Attr{}, 0, err
	}
	stale := !n.gone && !f.attrFresh(n)
	f.mu.Unlock()
	if stale && (s.UID != nil) != (s.GID != nil) || stale && (s.Atime != nil) != (s.Mtime != nil) {
		// The protocol sets both of a pair: the other one must be known.
		if err := f.refresh(ctx, n); err != nil {
			return Attr{}, 0, err
		}
	}
	f.mu.Lock()
	a, err := f.wanted(n, s)
	f.mu.Unlock()
	if err != nil {
		return Attr{}, 0, err
	}
	if a.Valid != 0 {
		if err := f.setstat(ctx, n, s.FH, a); err != nil {
			return Attr{}, 0, err
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.attrOf(n), f.attrLeft(n), nil
}

// wanted is what must be sent to the server. FS.mu is held.
func (f *FS) wanted(n *node, s SetAttr) (Attrs, error) {
	var a Attrs
	// What others may have changed meanwhile is set again.
	sure := !n.guess && (n.dirty() || n.loc != nil || f.attrLeft(n) > 0 && time.Since(n.attrAt) < openTTL)
	if s.Size != nil {
		if n.file == nil {
			return a, syscall.EINVAL
		}
		if *s.Size > math.MaxInt64 {
			return a, syscall.EFBIG
		}
		a.Valid |= sftp.AttrSize
		a.Size = *s.Size
	}
	if s.Mode != nil && n.attr.Mode&modeType != modeLink {
		mode := *s.Mode & modePerm
		if !sure || mode != n.attr.Mode&modePerm {
			a.Valid |= sftp.AttrMode
			a.Mode = mode
		}
	}
	if s.UID != nil || s.GID != nil {
		uid, gid := n.attr.UID, n.attr.GID
		switch {
		case f.opts.UID == nil:
			if s.UID != nil {
				uid = *s.UID
			}
		case s.UID != nil && *s.UID != *f.opts.UID:
			return a, syscall.EPERM
		}
		switch {
		case f.opts.GID == nil:
			if s.GID != nil {
				gid = *s.GID
			}
		case s.GID != nil && *s.GID != *f.opts.GID:
			return a, syscall.EPERM
		}
		asked := f.opts.UID == nil && s.UID != nil || f.opts.GID == nil && s.GID != nil
		if asked && !sure || uid != n.attr.UID || gid != n.attr.GID {
			a.Valid |= sftp.AttrUIDGID
			a.UID, a.GID = uid, gid
		}
	}
	if s.Atime != nil || s.Mtime != nil {
		a.Valid |= sftp.AttrTimes
		a.Atime, a.Mtime = n.attr.Atime, n.attr.Mtime
		if s.Atime != nil {
			a.Atime = clampTime(*s.Atime)
		}
		if s.Mtime != nil {
			a.Mtime = clampTime(*s.Mtime)
		}
	}
	return a, nil
}

// clampTime gives a time as the protocol has it: unsigned seconds.
func clampTime(t time.Time) uint32 {
	return uint32(min(max(t.Unix(), 0), math.MaxUint32))
}

// setstat sends a change to the server.
func (f *FS) setstat(ctx context.Context, n *node, fh uint64, a Attrs) error {
	for loc := f.localOf(n); loc != nil; loc = f.localOf(n) {
		if err := f.setstatLocal(ctx, n, loc, a); !errors.Is(err, errMoved) {
			return err
		}
	}
	if n.file != nil {
		// Behind what a writer has left behind. What came of that is not ours to tell.
		if f.awaitClosing(ctx, n); ctx.Err() != nil {
			return ctx.Err()
		}
	}
	f.mu.Lock()
	path, err := f.path(n)
	// Some servers set the times of an open file by the name under which it was
	// opened: after a rename they go by path, behind the writes.
	moved := n.file != nil && n.file.writer != nil && a.Valid&sftp.AttrTimes != 0 && err == nil && path != n.file.writer.path
	if moved {
		f.mu.Unlock()
		if err := f.flushNode(ctx, n, false); err != nil {
			return err
		}
		f.mu.Lock()
	}
	if n.file != nil && n.file.writer != nil && !moved {
		w := n.file.writer
		w.refs++
		if h := f.handles[fh]; h != nil {
			h.wrote = true
		}
		wait := fh == 0 && a.Valid&sftp.AttrSize != 0 || !f.willFlush(w)
		f.mu.Unlock()
		err := f.queueSetstat(ctx, n, w, a)
		if err == nil && wait {
			err = f.flushNode(ctx, n, false)
		}
		f.mu.Lock()
		f.putWriter(n, w)
		f.mu.Unlock()
		return err
	}
	link := n.attr.Mode&modeType == modeLink
	var rf *readFile
	var done func()
	if n.gone {
		// Only its handle still leads to it.
		for _, h := range f.handles {
			if h.n == n && h.rf != nil {
				rf, err = h.rf, nil
				rf.refs++
				break
			}
		}
	}
	f.mu.Unlock()
	if err != nil {
		return err
	}
	switch {
	case rf != nil:
		err = rf.file.Setstat(ctx, a)
		if err == nil {
			_, err = rf.file.Flush(ctx)
		}
		f.mu.Lock()
		f.putFile(rf)
		f.mu.Unlock()
	default:
		path, done, err = f.useName(ctx, n)
		if err != nil {
			return err
		}
		set := f.r.Setstat
		if link {
			set = f.r.Lsetstat
		}
		err = set(ctx, path, a)
		done()
		if link && f.linksAreFiles() && errors.Is(err, errors.ErrUnsupported) {
			// A link that is shown as a file keeps its times to itself where the
			// server cannot set them: a copy must not fail for it.
			err = nil
		}
	}
	if err != nil {
		if a.Valid&sftp.AttrSize != 0 {
			err = f.whyWrite(ctx, err)
		}
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.set(n, a)
	if n.file != nil {
		n.file.ver = version{}
		if a.Valid&sftp.AttrSize == 0 && f.attrFresh(n) {
			n.file.ver = f.stamp(n.attr)
		}
	}
	return nil
}

// willFlush says that somebody has w open who will close it yet, and be told then
// what came of all that was queued. FS.mu is held.
func (f *FS) willFlush(w *writer) bool {
	for _, h := range f.handles {
		if h.w == w && h.canWrite() && !h.closed {
			return true
		}
	}
	return false
}

// truncateOpen queues a new size on the node's writer.
func (f *FS) truncateOpen(ctx context.Context, n *node, w *writer, size uint64) error {
	return f.queueSetstat(ctx, n, w, Attrs{Valid: sftp.AttrSize, Size: size})
}

// queueSetstat queues a change of attributes behind the writes.
func (f *FS) queueSetstat(ctx context.Context, n *node, w *writer, a Attrs) error {
	if err := w.take(ctx); err != nil {
		return err
	}
	defer w.give()
	f.mu.Lock()
	f.begin(n)
	if a.Valid&sftp.AttrTimes != 0 {
		w.timed = true
	}
	f.mu.Unlock()
	err := w.file.Setstat(ctx, a)
	f.mu.Lock()
	defer f.mu.Unlock()
	if err == nil {
		f.set(n, a)
	}
	f.end(n)
	return err
}

// set takes over a change of our own. FS.mu is held.
func (f *FS) set(n *node, a Attrs) {
	if a.Valid&sftp.AttrSize != 0 && n.file != nil {
		lo := int64(min(a.Size, n.attr.Size))
		f.spans.dropRange(n, lo, math.MaxInt64-lo)
		n.attr.Size = a.Size
		n.attr.Mtime = f.serverNow()
	}
	if a.Valid&sftp.AttrMode != 0 {
		n.attr.Mode = n.attr.Mode&modeType | a.Mode&modePerm
	}
	if a.Valid&sftp.AttrUIDGID != 0 {
		n.attr.UID, n.attr.GID = a.UID, a.GID
	}
	if a.Valid&sftp.AttrTimes != 0 {
		n.attr.Atime, n.attr.Mtime = a.Atime, a.Mtime
	}
	f.changed(n)
}

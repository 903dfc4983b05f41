package vfs

import (
	"context"
	"math"
	"syscall"
	"time"

	"sshfs-bridge/fusefs/sftp"
)

// WriteHow says what a write is besides its data and offset.
type WriteHow uint

// Bits of WriteHow.
const (
	// WriteKill has the set-id bits go.
	WriteKill WriteHow = 1 << iota
	// WriteAppend puts the data at the end of the file, as the server told of
	// it, also where the kernel believes that to be earlier. Pages of a mapping
	// are never written so, whatever handle they come through.
	WriteAppend
)

// Write queues data and waits only for room in the window.
func (f *FS) Write(ctx context.Context, fh uint64, data []byte, off int64, how WriteHow) error {
	h, loc, err := f.handleLocal(fh)
	if err != nil {
		return err
	}
	if loc != nil && h.canWrite() && off >= 0 {
		if done, err := f.writeLocal(ctx, h, data, off, how); done || err != nil {
			return err
		}
	}
	if h.w == nil || !h.canWrite() {
		return syscall.EBADF
	}
	if off < 0 || int64(len(data)) > math.MaxInt64-off {
		return syscall.EFBIG
	}
	n, w := h.n, h.w
	if err := w.take(ctx); err != nil {
		return err
	}
	defer w.give()
	f.mu.Lock()
	if w.err != nil && h.seen < w.errSeq {
		h.seen = w.errSeq
		err := w.err
		f.mu.Unlock()
		return err
	}
	moved := false
	if how&WriteAppend != 0 && int64(n.attr.Size) > off {
		off, moved = int64(n.attr.Size), true
	}
	if h.head != nil && off < xsymSize {
		h.head = keepHead(h.head, data, off)
	}
	end := uint64(off) + uint64(len(data))
	f.begin(n)
	h.wrote, h.closed = true, false
	n.attr.Size = max(n.attr.Size, end)
	n.attr.Mtime = f.serverNow()
	f.spans.dropRange(n, off, int64(len(data)))
	strip := how&WriteKill != 0 && n.attr.Mode&(syscall.S_ISUID|syscall.S_ISGID) != 0
	if strip {
		n.attr.Mode &^= syscall.S_ISUID | syscall.S_ISGID
	}
	mode := n.attr.Mode & modePerm
	f.mu.Unlock()

	err = w.file.WriteAt(ctx, data, off)
	if err == nil && strip {
		err = w.file.Setstat(ctx, Attrs{Valid: sftp.AttrMode, Mode: mode})
	}

	if err != nil && ctx.Err() == nil {
		err = f.whyWrite(ctx, err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.end(n)
	w.wroteAt = time.Now()
	f.spans.dropRange(n, off, int64(len(data)))
	if moved {
		f.invals.data(n.ino)
	}
	if err != nil && ctx.Err() == nil {
		f.failed(n, w, h, err)
	}
	return err
}

// begin and end bracket everything that is queued on a node's writer: a flush
// that happens in between does not make the node clean. FS.mu is held.
func (f *FS) begin(n *node) {
	n.file.writing++
	n.file.changes++
	f.changed(n)
}

func (f *FS) end(n *node) {
	n.file.writing--
	n.file.changes++
	f.changed(n)
}

// failed notes a failure of the writer. h, which reports it now, will not do so
// again; every other handle will, once. FS.mu is held.
func (f *FS) failed(n *node, w *writer, h *handle, err error) {
	w.err = err
	w.errSeq++
	if h != nil {
		h.seen = w.errSeq
	}
	// What the file is now, only the server knows.
	n.attrAt = zeroTime
	n.file.saved = n.file.changes
	f.dropData(n)
	if n.nlookup > 0 {
		f.invals.attr(n.ino)
	}
}

// Flush waits until all that was written to the file is acknowledged, in one
// round trip and none where nothing was; it is what close(2) waits for.
func (f *FS) Flush(ctx context.Context, fh uint64) error {
	h, loc, err := f.handleLocal(fh)
	if err != nil {
		return err
	}
	if loc != nil {
		if done, err := f.flushLocal(ctx, h, false); done || err != nil {
			return err
		}
	}
	if h.w == nil || !h.canWrite() {
		return nil
	}
	err = f.flushHandle(ctx, h, false)
	f.mu.Lock()
	h.closed = true
	f.mu.Unlock()
	if err != nil {
		return err
	}
	return f.becomeLink(ctx, h)
}

// Fsync is Flush, and the server's own fsync.
func (f *FS) Fsync(ctx context.Context, fh uint64) error {
	h, loc, err := f.handleLocal(fh)
	if err != nil {
		return err
	}
	if loc != nil {
		if done, err := f.flushLocal(ctx, h, true); done || err != nil {
			return err
		}
	}
	switch {
	case h.n.file == nil:
		return nil
	case h.w == nil || !h.canWrite():
		// What others wrote through their handles, it syncs too.
		return f.flushNode(ctx, h.n, true)
	}
	return f.flushHandle(ctx, h, true)
}

func (f *FS) flushHandle(ctx context.Context, h *handle, sync bool) error {
	f.mu.Lock()
	w := h.w
	dirty := h.n.dirty()
	f.mu.Unlock()
	var err error
	if dirty || sync {
		err = f.flushNode(ctx, h.n, sync)
		if err != nil && ctx.Err() != nil {
			return err
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if w.err != nil && h.seen < w.errSeq {
		h.seen = w.errSeq
		if err == nil && h.wrote {
			err = w.err
		}
	}
	return err
}

// flushNode flushes a node's writer, also one that has gone and is being closed.
func (f *FS) flushNode(ctx context.Context, n *node, sync bool) error {
	if err := f.awaitClosing(ctx, n); err != nil {
		return err
	}
	f.mu.Lock()
	w := n.file.writer
	if w == nil {
		f.mu.Unlock()
		return nil
	}
	w.refs++
	changes, dirty := n.file.changes, n.dirty()
	f.mu.Unlock()
	flush := w.file.Flush
	if sync {
		flush = w.file.Sync
	}
	a, err := flush(ctx)
	if err == nil {
		err = checkAttrs(&a)
	}
	if err != nil && ctx.Err() == nil {
		err = f.whyWrite(ctx, err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case err == nil && dirty: // a clean one tells nothing new
		f.saved(n, w, a, changes)
	case err != nil && ctx.Err() == nil:
		f.failed(n, w, nil, err)
	}
	f.putWriter(n, w)
	return err
}

// saved takes over what a flush told, which covered everything up to changes.
func (f *FS) saved(n *node, w *writer, a Attrs, changes uint64) {
	n.file.saved = max(n.file.saved, changes)
	if n.dirty() {
		return
	}
	if !w.timed && time.Since(w.wroteAt) < clockAge && a.Valid&sftp.AttrTimes != 0 {
		f.learnClock(a.Mtime)
	}
	old := n.attr
	a.Mode = a.Mode&modePerm | n.attr.Mode&modeType
	n.attr, n.attrAt, n.guess = a, time.Now(), false
	f.changed(n)
	n.file.ver = f.stamp(a)
	if n.nlookup > 0 && (old.Size != a.Size || old.Mtime != a.Mtime || old.Mode != a.Mode) {
		f.invals.attr(n.ino)
	}
}

// clockAge is how long after the last write the time that the server gave the file
// tells its clock: with the part of a second that it leaves out, less than two.
const clockAge = time.Second

package vfs

import (
	"context"
	"syscall"
	"time"

	"sshfs-bridge/fusefs/sftp"
)

var zeroTime time.Time

// Opened is the answer to an open.
type Opened struct {
	FH uint64
	// KeepCache says that the pages which the kernel has are still valid.
	KeepCache bool
	// Changed says that the file is another than the kernel knows: it must be
	// told to forget the attributes before the open returns.
	Changed bool
}

// Open opens a file. It waits for one round trip, which opens it and tells its
// attributes; for none where all data are here and the attributes are younger than
// two seconds, or where the file is open for writing already.
func (f *FS) Open(ctx context.Context, ino uint64, flags uint32) (Opened, error) {
	done, err := f.reserveHandle()
	if err != nil {
		return Opened{}, err
	}
	defer done()
	f.mu.Lock()
	n, err := f.get(ino)
	if err != nil {
		f.mu.Unlock()
		return Opened{}, err
	}
	h := &handle{n: n, flags: flags}
	switch {
	case f.opts.ReadOnly && (h.canWrite() || flags&syscall.O_TRUNC != 0):
		f.mu.Unlock()
		return Opened{}, syscall.EROFS
	case n.dir != nil:
		f.mu.Unlock()
		return Opened{}, syscall.EISDIR
	case n.attr.Mode&modeType == modeLink:
		f.mu.Unlock()
		return f.openLink(ctx, n, flags)
	case n.file == nil || n.attr.Mode&modeType != modeRegular:
		// A fifo or a device of the server is of no use here.
		f.mu.Unlock()
		return Opened{}, syscall.ENXIO
	}
	if loc := n.loc; loc != nil {
		f.mu.Unlock()
		return f.openLocal(ctx, n, loc, flags)
	}
	f.mu.Unlock()
	if f.awaitClosing(ctx, n); ctx.Err() != nil {
		return Opened{}, ctx.Err()
	}
	if h.canWrite() {
		return f.openWrite(ctx, n, flags)
	}
	if flags&syscall.O_TRUNC != 0 {
		zero := uint64(0)
		if _, _, err := f.SetAttrs(ctx, ino, SetAttr{Size: &zero}); err != nil {
			return Opened{}, err
		}
	}
	return f.openRead(ctx, n, flags)
}

func (f *FS) openRead(ctx context.Context, n *node, flags uint32) (Opened, error) {
	f.mu.Lock()
	if w := n.file.writer; w != nil && w.read {
		// Our own writer knows the file best.
		defer f.mu.Unlock()
		o, err := f.joinWriter(ctx, n, w, openTTL)
		if err != nil {
			return Opened{}, err
		}
		h := f.newHandle(n, flags)
		n.file.readers++
		h.rf = readWith(n, w)
		h.w = w // kept for its reference; canWrite guards writes
		o.FH = h.fh
		return o, nil
	}
	if f.attrLeft(n) > 0 && time.Since(n.attrAt) < openTTL && !n.guess && n.file.ver.same(versionOf(n.attr)) && f.spans.whole(n, int64(n.attr.Size)) {
		defer f.mu.Unlock()
		h := f.newHandle(n, flags)
		h.fromMemory = time.Now()
		n.file.readers++
		f.noteOpen(n)
		return Opened{FH: h.fh, KeepCache: true}, nil
	}
	f.mu.Unlock()
	r, err := f.openNamed(ctx, n, OpenFlags{Read: true})
	f.mu.Lock()
	defer f.mu.Unlock()
	if err != nil {
		f.openFailed(n, r.since, err)
		return Opened{}, err
	}
	h := f.newHandle(n, flags)
	h.rf = &readFile{file: r.file, path: r.path, refs: 1}
	n.file.readers++
	o := Opened{FH: h.fh}
	o.KeepCache, o.Changed = f.opened(n, r.attrs, r.since, r.at)
	f.noteOpen(n)
	return o, nil
}

// openNamed is openByName for one more handle of n: it is ESTALE where others gave the
// name to another file than the one that is open here, and the kernel looks it up again.
func (f *FS) openNamed(ctx context.Context, n *node, flags OpenFlags) (openedFile, error) {
	r, err := f.openByName(ctx, n, flags)
	if err != nil {
		return r, err
	}
	other, a, err := f.replaced(ctx, n, r.attrs)
	if other {
		err = syscall.ESTALE
	}
	if err != nil {
		f.closeFile(r.file)
	}
	r.attrs = a
	return r, err
}

// opened takes over the attributes that came with an open, and says what becomes
// of cached data.
func (f *FS) opened(n *node, a Attrs, since uint64, at time.Time) (keep, changed bool) {
	if a.Valid&sftp.AttrMode != 0 && a.Mode&modeType != modeRegular {
		// The name leads to something else now; the next lookup will tell.
		n.attrAt = zeroTime
	}
	a.Mode = a.Mode&modePerm | n.attr.Mode&modeType
	v := versionOf(a)
	keep = n.file.ver.same(v)
	before := n.attr
	wasFresh := !n.attrAt.IsZero()
	if !f.knowsBetter(n, since) {
		f.take(n, a, at)
	}
	changed = wasFresh && (before.Size != n.attr.Size || before.Mtime != n.attr.Mtime)
	if n.dirty() {
		return true, false
	}
	if !keep {
		f.spans.dropAll(n)
		n.file.ver = f.stamp(n.attr)
	}
	return keep, changed
}

// openFailed takes note of what a refused open tells.
func (f *FS) openFailed(n *node, since uint64, err error) {
	if notExist(err) && n.tick <= since && n.parent != nil && !n.gone && !n.behindLink() {
		f.lose(n)
	}
}

func (f *FS) openWrite(ctx context.Context, n *node, flags uint32) (Opened, error) {
	read := flags&syscall.O_ACCMODE == syscall.O_RDWR
	trunc := flags&syscall.O_TRUNC != 0
	f.mu.Lock()
	if w := n.file.writer; w != nil && (w.read || !read) {
		age := openTTL
		if flags&syscall.O_APPEND != 0 {
			age = 0 // what it appends goes behind what others have appended
		}
		o, err := f.joinWriter(ctx, n, w, age)
		if err != nil {
			f.mu.Unlock()
			return Opened{}, err
		}
		h := f.newHandle(n, flags)
		f.giveWriter(h, w)
		f.mu.Unlock()
		o.FH = h.fh
		if trunc {
			if err := f.truncateOpen(ctx, n, w, 0); err != nil {
				f.Release(h.fh)
				return Opened{}, err
			}
			f.mu.Lock()
			h.wrote = true
			f.mu.Unlock()
			o.KeepCache = false
		}
		return o, nil
	}
	// Behind what is queued on a writer that cannot be joined, not past it.
	queued := trunc && n.file.writer != nil
	f.mu.Unlock()
	r, err := f.openNamed(ctx, n, OpenFlags{Read: read, Write: true, Truncate: trunc && !queued})
	f.mu.Lock()
	defer f.mu.Unlock()
	if err != nil {
		f.openFailed(n, r.since, err)
		return Opened{}, err
	}
	h := f.newHandle(n, flags)
	o := Opened{FH: h.fh}
	if trunc && !queued {
		f.changed(n)
		n.attr.Size, n.attr.Mtime = 0, f.serverNow()
		f.dropData(n)
		r.since = f.tick
	}
	o.KeepCache, o.Changed = f.opened(n, r.attrs, r.since, r.at)
	w := n.file.writer
	if w != nil && (w.read || !read) {
		// Another open was faster: one writer is enough.
		w.refs++
		f.closeFile(r.file)
	} else if w != nil {
		// The writer there is cannot be read from: reads get a file of their own.
		w.refs++
		h.rf = &readFile{file: r.file, path: r.path, refs: 1}
	} else {
		w = newWriter(r.file, r.path, read)
		n.file.writer = w
	}
	f.giveWriter(h, w)
	if queued {
		f.mu.Unlock()
		err := f.truncateOpen(ctx, n, w, 0)
		if err != nil {
			f.Release(h.fh)
		}
		f.mu.Lock()
		h.wrote, o.KeepCache = true, false
		if err != nil {
			return Opened{}, err
		}
	}
	return o, nil
}

// joinWriter takes a reference to a node's writer for one more handle. Unless
// something is queued on it, the server is asked what the name looks like now when
// that was asked for the last time longer than age ago: one round trip. FS.mu is held,
// and not while that takes.
func (f *FS) joinWriter(ctx context.Context, n *node, w *writer, age time.Duration) (Opened, error) {
	w.refs++
	if n.dirty() || n.gone || !f.strict() && !n.guess && time.Since(n.attrAt) < age {
		return Opened{KeepCache: true}, nil
	}
	since, at := f.tick, time.Now()
	n.handles++
	f.mu.Unlock()
	other := false
	a, err := f.lookAt(ctx, n)
	if err == nil {
		other, a, err = f.replaced(ctx, n, a)
	}
	f.mu.Lock()
	n.handles--
	if other || notExist(err) {
		err = syscall.ESTALE // the kernel looks up what has the name now
	}
	if err != nil {
		f.putWriter(n, w)
		return Opened{}, err
	}
	var o Opened
	o.KeepCache, o.Changed = f.opened(n, a, since, at)
	return o, nil
}

// giveWriter makes a handle write through w, whose reference it takes over. FS.mu
// is held.
func (f *FS) giveWriter(h *handle, w *writer) {
	h.w = w
	h.seen = w.errSeq
	if f.opts.Symlinks == SymlinksXSym && h.n.attr.Size == 0 {
		h.head = []byte{}
	}
	if h.canRead() {
		h.n.file.readers++
		if w.read {
			h.rf = readWith(h.n, w)
		}
	}
}

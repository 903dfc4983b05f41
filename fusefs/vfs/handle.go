package vfs

import (
	"context"
	"sync"
	"syscall"
	"time"
)

// handle is one open file or directory.
type handle struct {
	fh    uint64
	n     *node
	flags uint32

	// What follows is guarded by FS.mu.

	// rf serves reads; nil while nothing had to be read from the server.
	rf *readFile
	// w is the node's writer, for a handle that may write.
	w *writer
	// seen is the last of the writer's errors that this handle reported, and
	// wrote says that it queued something.
	seen  uint64
	wrote bool
	// closed says that a descriptor of it was closed, and nothing written since:
	// most likely the kernel is about to release it.
	closed bool
	// fromMemory is when it was opened without asking the server; zero when it was
	// not, or has a file of its own by now. foreign is the file's then.
	fromMemory time.Time
	foreign    int
	// fixed is the content of a handle without a remote file (a link shown as a
	// file).
	fixed []byte
	// head collects the first bytes written, where they may make a link.
	head []byte

	mu     sync.Mutex // guards pat and stream
	pat    pattern
	stream bool // counted in FS.streams

	dir *dirHandle
}

// readFile is an open remote file that is read from by a handle and by what
// was fetched ahead for it; the last one closes it.
type readFile struct {
	file File
	path string // where it was opened
	refs int    // guarded by FS.mu
	// w is set when the file is a writer's, to which it holds a reference; n is the
	// node then.
	w *writer
	n *node
}

// readWith makes a read file of a node's writer. FS.mu is held.
func readWith(n *node, w *writer) *readFile {
	w.refs++
	return &readFile{file: w.file, path: w.path, refs: 1, w: w, n: n}
}

// writer is the one remote file through which a node is written.
type writer struct {
	file File
	refs int
	read bool // it can be read from, too
	// err is the last failure, errSeq counts them.
	err    error
	errSeq uint64
	// path is where the file was when it was opened.
	path string
	// timed says that times were set through it, so that a later mtime tells
	// nothing of the server's clock.
	timed bool
	// wroteAt is when data were last queued.
	wroteAt time.Time
	// turn is full while somebody queues: what is shown of the file changes in the order
	// in which the server will change it.
	turn chan struct{}
}

func newWriter(file File, path string, read bool) *writer {
	return &writer{file: file, refs: 1, read: read, path: path, turn: make(chan struct{}, 1)}
}

// take waits for the turn to queue, which give ends.
func (w *writer) take(ctx context.Context) error {
	select {
	case w.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (w *writer) give() { <-w.turn }

func (h *handle) canRead() bool  { return h.flags&syscall.O_ACCMODE != syscall.O_WRONLY }
func (h *handle) canWrite() bool { return h.flags&syscall.O_ACCMODE != syscall.O_RDONLY }

// newHandle registers a handle. FS.mu is held.
func (f *FS) newHandle(n *node, flags uint32) *handle {
	f.lastFH++
	h := &handle{fh: f.lastFH, n: n, flags: flags}
	f.handles[h.fh] = h
	n.handles++
	if n.file != nil {
		h.foreign = n.file.foreign
	}
	return h
}

// reserveHandle makes sure that there may be one more handle until done is called.
func (f *FS) reserveHandle() (done func(), err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.handles)+f.opening >= f.opts.MaxOpen {
		return nil, syscall.ENFILE
	}
	f.opening++
	return func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.opening--
	}, nil
}

func (f *FS) handle(fh uint64) (*handle, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if h := f.handles[fh]; h != nil {
		return h, nil
	}
	return nil, syscall.EBADF
}

// handleLocal gives a handle, and what its node has here alone.
func (f *FS) handleLocal(fh uint64) (*handle, *local, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if h := f.handles[fh]; h != nil {
		return h, h.n.loc, nil
	}
	return nil, nil, syscall.EBADF
}

// Release closes a handle. It waits for nothing: what was written was flushed
// before, and what was not (pages of a mapping) goes out in the background.
func (f *FS) Release(fh uint64) {
	f.mu.Lock()
	h := f.handles[fh]
	f.mu.Unlock()
	if h != nil {
		f.closeHandle(h)
	}
}

func (f *FS) closeHandle(h *handle) {
	h.mu.Lock()
	f.countStream(h, false)
	h.mu.Unlock()
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.handles, h.fh) // not before, or becomeRemote would not count it
	n := h.n
	n.handles--
	if h.dir != nil {
		f.drop(n)
		return
	}
	if loc := n.loc; loc != nil {
		f.closeLocal(n, loc)
	}
	if n.file == nil || n.loc != nil {
		f.drop(n)
		return
	}
	if h.canRead() {
		n.file.readers--
		if n.file.readers <= 0 {
			f.spans.stop(n)
		}
	}
	if h.rf != nil {
		f.putFile(h.rf)
		h.rf = nil
	}
	if h.w != nil {
		f.putWriter(n, h.w)
		h.w = nil
	}
	if f.opts.Cache == CacheOff && n.handles == 0 {
		f.spans.dropAll(n)
		n.file.ver = version{}
	}
	f.drop(n)
}

// putFile gives back a reference to a read file. FS.mu is held.
func (f *FS) putFile(rf *readFile) {
	rf.refs--
	if rf.refs > 0 {
		return
	}
	if rf.w != nil {
		f.putWriter(rf.n, rf.w)
		return
	}
	f.closeFile(rf.file)
}

// closeTimeout bounds the close of a file that was only read.
const closeTimeout = 5 * time.Second

// closeFile closes a file that was only read; nobody waits for it.
func (f *FS) closeFile(file File) {
	f.spawn(func(ctx context.Context) {
		// The end of the filesystem must not keep a handle open on the server.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
		defer cancel()
		if _, err := file.Close(ctx); err != nil {
			f.log.Debug("close failed", "err", err)
		}
	})
}

// closing is the close of a writer on which something was queued: its last handle went
// without a flush, as that of a mapping does.
type closing struct {
	done chan struct{} // closed when it is over
	err  error         // what came of it; valid then
}

// awaitClosing waits until what a writer that has gone left behind is on the server, and
// says what came of that.
func (f *FS) awaitClosing(ctx context.Context, n *node) error {
	f.mu.Lock()
	c := n.file.closing
	f.mu.Unlock()
	if c == nil {
		return nil
	}
	select {
	case <-c.done:
		return c.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// putWriter gives back a reference to a node's writer and closes it with the
// last one. FS.mu is held.
func (f *FS) putWriter(n *node, w *writer) {
	w.refs--
	if w.refs > 0 {
		return
	}
	if n.file.writer == w {
		n.file.writer = nil
	}
	dirty := n.dirty()
	changes := n.file.changes
	c := &closing{done: make(chan struct{})}
	if dirty {
		n.file.closing = c
		n.handles++
	}
	f.spawn(func(ctx context.Context) {
		a, err := w.file.Close(context.WithoutCancel(ctx))
		if !dirty {
			return
		}
		if err != nil {
			err = f.whyWrite(ctx, err)
		}
		f.mu.Lock()
		defer f.mu.Unlock()
		n.handles--
		if n.file.closing == c {
			n.file.closing = nil
		}
		if c.err = err; err != nil {
			f.log.Warn("writes that no close or fsync waited for failed", "path", n.name, "err", err)
			n.file.saved = n.file.changes
			n.attrAt = zeroTime
			f.dropData(n)
		} else {
			f.saved(n, w, a, changes)
		}
		close(c.done)
		f.drop(n)
	})
}

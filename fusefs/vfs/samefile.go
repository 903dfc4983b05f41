package vfs

import (
	"context"
	"time"
)

// What is open of a node is one and the same remote file, so that its data may be kept
// together. SFTP has no inode numbers: that others wrote in that file, and did not give
// its name to another, is told by the open file itself.

// sameContent says that both may be attributes of one file that nobody changed.
func sameContent(a, b Attrs) bool { return a.Size == b.Size && a.Mtime == b.Mtime }

// openFile is a remote file with which n is open, with a reference; nil where there is
// none. FS.mu is held.
func (f *FS) openFile(n *node) *readFile {
	switch {
	case n.file == nil:
		return nil
	case n.file.writer != nil:
		return readWith(n, n.file.writer)
	case n.file.readers == 0:
		return nil
	}
	for _, h := range f.handles {
		if h.n == n && h.rf != nil {
			h.rf.refs++
			return h.rf
		}
	}
	return nil
}

// inDoubt says that a, which the server tells of n's name, may belong to another file
// than the one that is open here. FS.mu is held.
func (f *FS) inDoubt(n *node, a Attrs) bool {
	if n.gone || n.dirty() || sameContent(n.attr, a) {
		return false
	}
	rf := f.openFile(n)
	if rf != nil {
		f.putFile(rf)
	}
	return rf != nil
}

// replaced says whether the name of n, which looks like a, was given to another file
// than the one that is open here. If so, n goes on without a name as that file. Else it
// gives what the name looks like now. It waits for one round trip when others wrote in
// an open file, for more when they replaced it, and for none otherwise.
func (f *FS) replaced(ctx context.Context, n *node, a Attrs) (bool, Attrs, error) {
	f.mu.Lock()
	if !f.inDoubt(n, a) {
		f.mu.Unlock()
		return false, a, nil
	}
	rf := f.openFile(n)
	f.mu.Unlock()
	defer func() {
		f.mu.Lock()
		f.putFile(rf)
		f.mu.Unlock()
	}()
	ours, err := f.statOpen(ctx, rf)
	// A file that changes each time is being written: it is still the one of its name.
	for try := 0; err == nil && !sameContent(ours, a) && try < 3; try++ {
		var now Attrs
		named, lerr := f.lookAt(ctx, n)
		if lerr != nil && !notExist(lerr) {
			return false, a, lerr
		}
		if now, err = f.statOpen(ctx, rf); err != nil {
			break
		}
		if lerr != nil || sameContent(now, ours) && !sameContent(now, named) {
			f.unname(n, now)
			return true, a, nil
		}
		ours, a = now, named
	}
	if err != nil && ctx.Err() == nil && !linkTrouble(err) {
		f.unname(n, n.attr) // the open file is lost, and whoever opens it anew must not share that
		return true, a, nil
	}
	return false, a, err
}

func (f *FS) statOpen(ctx context.Context, rf *readFile) (Attrs, error) {
	a, err := rf.file.Stat(ctx)
	if err == nil {
		err = checkAttrs(&a)
	}
	return a, err
}

// lookAt asks the server what the name of n looks like.
func (f *FS) lookAt(ctx context.Context, n *node) (Attrs, error) {
	path, done, err := f.useName(ctx, n)
	if err != nil {
		return Attrs{}, err
	}
	defer done()
	look := f.r.Lstat
	if n.followed {
		look = f.r.Stat
	}
	a, err := look(ctx, path)
	if err == nil {
		err = checkAttrs(&a)
	}
	return a, err
}

// unname has n go on as the file that is open, which looks like a: its name is
// another's.
func (f *FS) unname(n *node, a Attrs) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if n.gone || n.dirty() || f.nameUse.pathChanges(n) {
		return
	}
	f.lose(n)
	a.Mode = a.Mode&modePerm | n.attr.Mode&modeType
	f.take(n, a, time.Now())
	if n.nlookup > 0 {
		f.invals.attr(n.ino)
	}
}

// holdOpen has a remote file opened for whoever has had one open from memory for a
// while: it goes on with that one when others give its name to another.
func (f *FS) holdOpen(now time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, h := range f.handles {
		if h.fromMemory.IsZero() || now.Sub(h.fromMemory) < openTTL {
			continue
		}
		n := h.n
		h.fromMemory = zeroTime
		if !f.closed {
			f.spawn(func(ctx context.Context) { f.keepOpen(ctx, n) })
		}
	}
}

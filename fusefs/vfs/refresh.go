package vfs

import (
	"context"
	"syscall"
	"time"
)

// GetAttr tells what a node looks like. It waits for no round trip while the
// attributes are fresh, and for one otherwise.
func (f *FS) GetAttr(ctx context.Context, ino uint64) (Attr, time.Duration, error) {
	f.mu.Lock()
	n, err := f.get(ino)
	if err != nil {
		f.mu.Unlock()
		return Attr{}, 0, err
	}
	if n.dir != nil {
		n.dir.usedAt = time.Now()
	}
	if !n.gone && !f.attrFresh(n) {
		f.mu.Unlock()
		err = f.refresh(ctx, n)
		f.mu.Lock()
	}
	if err == nil && n.file != nil && n.file.readers > 0 && n.file.told != nil {
		// A larger size has the kernel show zeros at the end of the last page that
		// it had before.
		told := n.file.told
		f.mu.Unlock()
		f.invals.await(ctx, told)
		f.mu.Lock()
	}
	defer f.mu.Unlock()
	if err != nil {
		return Attr{}, 0, err
	}
	return f.attrOf(n), f.attrLeft(n), nil
}

// refresh asks the remote for a node's attributes.
func (f *FS) refresh(ctx context.Context, n *node) error {
	for try := 0; ; try++ {
		f.mu.Lock()
		if err := f.awaitNames(ctx, func() bool { return f.nameUse.pathChanges(n) }); err != nil {
			f.mu.Unlock()
			return err
		}
		if n.gone {
			// What is known of it stays true; nobody can ask by its name any more.
			f.mu.Unlock()
			return nil
		}
		path, err := f.path(n)
		followed := n.followed
		since, at := f.tick, time.Now()
		f.mu.Unlock()
		if err != nil {
			return err
		}
		look := f.r.Lstat
		if followed {
			look = f.r.Stat
		}
		a, err := look(ctx, path)
		if err == nil {
			err = checkAttrs(&a)
		}
		if err == nil {
			_, a, err = f.replaced(ctx, n, a)
		}
		f.mu.Lock()
		now, perr := f.path(n)
		changes := f.nameUse.pathChanges(n)
		switch {
		case (err == nil || notExist(err)) && (changes || perr == nil && now != path) && try < 3:
			// It was or is being renamed or removed by ourselves while we asked.
			f.mu.Unlock()
			continue
		case notExist(err) && n.tick <= since && perr == nil && n != f.root && !changes:
			open := n.handles > 0
			f.lose(n)
			if open {
				err = nil // who has it open goes on with it
			}
		case err != nil && linkTrouble(err) && (!n.attrAt.IsZero() || n == f.root):
			// What is known is still answered while the link is down. Of the root it
			// is known that it is a directory: without that smbd would tell a Mac
			// that there is no such share, instead of trouble with its disk.
			err = nil
		case err == nil && n.gone:
		case err == nil && n == f.root && a.Mode&modeType != modeDir:
			err = syscall.EIO
		case err == nil && n != f.root && !n.sameType(a.Mode) && n.tick <= since && !changes:
			f.lose(n)
			err = syscall.ESTALE
		case err == nil:
			if !f.knowsBetter(n, since) {
				f.take(n, a, at)
			}
			f.noteMiss(n.parent)
		}
		f.mu.Unlock()
		return err
	}
}

// Access says whether the file may be used in that way as far as we know: the
// server's refusal is the answer where we do not. It waits for no round trip
// while the attributes are fresh.
func (f *FS) Access(ctx context.Context, ino uint64, mask uint32) error {
	a, _, err := f.GetAttr(ctx, ino)
	switch {
	case err != nil:
		return err
	case mask&2 != 0 && f.opts.ReadOnly:
		return syscall.EROFS
	case mask&1 != 0 && a.Mode&modeType == modeRegular && a.Mode&0o111 == 0:
		return syscall.EACCES
	}
	return nil
}

package vfs

import (
	"bytes"
	"context"
	"syscall"
)

// renameLocal does the renames that have to do with what is here alone; done is
// false for all others, and for what is the server's now. Names move here without
// a round trip; a local file that gets an ordinary name is uploaded and synced;
// EXDEV tells the caller to copy by himself.
func (f *FS) renameLocal(ctx context.Context, r *renaming) (done bool, err error) {
	if !f.opts.LocalNames {
		return false, nil
	}
	done, upload, err := f.renameHere(ctx, r)
	if upload != nil {
		return true, f.uploadAs(ctx, r, upload)
	}
	return done, err
}

// renameHere is renameLocal but for the upload, of which it only says that it is due.
func (f *FS) renameHere(ctx context.Context, r *renaming) (done bool, upload *local, err error) {
	f.here.Lock()
	defer f.here.Unlock()
	f.mu.Lock()
	movingHere := r.moving != nil && r.moving.loc != nil
	targetHere := r.target != nil && r.target.loc != nil
	dir := r.moving != nil && r.moving.dir != nil
	to := f.belongs(r.nd, r.newName)
	if !movingHere && r.target != nil && !targetHere {
		to = onServer // upon litter that is there
	}
	undecided := movingHere && r.moving.loc.open != nil
	f.mu.Unlock()
	switch {
	case to == nowhere:
		return true, nil, errTrash
	case r.noReplace && r.target != nil && (movingHere || targetHere):
		return true, nil, syscall.EEXIST
	case r.moving != nil && r.moving == r.target:
		return movingHere, nil, nil
	case !movingHere && to == onlyHere:
		return true, nil, syscall.EXDEV
	case !movingHere:
		return false, nil, nil
	case to == onlyHere, to == byContent && !dir && (undecided || f.isAppleDouble(r.moving)):
		return true, nil, f.moveHere(ctx, r)
	case dir:
		return true, nil, syscall.EXDEV
	case undecided:
		if _, err := f.settleLocked(ctx, r.moving, false); err != nil {
			return true, nil, err
		}
	}
	loc := f.localOf(r.moving)
	if loc != nil && r.target != nil && r.target.dir != nil {
		return true, nil, syscall.EISDIR
	}
	return false, loc, nil
}

// isAppleDouble looks at the first bytes of a local file.
func (f *FS) isAppleDouble(n *node) bool {
	loc := f.localOf(n)
	if loc == nil {
		return false
	}
	head := make([]byte, len(appleDouble))
	got, err := f.local.ReadAt(loc.id, head, 0)
	return err == nil && bytes.Equal(head[:got], appleDouble)
}

// moveHere moves a name within the store.
func (f *FS) moveHere(ctx context.Context, r *renaming) error {
	if t := r.target; t != nil {
		switch {
		case r.moving.dir != nil && t.dir == nil:
			return syscall.ENOTDIR
		case r.moving.dir == nil && t.dir != nil:
			return syscall.EISDIR
		case t.dir != nil && len(f.local.List(r.newPath)) > 0:
			return syscall.ENOTEMPTY
		}
		if f.localOf(t) == nil {
			// Litter on the server is replaced, too.
			if err := f.r.Remove(ctx, r.newPath); err != nil && !notExist(err) {
				return err
			}
		}
	}
	f.mu.Lock()
	open := f.openLocals()
	f.mu.Unlock()
	if err := f.withRoom(func() error { return f.local.Rename(r.oldPath, r.newPath, open) }); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.relink(r)
	return nil
}

package vfs

import (
	"context"
	"syscall"
)

// Flags of Rename, as renameat2 has them.
const (
	RenameNoReplace = 1
	RenameExchange  = 2
)

// Rename moves a name, replacing what has the new one, in one round trip. With
// RenameNoReplace it looks first (one more, none in a fresh listing): users of
// this mount cannot come in between, others on the server can. RenameExchange is
// refused, as the protocol cannot.
func (f *FS) Rename(ctx context.Context, oldParent uint64, oldShown string, newParent uint64, newShown string, flags uint32) error {
	switch {
	case f.opts.ReadOnly:
		return syscall.EROFS
	case flags&^RenameNoReplace != 0:
		return syscall.EINVAL
	}
	od, oldName, err := f.place(oldParent, oldShown)
	if err != nil {
		return err
	}
	nd, newName, err := f.place(newParent, newShown)
	if err != nil {
		return err
	}
	f.mu.Lock()
	if f.belowLink(od) || f.belowLink(nd) {
		f.mu.Unlock()
		return syscall.EPERM
	}
	target := nd.dir.children[newName]
	moving := od.dir.children[oldName]
	absent := target == nil && f.listLeft(nd) > 0
	f.mu.Unlock()
	if err := f.settleTimes(ctx, moving); err != nil {
		return err
	}
	done, err := f.changeNames(ctx, moving, target)
	if err != nil {
		return err
	}
	defer done()
	if target != nil && target == moving && oldShown != newShown {
		// Another spelling of the same name: the server sees the new one.
		newName = f.names.remote(newShown)
		target = nil
		absent = false
	}
	paths, used, err := f.useNames(ctx, od, nd)
	if err != nil {
		return err
	}
	defer used()
	oldPath, newPath := join(paths[0], oldName), join(paths[1], newName)
	r := &renaming{
		od: od, nd: nd, moving: moving, target: target, oldName: oldName, newName: newName,
		oldPath: oldPath, newPath: newPath, newShown: newShown, noReplace: flags&RenameNoReplace != 0,
	}
	if done, err := f.renameLocal(ctx, r); done {
		return err
	}
	if flags&RenameNoReplace != 0 && !absent {
		if _, err := f.r.Lstat(ctx, newPath); err == nil {
			return syscall.EEXIST
		} else if !notExist(err) {
			return err
		}
	}
	err = f.r.Rename(ctx, oldPath, newPath)
	if unspecific(err) && target != nil && target.dir != nil {
		// Some servers do not replace a directory, be it empty.
		entries, lerr := f.r.ReadDir(ctx, newPath)
		switch {
		case lerr == nil && len(entries) > 0:
			err = syscall.ENOTEMPTY
		case lerr == nil && f.r.Rmdir(ctx, newPath) == nil:
			err = f.r.Rename(ctx, oldPath, newPath)
		}
	}
	if err != nil {
		if notExist(err) {
			f.mu.Lock()
			od.dir.listedAt = zeroTime
			f.mu.Unlock()
		}
		return err
	}
	f.here.Lock()
	defer f.here.Unlock()
	f.moveLocal(oldPath, newPath)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.touch(od, oldName)
	f.touch(nd, newName)
	r.moving = od.dir.children[oldName] // a listing may have told of it meanwhile
	f.relink(r)
	return nil
}

// settleTimes flushes times that are queued for a file whose name is about to
// change: some servers set them by name, also where they are asked by handle.
func (f *FS) settleTimes(ctx context.Context, n *node) error {
	f.mu.Lock()
	queued := n != nil && n.dirty() && n.file.writer != nil && n.file.writer.timed
	f.mu.Unlock()
	if !queued {
		return nil
	}
	return f.flushNode(ctx, n, false)
}

// renaming is what Rename found out. Nothing else changes or uses its names.
type renaming struct {
	od, nd           *node
	moving, target   *node // nil: not known here
	oldName, newName string
	oldPath, newPath string
	newShown         string
	noReplace        bool
}

// relink moves the node of what was renamed. FS.mu is held.
func (f *FS) relink(r *renaming) {
	f.touchName(r.od, r.oldName)
	f.touchName(r.nd, r.newName)
	n := r.moving
	if c := r.nd.dir.children[r.newName]; c != nil && c != n {
		f.detach(c)
	}
	switch {
	case n == nil || n.gone:
		r.nd.dir.complete = false // something has the new name
		return
	case r.nd.gone:
		f.detach(n)
		return
	}
	r.od.dir.remove(n)
	n.parent, n.name, n.alias = r.nd, r.newName, ""
	r.nd.dir.add(n)
	f.keepsNumber(n, r.newShown)
	f.inos.move(n.ino, r.nd.ino, r.newName)
	f.changed(n)
}

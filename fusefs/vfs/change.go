package vfs

import (
	"context"
	"syscall"
	"time"
)

// Mkdir makes a directory, in one round trip.
func (f *FS) Mkdir(ctx context.Context, parent uint64, shown string, mode uint32) (Node, error) {
	if f.opts.ReadOnly {
		return Node{}, syscall.EROFS
	}
	d, name, err := f.place(parent, shown)
	if err != nil {
		return Node{}, err
	}
	switch f.goes(d, name) {
	case nowhere:
		return Node{}, errTrash
	case onlyHere:
		return f.mkdirLocal(d, name, shown, mode)
	}
	path, done, err := f.usePlace(ctx, d, name)
	if err != nil {
		return Node{}, err
	}
	defer done()
	if err := f.r.Mkdir(ctx, path, mode&modePerm); err != nil {
		return Node{}, f.whyCreate(ctx, path, err)
	}
	return f.made(ctx, d, name, path, shown, Attrs{Mode: modeDir | mode&modePerm})
}

// Symlink makes a symbolic link, in one round trip. Where nobody gets to see one it is
// refused: the kernel would take the file that is shown for an error.
func (f *FS) Symlink(ctx context.Context, parent uint64, shown, target string) (Node, error) {
	switch {
	case f.opts.ReadOnly:
		return Node{}, syscall.EROFS
	case f.linksAreFiles():
		return Node{}, syscall.EPERM
	case len(target) > maxTarget:
		return Node{}, syscall.ENAMETOOLONG
	}
	d, name, err := f.place(parent, shown)
	if err != nil {
		return Node{}, err
	}
	if w := f.goes(d, name); w == nowhere || w == onlyHere {
		return Node{}, syscall.EPERM
	}
	path, done, err := f.usePlace(ctx, d, name)
	if err != nil {
		return Node{}, err
	}
	defer done()
	if err := f.r.Symlink(ctx, target, path); err != nil {
		return Node{}, f.whyCreate(ctx, path, err)
	}
	return f.made(ctx, d, name, path, shown, Attrs{Mode: modeLink | 0o777, Size: uint64(len(target))})
}

// Link makes a hard link, in one round trip. SFTP tells neither inode numbers nor
// link counts, so the two names are two nodes; they show the same number for as
// long as both are remembered, as programs check that a link is one.
func (f *FS) Link(ctx context.Context, ino, parent uint64, shown string) (Node, error) {
	if f.opts.ReadOnly {
		return Node{}, syscall.EROFS
	}
	f.mu.Lock()
	n, err := f.get(ino)
	var w *writer
	switch {
	case err != nil:
	case n.loc != nil:
		err = syscall.EPERM
	case n.file != nil:
		w = n.file.writer
	}
	f.mu.Unlock()
	if err != nil {
		return Node{}, err
	}
	if w != nil {
		// The second name must not show less than the first.
		if err := f.flushNode(ctx, n, false); err != nil {
			return Node{}, err
		}
	}
	d, name, err := f.place(parent, shown)
	if err != nil {
		return Node{}, err
	}
	if w := f.goes(d, name); w == nowhere || w == onlyHere {
		return Node{}, syscall.EPERM
	}
	paths, done, err := f.useNames(ctx, n, d)
	if err != nil {
		return Node{}, err
	}
	defer done()
	path := join(paths[1], name)
	if err := f.r.Link(ctx, paths[0], path); err != nil {
		return Node{}, f.whyCreate(ctx, path, err)
	}
	f.mu.Lock()
	a, number := n.attr, n.ino
	if n.shows != 0 {
		number = n.shows
	}
	f.mu.Unlock()
	node, err := f.made(ctx, d, name, path, shown, a)
	if err != nil {
		return Node{}, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if m := f.nodes[node.Ino]; m != nil {
		m.shows = number
		node.Attr.Ino = number
	}
	return node, nil
}

// made gives the node of what was just made. What the server did not tell is
// made up where it is known how (the account and its umask, from files that were
// created) and asked for otherwise.
func (f *FS) made(ctx context.Context, d *node, name, path, shown string, a Attrs) (Node, error) {
	f.forgetLocal(path) // of another that had this name
	f.mu.Lock()
	if a.Valid == 0 {
		a.Valid = attrsAll
		a.Atime, a.Mtime = f.serverNow(), f.serverNow()
		if a.Mode&modeType != modeLink {
			a.Mode &^= f.creds.umask
		}
		a.UID, a.GID = f.creds.uid, f.creds.gid
		if d.attr.Mode&syscall.S_ISGID != 0 {
			a.GID = d.attr.GID
			if a.Mode&modeType == modeDir {
				a.Mode |= syscall.S_ISGID
			}
		}
	}
	ask := !f.creds.known && f.opts.UID == nil
	f.mu.Unlock()
	guess := true
	if ask {
		if b, err := f.r.Lstat(ctx, path); err == nil && checkAttrs(&b) == nil && b.Mode&modeType == a.Mode&modeType {
			a, guess = b, false
			f.mu.Lock()
			f.creds.known, f.creds.uid, f.creds.gid = true, b.UID, b.GID
			f.mu.Unlock()
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if d.gone {
		return Node{}, syscall.ENOENT
	}
	f.touch(d, name)
	if c := d.dir.children[name]; c != nil {
		f.detach(c)
	}
	n := f.newNode(d, name, a)
	n.attr, n.attrAt, n.guess = a, time.Now(), guess
	f.changed(n)
	f.keepsNumber(n, shown)
	if n.dir != nil {
		// It is new, so it is empty.
		n.dir.complete, n.dir.listedAt, n.dir.usedAt = true, n.attrAt, n.attrAt
	}
	f.evict()
	return f.info(n), nil
}

// Unlink removes a name that is not a directory's, in one round trip. Who has the
// file open goes on using it.
func (f *FS) Unlink(ctx context.Context, parent uint64, shown string) error {
	return f.remove(ctx, parent, shown, f.r.Remove, false)
}

// Rmdir removes an empty directory, in one round trip.
func (f *FS) Rmdir(ctx context.Context, parent uint64, shown string) error {
	return f.remove(ctx, parent, shown, f.r.Rmdir, true)
}

func (f *FS) remove(ctx context.Context, parent uint64, shown string, do func(context.Context, string) error, dir bool) error {
	if f.opts.ReadOnly {
		return syscall.EROFS
	}
	d, name, err := f.place(parent, shown)
	if err != nil {
		return err
	}
	if f.goes(d, name) == onlyHere {
		return f.removeLocal(d, name, dir)
	}
	f.mu.Lock()
	c := d.dir.children[name]
	below := f.belowLink(d)
	linked := c != nil && c.behindLink()
	f.mu.Unlock()
	if below {
		return syscall.EPERM
	}
	if linked {
		do = f.r.Remove // the link goes, never what it leads to
	}
	if err := f.settleTimes(ctx, c); err != nil {
		return err
	}
	done, err := f.changeNames(ctx, c)
	if err != nil {
		return err
	}
	defer done()
	path, used, err := f.usePlace(ctx, d, name)
	if err != nil {
		return err
	}
	defer used()
	err = do(ctx, path)
	switch {
	case err != nil && dir && unspecific(err):
		if entries, lerr := f.r.ReadDir(ctx, path); lerr == nil && len(entries) > 0 {
			err = syscall.ENOTEMPTY
		}
	case err != nil && !dir && unspecific(err) && c != nil && c.dir != nil:
		err = syscall.EISDIR
	}
	if err != nil && !notExist(err) {
		return err
	}
	f.here.Lock()
	defer f.here.Unlock()
	if err == nil {
		f.forgetLocal(path)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.touch(d, name)
	if c := d.dir.children[name]; c != nil {
		f.detach(c)
	}
	return err
}

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

// Mknod makes an empty regular file; nothing else can be made through SFTP.
func (f *FS) Mknod(ctx context.Context, parent uint64, shown string, mode uint32) (Node, error) {
	if t := mode & modeType; t != 0 && t != modeRegular {
		return Node{}, syscall.EOPNOTSUPP
	}
	n, o, err := f.Create(ctx, parent, shown, syscall.O_WRONLY|syscall.O_EXCL, mode)
	if err != nil {
		return Node{}, err
	}
	defer f.Release(o.FH)
	if _, loc, lerr := f.handleLocal(o.FH); lerr == nil && loc != nil {
		err = f.Flush(ctx, o.FH) // what is undecided is decided
	}
	if err != nil {
		if uerr := f.Unlink(ctx, parent, shown); uerr != nil {
			f.log.Warn("a file that was not made is left over", "path", shown, "err", uerr)
		}
		f.Forget(n.Ino, 1)
		return Node{}, err
	}
	return n, nil
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

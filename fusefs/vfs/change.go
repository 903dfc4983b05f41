package vfs

import (
	"context"
	"errors"
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
		f.showAs(m, number)
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
		if err := f.removeLocal(d, name, dir); !errors.Is(err, errMoved) {
			return err
		}
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

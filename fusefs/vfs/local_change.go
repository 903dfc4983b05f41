package vfs

import (
	"context"
	"errors"
	"syscall"

	"sshfs-bridge/fusefs/sftp"
	"sshfs-bridge/fusefs/vfs/localmeta"
)

// createLocal makes a file that is here alone, or may be, and opens it, without a
// round trip.
func (f *FS) createLocal(ctx context.Context, d *node, name, shown string, flags, mode uint32, w where) (Node, Opened, error) {
	f.here.Lock()
	c, path, err := f.placeLocal(d, name)
	if err != nil || c != nil {
		f.here.Unlock()
	}
	switch {
	case err != nil:
		return Node{}, Opened{}, err
	case c != nil && flags&syscall.O_EXCL != 0:
		return Node{}, Opened{}, syscall.EEXIST
	case c != nil:
		o, err := f.Open(ctx, c.ino, flags)
		if err != nil {
			return Node{}, Opened{}, err
		}
		f.mu.Lock()
		defer f.mu.Unlock()
		return f.info(c), o, nil
	}
	defer f.here.Unlock()
	f.forgetLocal(path)
	loc := &local{}
	info := localmeta.Info{Mode: modeRegular | mode&modePerm, Atime: now(), Mtime: now()}
	if w == byContent {
		loc.open = &undecided{}
	} else if loc.id, err = f.createStored(path, info.Mode, false); err != nil {
		return Node{}, Opened{}, err
	}
	n, err := f.madeLocal(d, name, path, shown, loc, info)
	if err != nil {
		return Node{}, Opened{}, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	h := f.newHandle(n, flags)
	return f.info(n), Opened{FH: h.fh}, nil
}

// placeLocal looks again who has a name, and at which path that is. FS.here is
// held, so that both stay.
func (f *FS) placeLocal(d *node, name string) (*node, string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if d.gone {
		return nil, "", syscall.ENOENT
	}
	dir, err := f.path(d)
	return d.dir.children[name], join(dir, name), err
}

// madeLocal gives the node of what was just made in the store. FS.here is held.
func (f *FS) madeLocal(d *node, name, path, shown string, loc *local, info localmeta.Info) (*node, error) {
	f.mu.Lock()
	if d.gone {
		f.mu.Unlock()
		f.forgetLocal(path)
		return nil, syscall.ENOENT
	}
	defer f.mu.Unlock()
	f.touchName(d, name)
	if c := d.dir.children[name]; c != nil {
		f.detach(c)
	}
	n := f.newNode(d, name, Attrs{Mode: info.Mode})
	n.loc = loc
	f.setLocalAttrs(n, info)
	f.changed(n)
	f.keepsNumber(n, shown)
	return n, nil
}

// mkdirLocal makes a directory that is here alone.
func (f *FS) mkdirLocal(d *node, name, shown string, mode uint32) (Node, error) {
	f.here.Lock()
	defer f.here.Unlock()
	c, path, err := f.placeLocal(d, name)
	switch {
	case err != nil:
		return Node{}, err
	case c != nil:
		return Node{}, syscall.EEXIST
	}
	f.forgetLocal(path)
	var info localmeta.Info
	err = f.withRoom(func() (err error) {
		info, err = f.local.Create(path, modeDir|mode&modePerm, now())
		return err
	})
	if err != nil {
		return Node{}, err
	}
	n, err := f.madeLocal(d, name, path, shown, &local{id: info.ID}, info)
	if err != nil {
		return Node{}, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.info(n), nil
}

// removeLocal removes what is here alone. It is errMoved when that is on the server by
// now.
func (f *FS) removeLocal(d *node, name string, dir bool) error {
	f.here.Lock()
	defer f.here.Unlock()
	c, path, err := f.placeLocal(d, name)
	switch {
	case err != nil:
		return err
	case c == nil:
		return syscall.ENOENT
	case c.loc == nil:
		return errMoved
	case dir && c.dir == nil:
		return syscall.ENOTDIR
	case !dir && c.dir != nil:
		return syscall.EISDIR
	case dir && len(f.local.List(path)) > 0:
		return syscall.ENOTEMPTY
	}
	f.mu.Lock()
	open := f.openLocals()
	f.touchName(d, name)
	f.detach(c) // before it goes, so that nobody opens what is gone
	f.mu.Unlock()
	return f.local.Remove(path, open)
}

// errMoved says that what was here alone is the server's meanwhile.
var errMoved = errors.New("moved to the server")

// setstatLocal changes the attributes of what is here alone.
func (f *FS) setstatLocal(ctx context.Context, n *node, loc *local, a Attrs) error {
	done, err := f.holdName(ctx, n)
	if err != nil {
		return err
	}
	defer done()
	if f.localOf(n) != loc {
		return errMoved
	}
	set := localmeta.SetAttr{}
	if a.Valid&sftp.AttrSize != 0 {
		set.Size = &a.Size
	}
	if a.Valid&sftp.AttrMode != 0 {
		f.mu.Lock()
		mode := n.attr.Mode&modeType | a.Mode&modePerm
		f.mu.Unlock()
		set.Mode = &mode
	}
	if a.Valid&sftp.AttrTimes != 0 {
		set.Atime, set.Mtime = &a.Atime, &a.Mtime
	}
	if loc.id != 0 {
		if err := f.local.SetAttrs(loc.id, set, now()); err != nil {
			if f.localOf(n) != loc {
				return errMoved
			}
			return err
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if n.loc != loc {
		return errMoved
	}
	f.set(n, a)
	if a.Valid&sftp.AttrSize == 0 {
		return nil
	}
	switch {
	case loc.open != nil:
		loc.open.head = loc.open.head[:min(uint64(len(loc.open.head)), a.Size)]
	case a.Size == 0 && n.parent.loc == nil && appleDoubleName(n.name) && !n.gone:
		// What is written next decides anew.
		n.loc = &local{id: loc.id, open: &undecided{}}
	}
	return nil
}

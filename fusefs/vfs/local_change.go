package vfs

import (
	"context"
	"errors"
	"syscall"

	"sshfs-bridge/fusefs/vfs/localmeta"
)

// createLocal makes a file that is here alone, or may be, and opens it, without a
// round trip.
func (f *FS) createLocal(ctx context.Context, d *node, name, path, shown string, flags, mode uint32, w where) (Node, Opened, error) {
	f.mu.Lock()
	if c := d.dir.children[name]; c != nil {
		// Looked up meanwhile, or there before.
		ino, dir := c.ino, c.dir != nil
		f.mu.Unlock()
		switch {
		case flags&syscall.O_EXCL != 0:
			return Node{}, Opened{}, syscall.EEXIST
		case dir:
			return Node{}, Opened{}, syscall.EISDIR
		}
		o, err := f.Open(ctx, ino, flags)
		if err != nil {
			return Node{}, Opened{}, err
		}
		f.mu.Lock()
		defer f.mu.Unlock()
		return f.info(c), o, nil
	}
	f.mu.Unlock()
	f.forgetLocal(path)
	loc := &local{}
	info := localmeta.Info{Mode: modeRegular | mode&modePerm, Atime: now(), Mtime: now()}
	if w == byContent {
		loc.open = &undecided{}
	} else {
		var err error
		if info, err = f.local.Create(path, info.Mode, info.Mtime); err != nil {
			return Node{}, Opened{}, err
		}
		loc.id = info.ID
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	n, err := f.madeLocal(d, name, shown, loc, info)
	if err != nil {
		return Node{}, Opened{}, err
	}
	h := f.newHandle(n, flags)
	return f.info(n), Opened{FH: h.fh}, nil
}

// madeLocal gives the node of what was just made in the store. FS.mu is held.
func (f *FS) madeLocal(d *node, name, shown string, loc *local, info localmeta.Info) (*node, error) {
	if d.gone {
		return nil, syscall.ENOENT
	}
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
func (f *FS) mkdirLocal(d *node, name, path, shown string, mode uint32) (Node, error) {
	f.mu.Lock()
	exists := d.dir.children[name] != nil
	f.mu.Unlock()
	if exists {
		return Node{}, syscall.EEXIST
	}
	f.forgetLocal(path)
	info, err := f.local.Create(path, modeDir|mode&modePerm, now())
	if err != nil {
		return Node{}, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	n, err := f.madeLocal(d, name, shown, &local{id: info.ID}, info)
	if err != nil {
		return Node{}, err
	}
	return f.info(n), nil
}

// removeLocal removes what is here alone.
func (f *FS) removeLocal(d *node, name, path string, dir bool) error {
	f.mu.Lock()
	c := d.dir.children[name]
	f.mu.Unlock()
	switch {
	case c == nil:
		return syscall.ENOENT
	case dir && c.dir == nil:
		return syscall.ENOTDIR
	case !dir && c.dir != nil:
		return syscall.EISDIR
	case dir && len(f.local.List(path)) > 0:
		return syscall.ENOTEMPTY
	}
	if err := f.local.Remove(path, f.openLocals()); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.touchName(d, name)
	if d.dir.children[name] == c {
		f.detach(c)
	}
	return nil
}

// errMoved says that what was here alone is the server's meanwhile.
var errMoved = errors.New("moved to the server")

// setstatLocal changes the attributes of what is here alone.
func (f *FS) setstatLocal(n *node, loc *local, a Attrs) error {
	set := localmeta.SetAttr{}
	if a.Valid&attrSize != 0 {
		set.Size = &a.Size
	}
	if a.Valid&attrMode != 0 {
		f.mu.Lock()
		mode := n.attr.Mode&modeType | a.Mode&modePerm
		f.mu.Unlock()
		set.Mode = &mode
	}
	if a.Valid&attrTimes != 0 {
		set.Atime, set.Mtime = &a.Atime, &a.Mtime
	}
	if loc.id != 0 {
		if err := f.local.SetAttrs(loc.id, set, now()); err != nil {
			return err
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if n.loc != loc {
		return errMoved
	}
	f.set(n, a)
	if a.Valid&attrSize == 0 {
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

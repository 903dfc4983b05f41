package vfs

import (
	"context"
	"syscall"
	"time"

	"sshfs-bridge/fusefs/sftp"
)

// Create makes a regular file and opens it, in one round trip.
func (f *FS) Create(ctx context.Context, parent uint64, shown string, flags, mode uint32) (Node, Opened, error) {
	if f.opts.ReadOnly {
		return Node{}, Opened{}, syscall.EROFS
	}
	reserved, err := f.reserveHandle()
	if err != nil {
		return Node{}, Opened{}, err
	}
	defer reserved()
	d, name, err := f.place(parent, shown)
	if err != nil {
		return Node{}, Opened{}, err
	}
	switch w := f.goes(d, name); w {
	case nowhere:
		return Node{}, Opened{}, errTrash
	case onlyHere, byContent:
		return f.createLocal(ctx, d, name, shown, flags, mode, w)
	}
	acc := flags & syscall.O_ACCMODE
	excl := flags&syscall.O_EXCL != 0
	of := OpenFlags{
		Create: true, Exclusive: excl, Truncate: flags&syscall.O_TRUNC != 0,
		Write: acc != syscall.O_RDONLY, Read: acc != syscall.O_WRONLY || excl,
	}
	if acc == syscall.O_RDONLY {
		// A server may refuse to create what is only read.
		of.Write = true
	}
	path, done, err := f.usePlace(ctx, d, name)
	if err != nil {
		return Node{}, Opened{}, err
	}
	defer done()
	f.mu.Lock()
	since, at := f.tick, time.Now()
	unknown := d.dir.children[name] == nil
	f.mu.Unlock()
	file, a, err := f.r.Open(ctx, path, of, mode&modePerm)
	if err != nil {
		if excl {
			err = f.whyCreate(ctx, path, err)
		} else {
			err = f.whyWrite(ctx, err)
		}
		return Node{}, Opened{}, err
	}
	if err = checkAttrs(&a); err != nil {
		f.closeFile(file)
		return Node{}, Opened{}, err
	}
	a.Mode = a.Mode&modePerm | modeRegular
	if excl || unknown && a.Size == 0 {
		f.forgetLocal(path) // of another that had this name
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if d.gone {
		f.closeFile(file)
		return Node{}, Opened{}, syscall.ENOENT
	}
	f.touch(d, name)
	if excl {
		f.learn(a, mode, d)
		if c := d.dir.children[name]; c != nil {
			f.detach(c)
		}
	}
	n, _ := f.adopt(d, name, a, since, at)
	f.changed(n)
	f.keepsNumber(n, shown)
	if of.Truncate || excl {
		f.spans.dropAll(n)
	}
	n.file.ver = f.stamp(n.attr)
	h := f.newHandle(n, flags)
	w := n.file.writer
	if w != nil && (w.read || !of.Read) {
		w.refs++
		f.closeFile(file)
	} else {
		w = newWriter(file, path, of.Read)
		n.file.writer = w
	}
	f.giveWriter(h, w)
	f.evict()
	return f.info(n), Opened{FH: h.fh}, nil
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

// keepsNumber notes under which spelling a name was asked for, so that it is
// found under it again.
func (f *FS) keepsNumber(n *node, shown string) {
	if f.shown(n) == shown {
		return
	}
	n.parent.dir.spell(shown, n)
}

// learn notes the server's account and umask from a file that we just made.
func (f *FS) learn(a Attrs, asked uint32, dir *node) {
	f.creds.umask = (asked&^a.Mode)&0o777 | f.creds.umask&^asked&0o777
	if a.Valid&sftp.AttrUIDGID != 0 && dir.attr.Mode&syscall.S_ISGID == 0 {
		f.creds.known, f.creds.uid, f.creds.gid = true, a.UID, a.GID
	}
}

// place finds where a new name goes.
func (f *FS) place(parent uint64, shown string) (d *node, name string, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	d, err = f.getDir(parent)
	if err != nil {
		return nil, "", err
	}
	d.dir.usedAt = time.Now()
	if f.tooLong(shown) {
		return nil, "", syscall.ENAMETOOLONG
	}
	name = f.names.remote(shown)
	if c := f.childOf(d, shown); c != nil {
		name = c.name
	}
	return d, name, nil
}

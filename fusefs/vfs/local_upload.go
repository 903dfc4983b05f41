package vfs

import (
	"context"
	"errors"

	"sshfs-bridge/fusefs/sftp"
)

// toServer makes an undecided file an ordinary one: it is created there, with
// what was written, and everybody who has it open goes on with it. It waits for
// one round trip.
func (f *FS) toServer(ctx context.Context, n *node, loc *local) error {
	f.mu.Lock()
	path, err := f.path(n)
	f.mu.Unlock()
	if err != nil {
		return err
	}
	file, a, err := f.upload(ctx, n, loc, path)
	if err != nil {
		return err
	}
	f.mu.Lock()
	f.becomeRemote(n, file, a, path)
	f.mu.Unlock()
	f.leaveStore(loc, path, path)
	return nil
}

// leaveStore forgets a local file that is on the server now, under another name perhaps,
// and that nobody looks for here any more. Its attributes stay.
func (f *FS) leaveStore(loc *local, from, to string) {
	if loc.id == 0 {
		return // they are kept under its name
	}
	kept := map[string][]byte{}
	for _, name := range f.local.Xattrs(from) {
		kept[name], _ = f.local.Xattr(from, name)
	}
	f.forgetLocal(from)
	f.forgetLocal(to) // of another that had this name
	if err := f.local.Release(loc.id); err != nil {
		f.log.Warn("local metadata not removed", "path", from, "err", err)
	}
	for name, value := range kept {
		if err := f.local.SetXattr(to, name, value, 0); err != nil {
			f.log.Warn("local metadata not kept", "path", to, "err", err)
		}
	}
}

// upload creates a file on the server with the content of a local one, which is
// queued.
func (f *FS) upload(ctx context.Context, n *node, loc *local, path string) (File, Attrs, error) {
	f.mu.Lock()
	mode, size := n.attr.Mode&modePerm, int64(n.attr.Size)
	var head []byte
	if loc.open != nil {
		head = loc.open.head
	}
	f.mu.Unlock()
	file, a, err := f.r.Open(ctx, path, OpenFlags{Create: true, Truncate: true, Read: true, Write: true}, mode)
	if err != nil {
		return nil, a, f.whyWrite(ctx, err)
	}
	err = checkAttrs(&a)
	switch {
	case err != nil:
	case loc.open != nil:
		if len(head) > 0 {
			err = file.WriteAt(ctx, head, 0)
		}
		if err == nil && size > int64(len(head)) {
			err = file.Setstat(ctx, Attrs{Valid: sftp.AttrSize, Size: uint64(size)})
		}
	default:
		err = f.uploadContent(ctx, file, loc.id)
	}
	if err != nil {
		f.closeFile(file)
		return nil, a, err
	}
	a.Mode = a.Mode&modePerm | modeRegular
	a.Size = uint64(size)
	return file, a, nil
}

func (f *FS) uploadContent(ctx context.Context, file File, id uint64) error {
	buf := make([]byte, 256<<10)
	for off := int64(0); ; {
		got, err := f.local.ReadAt(id, buf, off)
		if err != nil || got == 0 {
			return err
		}
		if err := file.WriteAt(ctx, buf[:got], off); err != nil {
			return err
		}
		off += int64(got)
	}
}

// becomeRemote makes n a file of the server, through file, which has something
// queued. FS.mu is held.
func (f *FS) becomeRemote(n *node, file File, a Attrs, path string) {
	n.loc = nil
	n.attr, n.attrAt, n.guess = a, zeroTime, true
	if !n.gone {
		f.touch(n.parent, n.name)
	}
	f.begin(n)
	f.end(n)
	w := newWriter(file, path, true)
	n.file.writer = w
	for _, h := range f.handles {
		if h.n == n {
			w.refs++
			f.giveWriter(h, w)
		}
	}
	f.putWriter(n, w)
}

// uploadAs puts a local file onto the server under another name, in place of what
// has it, and synced: then it is an ordinary file. Only who uses one of the two names
// waits for that.
func (f *FS) uploadAs(ctx context.Context, r *renaming, loc *local) error {
	n := r.moving
	tmp := temporaryName(r.newPath)
	file, a, err := f.upload(ctx, n, loc, tmp)
	if err != nil {
		return err
	}
	f.mu.Lock()
	times := Attrs{Valid: sftp.AttrTimes, Atime: n.attr.Atime, Mtime: n.attr.Mtime}
	f.mu.Unlock()
	err = file.Setstat(ctx, times)
	if err == nil {
		_, err = file.Sync(ctx)
		if errors.Is(err, errors.ErrUnsupported) {
			_, err = file.Flush(ctx)
		}
	}
	if err == nil {
		err = f.r.Rename(ctx, tmp, r.newPath)
	}
	if err != nil {
		f.closeFile(file)
		if rerr := f.r.Remove(ctx, tmp); rerr != nil {
			f.log.Warn("a temporary name is left over", "path", tmp, "err", rerr)
		}
		return f.whyWrite(ctx, err)
	}
	a.Atime, a.Mtime = times.Atime, times.Mtime
	f.here.Lock()
	defer f.here.Unlock()
	f.mu.Lock()
	f.becomeRemote(n, file, a, r.newPath)
	f.mu.Unlock()
	f.leaveStore(loc, r.oldPath, r.newPath)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.touch(r.nd, r.newName)
	f.relink(r)
	return nil
}

package vfs

import (
	"bytes"
	"context"
	"errors"
	"syscall"

	"sshfs-bridge/fusefs/sftp"
	"sshfs-bridge/fusefs/vfs/localmeta"
)

// appleDouble is what the files begin with in which a Mac keeps what a foreign
// disk cannot carry.
var appleDouble = []byte{0x00, 0x05, 0x16, 0x07}

// localOf gives what h's node has here alone, nil for a file of the server.
func (f *FS) localOf(n *node) *local {
	f.mu.Lock()
	defer f.mu.Unlock()
	return n.loc
}

// openLocal opens what is here alone.
func (f *FS) openLocal(ctx context.Context, n *node, loc *local, flags uint32) (Opened, error) {
	if flags&syscall.O_TRUNC != 0 {
		err := f.setstatLocal(ctx, n, loc, Attrs{Valid: sftp.AttrSize})
		if errors.Is(err, errMoved) {
			return f.Open(ctx, n.ino, flags)
		}
		if err != nil {
			return Opened{}, err
		}
	}
	done, err := f.holdName(ctx, n) // what loses its name now is not open yet
	if err != nil {
		return Opened{}, err
	}
	f.mu.Lock()
	moved, gone := n.loc == nil, n.gone && n.handles == 0
	var o Opened
	if !moved && !gone {
		o = Opened{FH: f.newHandle(n, flags).fh, KeepCache: flags&syscall.O_TRUNC == 0}
	}
	f.mu.Unlock()
	done()
	switch {
	case moved:
		return f.Open(ctx, n.ino, flags)
	case gone:
		return Opened{}, syscall.ESTALE
	}
	return o, nil
}

// readLocal reads what is here alone, and is errMoved when that is on the server now.
func (f *FS) readLocal(h *handle, loc *local, buf []byte, off int64) (int, error) {
	if !h.canRead() {
		return 0, syscall.EBADF
	}
	f.mu.Lock()
	if loc.open != nil {
		defer f.mu.Unlock()
		size := int64(h.n.attr.Size)
		if off < 0 || off >= size {
			return 0, nil
		}
		buf = buf[:min(int64(len(buf)), size-off)]
		clear(buf)
		if off < int64(len(loc.open.head)) {
			copy(buf, loc.open.head[off:])
		}
		return len(buf), nil
	}
	f.mu.Unlock()
	got, err := f.local.ReadAt(loc.id, buf, off)
	if err != nil && f.localOf(h.n) != loc {
		err = errMoved
	}
	return got, err
}

// writeLocal writes to what is here alone. done is false when the data belong to
// the server, where the file is then.
func (f *FS) writeLocal(ctx context.Context, h *handle, data []byte, off int64, how WriteHow) (done bool, err error) {
	n := h.n
	stays, err := f.holdName(ctx, n)
	if err != nil {
		return false, err
	}
	defer stays()
	f.mu.Lock()
	loc := n.loc
	if loc == nil {
		f.mu.Unlock()
		return false, nil
	}
	if how&WriteAppend != 0 {
		off = max(off, int64(n.attr.Size))
	}
	f.mu.Unlock()
	if loc.open != nil {
		kept, err := f.decide(ctx, n, loc, data, off)
		if err != nil || kept {
			return err == nil, err
		}
		if loc = f.localOf(n); loc == nil {
			return false, nil
		}
	}
	if err := f.withRoom(func() error { return f.local.WriteAt(loc.id, data, off, now()) }); err != nil {
		if f.localOf(n) == nil {
			return false, nil // it moved to the server meanwhile
		}
		return false, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	n.attr.Size = max(n.attr.Size, uint64(off)+uint64(len(data)))
	n.attr.Mtime = now()
	f.changed(n)
	return true, nil
}

// decide finds out, by what is written, where an undecided file belongs, and puts
// it there. kept says that the data were taken and nothing is decided yet.
func (f *FS) decide(ctx context.Context, n *node, loc *local, data []byte, off int64) (kept bool, err error) {
	u := loc.open
	f.here.Lock()
	defer f.here.Unlock()
	f.mu.Lock()
	if n.loc != loc {
		f.mu.Unlock()
		return false, nil // decided while we waited
	}
	head := bytes.Clone(u.head)
	joins := off <= int64(len(head))
	if joins {
		over := copy(head[off:], data)
		head = append(head, data[over:min(len(data), len(appleDouble)-int(off))]...)
	}
	like := joins && bytes.HasPrefix(appleDouble, head)
	if like && len(head) < len(appleDouble) {
		u.head = head
		n.attr.Size = max(n.attr.Size, uint64(off)+uint64(len(data)))
		n.attr.Mtime = now()
		f.changed(n)
		f.mu.Unlock()
		return true, nil
	}
	gone := n.gone
	f.mu.Unlock()
	if like || gone {
		return false, f.keepHere(n, loc)
	}
	return false, f.toServer(ctx, n, loc)
}

// keepHere makes an undecided file a local one.
func (f *FS) keepHere(n *node, loc *local) error {
	f.mu.Lock()
	path, err := f.path(n)
	gone := n.gone
	mode, size, head := n.attr.Mode, int64(n.attr.Size), loc.open.head
	f.mu.Unlock()
	if err != nil && !gone {
		return err
	}
	id := loc.id
	if id == 0 {
		if id, err = f.createStored(path, mode, gone); err != nil {
			return err
		}
	}
	if err := f.local.WriteAt(id, head, 0, now()); err != nil {
		return err
	}
	if size > int64(len(head)) {
		end := uint64(size)
		if err := f.local.SetAttrs(id, localmeta.SetAttr{Size: &end}, now()); err != nil {
			return err
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	n.loc = &local{id: id}
	return nil
}

// createStored makes an empty file in the store; nameless is one for a file that
// was removed and is still open.
func (f *FS) createStored(path string, mode uint32, nameless bool) (uint64, error) {
	if nameless {
		path = temporaryName("")
	}
	var id uint64
	err := f.withRoom(func() error {
		info, err := f.local.Create(path, mode, now())
		id = info.ID
		return err
	})
	if err == nil && nameless {
		err = f.local.Remove(path, []uint64{id})
	}
	return id, err
}

// settle puts an undecided file where it belongs when nobody else will write to
// it: on the server. It says whether the file is there now.
func (f *FS) settle(ctx context.Context, n *node, alone bool) (bool, error) {
	if loc, due := f.toSettle(n, alone); !due {
		return loc == nil, nil
	}
	done, err := f.holdName(ctx, n)
	if err != nil {
		return false, err
	}
	defer done()
	f.here.Lock()
	defer f.here.Unlock()
	return f.settleLocked(ctx, n, alone)
}

// settleLocked is settle with FS.here held.
func (f *FS) settleLocked(ctx context.Context, n *node, alone bool) (bool, error) {
	loc, due := f.toSettle(n, alone)
	if !due {
		return loc == nil, nil
	}
	return true, f.toServer(ctx, n, loc)
}

// toSettle says whether it is time to decide where a file belongs: with alone,
// only when no other handle will.
func (f *FS) toSettle(n *node, alone bool) (loc *local, due bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	loc = n.loc
	return loc, loc != nil && loc.open != nil && !(alone && n.handles > 1) && !n.gone
}

// flushLocal is Flush and Fsync of what is here alone. done is false when the file
// is the server's now.
func (f *FS) flushLocal(ctx context.Context, h *handle, sync bool) (done bool, err error) {
	if f.localOf(h.n) == nil {
		return false, nil
	}
	if h.canWrite() {
		if moved, err := f.settle(ctx, h.n, !sync); moved || err != nil {
			return err != nil, err
		}
	}
	if sync {
		return true, f.local.Sync()
	}
	return true, nil
}

// closeLocal ends the use of a node that is here alone by one handle. FS.mu is
// held.
func (f *FS) closeLocal(n *node, loc *local) {
	if n.handles > 0 {
		return
	}
	switch {
	case n.gone && loc.id != 0:
		f.spawn(func(context.Context) {
			if err := f.local.Release(loc.id); err != nil {
				f.log.Warn("local metadata not removed", "err", err)
			}
		})
	case loc.open != nil && !n.gone:
		// Two closed it at a time, and each left it to the other.
		n.handles++
		f.spawn(func(ctx context.Context) {
			_, err := f.settle(context.WithoutCancel(ctx), n, false)
			if err != nil {
				f.log.Warn("a file is not on the server", "path", n.name, "err", err)
			}
			f.mu.Lock()
			defer f.mu.Unlock()
			n.handles--
			f.drop(n)
		})
	}
}

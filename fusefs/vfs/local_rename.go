package vfs

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"path"
	"syscall"
)

// renaming is what Rename found out.
type renaming struct {
	od, nd                      *node
	oldName, newName            string
	oldPath, newPath            string
	newShown                    string
	noReplace                   bool
	moving, target              *node
	movingHere, targetHere, dir bool
}

// renameLocal does the renames that have to do with what is here alone; done is
// false for all others, and for what is the server's now. Names move here without
// a round trip; a local file that gets an ordinary name is uploaded and synced;
// EXDEV tells the caller to copy by himself.
func (f *FS) renameLocal(ctx context.Context, r *renaming) (done bool, err error) {
	if !f.opts.LocalNames {
		return false, nil
	}
	f.here.Lock()
	defer f.here.Unlock()
	f.mu.Lock()
	r.moving, r.target = r.od.dir.children[r.oldName], r.nd.dir.children[r.newName]
	r.movingHere = r.moving != nil && r.moving.loc != nil
	r.targetHere = r.target != nil && r.target.loc != nil
	r.dir = r.moving != nil && r.moving.dir != nil
	to := f.belongs(r.nd, r.newName)
	if !r.movingHere && r.target != nil && !r.targetHere {
		to = onServer // upon litter that is there
	}
	undecided := r.movingHere && r.moving.loc.open != nil
	oldDir, err := f.path(r.od)
	if err == nil {
		var newDir string
		newDir, err = f.path(r.nd)
		r.oldPath, r.newPath = join(oldDir, r.oldName), join(newDir, r.newName)
	}
	f.mu.Unlock()
	switch {
	case err != nil:
		return true, err
	case to == nowhere:
		return true, errTrash
	case r.noReplace && r.target != nil && (r.movingHere || r.targetHere):
		return true, syscall.EEXIST
	case r.moving != nil && r.moving == r.target:
		return r.movingHere, nil
	case !r.movingHere && to == onlyHere:
		return true, syscall.EXDEV
	case !r.movingHere:
		return false, nil
	case to == onlyHere, to == byContent && !r.dir && (undecided || f.isAppleDouble(r.moving)):
		return true, f.moveHere(ctx, r)
	case r.dir:
		return true, syscall.EXDEV
	case undecided:
		if _, err := f.settleLocked(ctx, r.moving, false); err != nil {
			return true, err
		}
		if f.localOf(r.moving) == nil {
			return false, nil
		}
	}
	loc := f.localOf(r.moving)
	if loc == nil {
		return false, nil
	}
	if r.target != nil && r.target.dir != nil {
		return true, syscall.EISDIR
	}
	if err := f.uploadAs(ctx, r.moving, loc, r.oldPath, r.newPath); err != nil {
		return true, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.relink(r)
	return true, nil
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
		case r.dir && t.dir == nil:
			return syscall.ENOTDIR
		case !r.dir && t.dir != nil:
			return syscall.EISDIR
		case t.dir != nil && len(f.local.List(r.newPath)) > 0:
			return syscall.ENOTEMPTY
		}
		if !r.targetHere {
			// Litter on the server is replaced, too.
			if err := f.r.Remove(ctx, r.newPath); err != nil && !notExist(err) {
				return err
			}
		}
	}
	f.mu.Lock()
	open := f.openLocals()
	f.relink(r)
	f.mu.Unlock()
	return f.local.Rename(r.oldPath, r.newPath, open)
}

// relink moves the node of what was renamed. FS.mu is held.
func (f *FS) relink(r *renaming) {
	f.touchName(r.od, r.oldName)
	f.touchName(r.nd, r.newName)
	n := r.moving
	if c := r.nd.dir.children[r.newName]; c != nil && c != n {
		f.detach(c)
	}
	if n.gone {
		return // with its directory
	}
	if r.nd.gone {
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

// temporaryName is a name beside p for what is put into its place.
func temporaryName(p string) string {
	dir, _ := path.Split(p)
	return fmt.Sprintf("%s.sshfs-bridge-upload-%08x", dir, rand.Uint32())
}

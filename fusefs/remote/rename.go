package remote

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"

	"sshfs-bridge/fusefs/sftp"
)

// Rename moves oldp to newp and replaces what is there, in one step where the
// server has posix-rename. Without it what is there is moved aside and brought
// back if the rename then fails. A failure that looks like that of a rename
// between two filesystems of the server is ErrCrossDevice.
func (r *Remote) Rename(ctx context.Context, oldp, newp string) error {
	oldPath, newPath := r.abs(oldp), r.abs(newp)
	aside := aside{path: fmt.Sprintf("%s.sshfs-bridge-%016x", newPath[:strings.LastIndexByte(newPath, '/')+1], rand.Uint64())}
	move := r.objects.newMove(oldp, newp)
	err := runErr(ctx, r, "rename", oldp, func(ctx context.Context, c *sftp.Client) error {
		if err := r.prepare(ctx, move); err != nil {
			return err
		}
		if !c.Has(sftp.ExtPosixRename) {
			return aside.rename(ctx, c, oldPath, newPath)
		}
		return renameRefused(ctx, c, oldPath, newPath, c.PosixRename(ctx, oldPath, newPath))
	}, settleRenamed(oldPath, newPath))
	if err == nil {
		r.objects.renamed(oldp, newp)
	}
	move.end(err == nil || isStatus(err) && !aside.moved)
	return err
}

// renameRefused explains the general failure that servers answer to a rename
// across filesystems, as to much else: it is one when the old name is there and
// nothing stands in the new one's way.
func renameRefused(ctx context.Context, c *sftp.Client, oldPath, newPath string, err error) error {
	var s *sftp.StatusError
	if !errors.As(err, &s) || s.Code != sftp.StatusFailure {
		return err
	}
	if strings.HasPrefix(newPath, oldPath+"/") {
		return err // into itself
	}
	oldCall, newCall := c.StartLstat(oldPath), c.StartLstat(newPath)
	was, oldErr := oldCall.Wait(ctx)
	is, newErr := newCall.Wait(ctx)
	if oldErr != nil {
		return err
	}
	if isNotExist(newErr) || newErr == nil && !isDir(is) && !isDir(was) {
		return fmt.Errorf("%w: %w", ErrCrossDevice, err)
	}
	return err
}

// aside is a rename that replaces, made of renames that do not.
type aside struct {
	path  string
	moved bool // what was there may be at path: the answer may have been lost
}

func (a *aside) rename(ctx context.Context, c *sftp.Client, oldPath, newPath string) error {
	err := c.Rename(ctx, oldPath, newPath)
	if err != nil && isStatus(err) && !isNotExist(err) {
		err = a.replace(ctx, c, oldPath, newPath, err)
	}
	if err == nil && a.moved {
		a.moved = false
		if err := c.Remove(ctx, a.path); err != nil && !isNotExist(err) {
			return fmt.Errorf("remove what was replaced: %w", err)
		}
	}
	return err
}

// replace is the rename after a plain one was refused with first.
func (a *aside) replace(ctx context.Context, c *sftp.Client, oldPath, newPath string, first error) error {
	oldCall, newCall := c.StartLstat(oldPath), c.StartLstat(newPath)
	was, oldErr := oldCall.Wait(ctx)
	is, newErr := newCall.Wait(ctx)
	switch {
	case oldErr != nil:
		return first
	case newErr != nil:
		return renameRefused(ctx, c, oldPath, newPath, first)
	case oldPath == newPath:
		return nil
	case isDir(was) != isDir(is):
		return first
	case isDir(is):
		// Only an empty directory may be replaced, and rmdir takes no other.
		if err := c.Rmdir(ctx, newPath); err != nil {
			return err
		}
		return c.Rename(ctx, oldPath, newPath)
	}
	a.moved = true
	if err := c.Rename(ctx, newPath, a.path); err != nil {
		if isStatus(err) {
			a.moved = false
		}
		return err
	}
	err := c.Rename(ctx, oldPath, newPath)
	if err == nil || !isStatus(err) {
		return err
	}
	if back := c.Rename(ctx, a.path, newPath); back != nil {
		return fmt.Errorf("%w (and what was there is now %q: %w)", err, a.path, back)
	}
	a.moved = false
	return renameRefused(ctx, c, oldPath, newPath, err)
}

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
// server has posix-rename. Without it what is there is moved aside, and removed or
// brought back when it is known whether the rename happened: an error says where it is
// until then. A failure that looks like that of a rename
// between two filesystems of the server is ErrCrossDevice.
func (r *Remote) Rename(ctx context.Context, oldp, newp string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, r.o.PathTimeout, ErrTimeout)
	defer cancel()
	oldPath, newPath := r.abs(oldp), r.abs(newp)
	aside := aside{path: fmt.Sprintf("%s.sshfs-bridge-%016x", newPath[:strings.LastIndexByte(newPath, '/')+1], rand.Uint64())}
	m := &move{r: r, op: "rename", from: oldp, to: newp, settle: settleRenamed(oldPath, newPath)}
	err := m.run(ctx, func(ctx context.Context, c *sftp.Client) error {
		if !c.Has(sftp.ExtPosixRename) {
			return aside.rename(ctx, c, oldPath, newPath)
		}
		return renameRefused(ctx, c, oldPath, newPath, c.PosixRename(ctx, oldPath, newPath))
	})
	happened := err == nil
	sure := happened || isStatus(err)
	if happened || sure && !aside.moved {
		m.end(happened, sure)
	}
	if !aside.moved && len(m.objects) == 0 {
		return err // nobody asks what became of it
	}
	if aside.moved && !happened {
		err = fmt.Errorf("%w (what it was to replace may be %q for now)", err, aside.path)
	}
	tidied := make(chan struct{})
	if !r.spawn(func() {
		defer close(tidied)
		if !sure {
			happened, sure = m.find()
		}
		if aside.moved {
			r.tidy(aside.path, newPath, happened)
		}
		m.end(happened, sure)
	}) {
		m.end(happened, sure)
		return err
	}
	if aside.moved {
		_ = waitFor(ctx, tidied, -1)
	}
	return err
}

// tidy removes what was moved aside, or gives it its name back if the rename has not
// happened. It tries until the server has answered.
func (r *Remote) tidy(path, newPath string, renamed bool) {
	for {
		err := runErr(r.ctx, r, "end a rename", path, func(ctx context.Context, c *sftp.Client) error {
			if renamed {
				return c.Remove(ctx, path)
			}
			return c.Rename(ctx, path, newPath)
		}, nil)
		switch {
		case err == nil, isNotExist(err), r.ctx.Err() != nil:
			return
		case isStatus(err):
			r.log.Warn("a file that was replaced, or was to be, is left on the server", "path", path, "err", err)
			return
		}
		if sleep(r.ctx, movePause) != nil {
			return
		}
	}
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
	moved bool // what was there may be at path, even if the rename happened
}

func (a *aside) rename(ctx context.Context, c *sftp.Client, oldPath, newPath string) error {
	err := c.Rename(ctx, oldPath, newPath)
	if err != nil && isStatus(err) && !isNotExist(err) {
		err = a.replace(ctx, c, oldPath, newPath, err)
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
	before := a.moved
	a.moved = true // unless the server says no
	if err := c.Rename(ctx, newPath, a.path); err != nil {
		a.moved = before || !isStatus(err)
		return err
	}
	err := c.Rename(ctx, oldPath, newPath)
	if err == nil || !isStatus(err) {
		return err
	}
	if c.Rename(ctx, a.path, newPath) != nil {
		return err
	}
	a.moved = false
	return renameRefused(ctx, c, oldPath, newPath, err)
}

package vfs

import (
	"context"
	"errors"
	"io/fs"
	"syscall"

	"sshfs-bridge/fusefs/remote"
	"sshfs-bridge/fusefs/sftp"
)

// linkTrouble says that err tells of the link and not of the file: then what is
// known stays as good as it was.
func linkTrouble(err error) bool {
	return errors.Is(err, remote.ErrLinkDown) || errors.Is(err, remote.ErrTimeout) ||
		errors.Is(err, remote.ErrClosed) || errors.Is(err, sftp.ErrConnectionLost) ||
		errors.Is(err, context.DeadlineExceeded)
}

// notExist says that the server has no such file. A lost link never says so.
func notExist(err error) bool {
	return errors.Is(err, fs.ErrNotExist) && !linkTrouble(err)
}

// unspecific says that the server refused without telling why (SFTP has one code
// for most reasons), so that it is worth finding out.
func unspecific(err error) bool {
	var s *sftp.StatusError
	return errors.As(err, &s) && s.Code == sftp.StatusFailure
}

// whyWrite finds out whether a write failed for want of room.
func (f *FS) whyWrite(ctx context.Context, err error) error {
	if !unspecific(err) {
		return err
	}
	if st, serr := f.r.StatFS(ctx); serr == nil && st.Blocks > 0 && st.BlocksAvailable == 0 {
		return syscall.ENOSPC
	}
	return err
}

// whyCreate finds out whether something could not be made because the name is
// taken.
func (f *FS) whyCreate(ctx context.Context, path string, err error) error {
	if !unspecific(err) {
		return err
	}
	if _, serr := f.r.Lstat(ctx, path); serr == nil {
		return syscall.EEXIST
	}
	return f.whyWrite(ctx, err)
}

// errBadAttrs is the error for attributes that no file can have.
var errBadAttrs = errors.New("the server's attributes are out of range")

// ErrConnectionLost is sftp.ErrConnectionLost, for the table of errnos.
var ErrConnectionLost = sftp.ErrConnectionLost

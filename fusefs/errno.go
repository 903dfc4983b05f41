package fusefs

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fuse"

	"sshfs-bridge/fusefs/remote"
	"sshfs-bridge/fusefs/vfs"
)

// errnos is the one table that turns errors into what a program sees, read from
// top to bottom. The link's troubles come first: whatever a lost connection is
// wrapped around, it never looks like a file that does not exist.
var errnos = []struct {
	err   error
	errno syscall.Errno
}{
	{remote.ErrTimeout, syscall.ETIMEDOUT},
	{remote.ErrLinkDown, syscall.EIO},
	{remote.ErrChanged, syscall.EIO},
	{remote.ErrClosed, syscall.EIO},
	{vfs.ErrConnectionLost, syscall.EIO},
	{context.DeadlineExceeded, syscall.ETIMEDOUT},
	{context.Canceled, syscall.EINTR},
	{remote.ErrTooManyOpen, syscall.ENFILE},
	{remote.ErrCrossDevice, syscall.EXDEV},
	{remote.ErrNotDirectory, syscall.ENOTDIR},
	{remote.ErrUnsupported, syscall.EOPNOTSUPP},
	{fs.ErrNotExist, syscall.ENOENT},
	{fs.ErrPermission, syscall.EACCES},
	{fs.ErrExist, syscall.EEXIST},
	{syscall.ENOSPC, syscall.ENOSPC},
	{syscall.EDQUOT, syscall.EDQUOT},
	{syscall.EINVAL, syscall.EINVAL},
	{errors.ErrUnsupported, syscall.EOPNOTSUPP},
	{io.ErrUnexpectedEOF, syscall.EIO},
}

// errno turns an error into what a program sees; known is false for one that the
// table does not have, which is EIO and worth a line in the log.
func errno(err error) (e syscall.Errno, known bool) {
	if err == nil {
		return 0, true
	}
	if direct, ok := err.(syscall.Errno); ok {
		return direct, true
	}
	for _, row := range errnos {
		if errors.Is(err, row.err) {
			return row.errno, true
		}
	}
	// An errno inside another error may be the machine's own, of a socket for
	// example: only those are passed on that cannot be.
	var inner syscall.Errno
	if errors.As(err, &inner) {
		switch inner {
		case syscall.ENOTEMPTY, syscall.EISDIR, syscall.ENOTDIR, syscall.EROFS, syscall.ENOSPC, syscall.EEXIST, syscall.EINVAL, syscall.ENAMETOOLONG, syscall.ESTALE:
			return inner, true
		}
	}
	return syscall.EIO, false
}

// status is errno as go-fuse has it, logged when it is not known.
func (s *Server) status(op string, ino uint64, err error) fuse.Status {
	if err == nil {
		return fuse.OK
	}
	e, known := errno(err)
	if !known {
		s.log.Warn("operation failed", "op", op, "ino", ino, "err", err)
	}
	return fuse.Status(e)
}

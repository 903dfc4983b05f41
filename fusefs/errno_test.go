package fusefs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"syscall"
	"testing"

	"sshfs-bridge/fusefs/remote"
	"sshfs-bridge/fusefs/sftp"
)

// What a program sees of each error, and that a lost link never looks like a
// missing file, whatever it is wrapped around.
func TestErrno(t *testing.T) {
	status := func(code uint32) error { return fmt.Errorf("open: %w", &sftp.StatusError{Code: code}) }
	for _, c := range []struct {
		err  error
		want syscall.Errno
	}{
		{nil, 0},
		{syscall.ENOTEMPTY, syscall.ENOTEMPTY},
		{status(sftp.StatusNoSuchFile), syscall.ENOENT},
		{status(sftp.StatusNoSuchPath), syscall.ENOENT},
		{status(sftp.StatusPermissionDenied), syscall.EACCES},
		{status(sftp.StatusWriteProtect), syscall.EACCES},
		{status(sftp.StatusFileExists), syscall.EEXIST},
		{status(sftp.StatusUnsupported), syscall.EOPNOTSUPP},
		{status(sftp.StatusNoSpace), syscall.ENOSPC},
		{status(sftp.StatusQuotaExceeded), syscall.EDQUOT},
		{status(sftp.StatusBadMessage), syscall.EINVAL},
		{status(sftp.StatusFailure), syscall.EIO},
		{status(sftp.StatusConnectionLost), syscall.EIO},
		{remote.ErrLinkDown, syscall.EIO},
		{remote.ErrTimeout, syscall.ETIMEDOUT},
		{remote.ErrChanged, syscall.EIO},
		{remote.ErrClosed, syscall.EIO},
		{remote.ErrTooManyOpen, syscall.ENFILE},
		{remote.ErrCrossDevice, syscall.EXDEV},
		{remote.ErrUnsupported, syscall.EOPNOTSUPP},
		{sftp.ErrConnectionLost, syscall.EIO},
		{context.Canceled, syscall.EINTR},
		{context.DeadlineExceeded, syscall.ETIMEDOUT},
		{io.ErrUnexpectedEOF, syscall.EIO},
		{errors.New("something else"), syscall.EIO},
		{fmt.Errorf("read: %w", syscall.ECONNRESET), syscall.EIO},
		{fmt.Errorf("dial: %w", syscall.ENOENT), syscall.ENOENT},
		{fmt.Errorf("%w: %w", remote.ErrLinkDown, fs.ErrNotExist), syscall.EIO},
		{fmt.Errorf("%w: %w", fs.ErrNotExist, sftp.ErrConnectionLost), syscall.EIO},
		{fmt.Errorf("%w: %w", remote.ErrTimeout, syscall.EACCES), syscall.ETIMEDOUT},
	} {
		if got, _ := errno(c.err); got != c.want {
			t.Errorf("%v: got %v, want %v", c.err, got, c.want)
		}
	}
}

package remote

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"sshfs-bridge/fusefs/sftp"
	"sshfs-bridge/fusefs/sshdial"
)

// Sentinels of this package; test for them with errors.Is. What a server
// refused stays a *sftp.StatusError (and answers to fs.ErrNotExist,
// fs.ErrPermission and so on): none of the link's troubles ever looks like
// that.
var (
	// ErrLinkDown says that there is no connection to the server, and that
	// the operation did not wait for one, or waited in vain.
	ErrLinkDown = errors.New("no connection to the server")
	// ErrTimeout says that the server did not answer in time. What it was
	// asked to do may still happen.
	ErrTimeout = errors.New("the server did not answer in time")
	// ErrChanged says that an open file could not be opened again after the
	// connection was lost, because the server now has another file, or
	// another version of it, under that name (or none).
	ErrChanged = errors.New("the file changed on the server while the connection was lost")
	// ErrTooManyOpen says that the server lets no further file be open, and that
	// all which are open are in use.
	ErrTooManyOpen = errors.New("too many files are open on the server")
	// ErrClosed says that the Remote or the File was closed.
	ErrClosed = errors.New("closed")
	// ErrNotDirectory says that the root is not a directory.
	ErrNotDirectory = errors.New("not a directory")
	// ErrUnsupported says that the server lacks what the operation needs.
	// It answers to errors.ErrUnsupported too.
	ErrUnsupported = fmt.Errorf("not supported by the server: %w", errors.ErrUnsupported)
	// ErrCrossDevice says that a rename failed in the way that a rename
	// between two filesystems of the server does: the caller may copy.
	ErrCrossDevice = errors.New("rename refused, as between two filesystems")
	// ErrNeedsPerson is sshdial.ErrNeedsPerson.
	ErrNeedsPerson = sshdial.ErrNeedsPerson
)

// linkError is ErrLinkDown with what is known of the cause.
type linkError struct{ cause error }

func (e *linkError) Error() string {
	if e.cause == nil {
		return ErrLinkDown.Error()
	}
	return ErrLinkDown.Error() + ": " + e.cause.Error()
}

func (e *linkError) Is(target error) bool { return target == ErrLinkDown }

// linkDown gives ErrLinkDown with its cause. The cause is kept out of the
// error chain: a dial that failed with "no such file" must not look like a
// file that does not exist.
func linkDown(cause error) error { return &linkError{cause} }

// isLost says that err means the end of an SFTP session rather than an answer.
func isLost(err error) bool {
	return errors.Is(err, sftp.ErrConnectionLost)
}

// isStatus says that err is the server's own answer.
func isStatus(err error) bool {
	var s *sftp.StatusError
	return errors.As(err, &s)
}

func isNotExist(err error) bool { return errors.Is(err, fs.ErrNotExist) }

// fault is what a failed dial means for what happens next.
type fault int

const (
	faultTransient fault = iota // try again later
	faultRefused                // never again by itself: down
	faultPerson                 // a person must answer: needs-login
)

// classify says what a failed dial means. The order matters: a login that
// failed for want of an answer is an AuthError too.
func classify(err error) fault {
	var (
		host *sshdial.HostKeyError
		auth *sshdial.AuthError
	)
	switch {
	case err == nil:
		return faultTransient
	case errors.As(err, &host) && (host.Changed || host.Revoked):
		return faultRefused
	case errors.Is(err, sshdial.ErrNeedsPerson), errors.Is(err, sshdial.ErrNoPerson):
		return faultPerson
	case errors.As(err, &host), errors.As(err, &auth), errors.Is(err, sshdial.ErrNoSFTP), errors.Is(err, sshdial.ErrIncompatible):
		return faultRefused
	}
	return faultTransient
}

// contextCause gives the reason for which ctx ended, in this package's terms:
// our own deadlines are causes, a caller that went away is its ctx.Err.
func contextCause(ctx context.Context) error {
	if cause := context.Cause(ctx); cause != nil {
		if errors.Is(cause, context.DeadlineExceeded) {
			return ErrTimeout
		}
		return cause
	}
	return nil
}

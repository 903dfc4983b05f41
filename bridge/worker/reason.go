package worker

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"strings"

	"sshfs-bridge/fusefs/remote"
	"sshfs-bridge/fusefs/sftp"
	"sshfs-bridge/fusefs/sshdial"
)

// connectError is what the starter is told of a failed first connection.
func connectError(err error) *ConnectError {
	if err == nil {
		return nil
	}
	cause, reason := explain(err)
	return &ConnectError{Reason: reason, Cause: cause}
}

// explain sorts an error and says it in one line.
func explain(err error) (cause string, reason Reason) {
	// An error text may hold what a server sent: one line, no control
	// characters.
	cause = strings.Map(func(r rune) rune {
		switch {
		case r == '\n':
			return ' '
		case r < ' ' || r == 0x7f:
			return -1
		}
		return r
	}, strings.TrimSpace(err.Error()))
	return cause, reasonOf(err)
}

// reasonOf sorts an error. The order matters: a login that lacks a person is
// a refused login too, and a file that ssh_config names and that is missing
// is not the remote's directory.
func reasonOf(err error) Reason {
	var (
		config  configError
		host    *sshdial.HostKeyError
		auth    *sshdial.AuthError
		status  *sftp.StatusError
		network net.Error
	)
	switch {
	case errors.As(err, &config):
		return ReasonConfig
	case errors.As(err, &host) && (host.Changed || host.Revoked):
		return ReasonHostKey
	case errors.Is(err, sshdial.ErrNeedsPerson), errors.Is(err, sshdial.ErrNoPerson):
		return ReasonNeedsPerson // an unknown host key that nobody was there to look at, too
	case errors.As(err, &host):
		return ReasonHostKey
	case errors.As(err, &auth):
		return ReasonLogin
	case errors.Is(err, remote.ErrNotDirectory):
		return ReasonNotDirectory
	case errors.As(err, &status) && errors.Is(err, fs.ErrNotExist):
		return ReasonNoPath
	case errors.As(err, &status) && errors.Is(err, fs.ErrPermission):
		return ReasonPermission
	case errors.Is(err, sshdial.ErrNoSFTP), errors.Is(err, sshdial.ErrIncompatible), errors.Is(err, sshdial.ErrNotSSH):
		return ReasonOther
	case errors.As(err, &network), errors.Is(err, remote.ErrLinkDown), errors.Is(err, remote.ErrTimeout),
		errors.Is(err, context.DeadlineExceeded), errors.Is(err, sftp.ErrConnectionLost):
		return ReasonUnreachable
	default:
		return ReasonOther
	}
}

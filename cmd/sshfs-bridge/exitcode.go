package main

import (
	"context"
	"errors"
	"io/fs"

	"sshfs-bridge/bridge"
	"sshfs-bridge/bridge/api"
	"sshfs-bridge/bridge/client"
)

// The exit codes. They are documented in docs/cli.md and never renumbered.
const (
	exitOK          = 0 // done
	exitError       = 1 // anything else
	exitUsage       = 2 // the command line, or what it asks for, makes no sense
	exitConfig      = 3 // the configuration has problems
	exitUnreachable = 4 // no supervisor answers
	exitDegraded    = 5 // not up, or not everything is
	exitPermission  = 6 // this user may not do that
)

// usageError is a command line that makes no sense.
type usageError struct{ err error }

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

// codeError is an end with a code of its own. A nil err has been told already.
type codeError struct {
	code int
	err  error
}

func (e *codeError) Error() string {
	if e.err == nil {
		return ""
	}
	return e.err.Error()
}
func (e *codeError) Unwrap() error { return e.err }

// exitCode is the code that goes with an error.
func exitCode(err error) int {
	var (
		usage  *usageError
		code   *codeError
		config *bridge.ConfigError
		wire   *api.Error
	)
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &code):
		return code.code
	case errors.As(err, &usage):
		return exitUsage
	case errors.As(err, &config):
		return exitConfig
	case errors.Is(err, client.ErrUnreachable):
		return exitUnreachable
	case errors.Is(err, client.ErrDenied):
		return exitPermission
	case errors.As(err, &wire):
		return wireCode(wire.Code)
	case errors.Is(err, fs.ErrPermission):
		return exitPermission
	case errors.Is(err, context.Canceled):
		return exitError
	default:
		return exitError
	}
}

func wireCode(c api.ErrorCode) int {
	switch c {
	case api.CodeInvalid:
		return exitUsage
	case api.CodeConfig:
		return exitConfig
	case api.CodeNotUp:
		return exitDegraded
	case api.CodePermission:
		return exitPermission
	case api.CodeNotFound, api.CodeExists, api.CodeUnavailable, api.CodeInternal:
		return exitError
	default:
		return exitError
	}
}

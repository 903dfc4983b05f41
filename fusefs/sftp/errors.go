package sftp

import (
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
	"syscall"
)

var (
	// ErrConnectionLost is what every call's error is (errors.Is) when the
	// session ended before the reply came, whatever ended it.
	ErrConnectionLost = errors.New("connection lost")
	// ErrClosed is, besides ErrConnectionLost, the error after Client.Close.
	ErrClosed = errors.New("session closed")
	// ErrProtocol is, besides ErrConnectionLost, the error when the server's
	// bytes were not SFTP version 3 or not an answer to what was asked.
	ErrProtocol = errors.New("protocol error")
	// ErrNotSent is, besides its cause, the error of a call that ended before a
	// byte of its request was handed to the stream: the server never saw it.
	ErrNotSent = errors.New("request was not sent")
	// ErrAbandoned is the error of a call after Call.Abandon.
	ErrAbandoned = errors.New("call was abandoned")
	// ErrTooManyEntries is the error of a listing that does not end.
	ErrTooManyEntries = errors.New("directory has too many entries")
)

// Codes of StatusError. A version 3 server sends those up to StatusUnsupported;
// some servers send a few of the later versions' too.
const (
	StatusOK               uint32 = 0
	StatusEOF              uint32 = 1
	StatusNoSuchFile       uint32 = 2
	StatusPermissionDenied uint32 = 3
	StatusFailure          uint32 = 4
	StatusBadMessage       uint32 = 5
	StatusNoConnection     uint32 = 6
	StatusConnectionLost   uint32 = 7
	StatusUnsupported      uint32 = 8
	StatusInvalidHandle    uint32 = 9
	StatusNoSuchPath       uint32 = 10
	StatusFileExists       uint32 = 11
	StatusWriteProtect     uint32 = 12
	StatusNoSpace          uint32 = 14
	StatusQuotaExceeded    uint32 = 15
)

// StatusError is the server's refusal of one request. errors.Is knows it as
// fs.ErrNotExist, fs.ErrPermission, fs.ErrExist and errors.ErrUnsupported.
type StatusError struct {
	Code uint32
	Msg  string // the server's own words, at most maxStatusMsg bytes; not to be trusted
	Op   string // the request's kind, as in Counters
	Path string // the path or, for a rename or link, the first path; "" for a request by handle
}

// Error gives request, path, code and the server's words, with what a terminal
// could trip over quoted.
func (e *StatusError) Error() string {
	var b strings.Builder
	b.WriteString(e.Op)
	if e.Path != "" {
		b.WriteByte(' ')
		b.WriteString(strconv.Quote(e.Path))
	}
	b.WriteString(": ")
	b.WriteString(statusText(e.Code))
	if e.Msg != "" && !strings.EqualFold(e.Msg, statusText(e.Code)) {
		b.WriteString(" (server: ")
		b.WriteString(strconv.Quote(e.Msg))
		b.WriteByte(')')
	}
	return b.String()
}

// Is maps the code to the sentinels of io/fs and errors, and to an errno where they have
// none.
func (e *StatusError) Is(target error) bool {
	switch target {
	case fs.ErrNotExist:
		return e.Code == StatusNoSuchFile || e.Code == StatusNoSuchPath
	case fs.ErrPermission:
		return e.Code == StatusPermissionDenied || e.Code == StatusWriteProtect
	case fs.ErrExist:
		return e.Code == StatusFileExists
	case errors.ErrUnsupported:
		return e.Code == StatusUnsupported
	case syscall.ENOSPC:
		return e.Code == StatusNoSpace
	case syscall.EDQUOT:
		return e.Code == StatusQuotaExceeded
	case syscall.EINVAL:
		return e.Code == StatusBadMessage
	}
	return false
}

func statusText(code uint32) string {
	switch code {
	case StatusOK:
		return "ok"
	case StatusEOF:
		return "end of file"
	case StatusNoSuchFile:
		return "no such file"
	case StatusPermissionDenied:
		return "permission denied"
	case StatusFailure:
		return "failure"
	case StatusBadMessage:
		return "bad message"
	case StatusNoConnection:
		return "no connection"
	case StatusConnectionLost:
		return "connection lost"
	case StatusUnsupported:
		return "operation unsupported"
	case StatusInvalidHandle:
		return "invalid handle"
	case StatusNoSuchPath:
		return "no such path"
	case StatusFileExists:
		return "file already exists"
	case StatusWriteProtect:
		return "write protected"
	case StatusNoSpace:
		return "no space left"
	case StatusQuotaExceeded:
		return "quota exceeded"
	}
	return fmt.Sprintf("status %d", code)
}

// CallError is the error of a call that got no reply: given up by its caller
// (errors.Is with the context's error), or lost with the session.
type CallError struct {
	Op   string // the request's kind, as in Counters
	Path string
	Sent bool // whether the server may have seen the request
	Err  error
}

// Error gives request, path and cause.
func (e *CallError) Error() string {
	s := e.Op
	if e.Path != "" {
		s += " " + strconv.Quote(e.Path)
	}
	s += ": " + e.Err.Error()
	if !e.Sent {
		s += " (" + ErrNotSent.Error() + ")"
	}
	return s
}

// Unwrap gives the cause.
func (e *CallError) Unwrap() error { return e.Err }

// Is reports ErrNotSent for a request that never reached the stream.
func (e *CallError) Is(target error) bool { return target == ErrNotSent && !e.Sent }

// sessionError is what ended a session.
type sessionError struct{ cause error }

func (e *sessionError) Error() string        { return ErrConnectionLost.Error() + ": " + e.cause.Error() }
func (e *sessionError) Unwrap() error        { return e.cause }
func (e *sessionError) Is(target error) bool { return target == ErrConnectionLost }

// protocolError says how the server's bytes broke the protocol.
func protocolError(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrProtocol, fmt.Sprintf(format, args...))
}

// unsupported is the error of a request whose extension the server lacks.
func unsupported(k kind, path string) error {
	return &StatusError{Code: StatusUnsupported, Msg: "server lacks " + kinds[k].extension, Op: k.String(), Path: path}
}

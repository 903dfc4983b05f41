package api

import (
	"net/http"
	"strconv"
	"strings"
)

// ErrorCode is the kind of an Error, for programs.
type ErrorCode string

// The codes. They are a promise to scripts: never renamed.
const (
	CodeInvalid     ErrorCode = "invalid"     // the request makes no sense as it stands
	CodeConfig      ErrorCode = "config"      // the configuration has problems
	CodeNotFound    ErrorCode = "not-found"   // no mount of that name
	CodeExists      ErrorCode = "exists"      // the name is taken by another mount
	CodePermission  ErrorCode = "permission"  // this user may not ask for that
	CodeNotUp       ErrorCode = "not-up"      // the mount is not up, with the reason
	CodeUnavailable ErrorCode = "unavailable" // the supervisor is stopping, or lacks what it needs
	CodeInternal    ErrorCode = "internal"    // a fault of ours
)

// Error is what a request answers when it fails. It is an error in the
// client too.
type Error struct {
	Code    ErrorCode `json:"code"`
	Message string    `json:"message"`
	// Mount is the mount concerned, where there is one.
	Mount string `json:"mount,omitempty"`
	// Hint says what to do, in one line, where that is known.
	Hint string `json:"hint,omitempty"`
	// Problems are the single faults of a configuration.
	Problems []Problem `json:"problems,omitempty"`
}

// Error returns the message, with what to do after it.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Message)
	for _, p := range e.Problems {
		b.WriteString("\n  " + p.String())
	}
	if e.Hint != "" {
		b.WriteString("\n  " + e.Hint)
	}
	return b.String()
}

// HTTPStatus is the status code that goes with the error's code.
func (e *Error) HTTPStatus() int {
	switch e.Code {
	case CodeInvalid:
		return http.StatusBadRequest
	case CodeConfig:
		return http.StatusUnprocessableEntity
	case CodeNotFound:
		return http.StatusNotFound
	case CodeExists:
		return http.StatusConflict
	case CodePermission:
		return http.StatusForbidden
	case CodeNotUp:
		return http.StatusFailedDependency
	case CodeUnavailable:
		return http.StatusServiceUnavailable
	case CodeInternal:
		return http.StatusInternalServerError
	default:
		return http.StatusInternalServerError
	}
}

// Problem is one fault in a configuration file or in the environment.
type Problem struct {
	// File is the file's path, or "environment".
	File string `json:"file,omitempty"`
	// Line counts from 1; 0 where there is none.
	Line int `json:"line,omitempty"`
	// Key is the path of the setting, as "mounts[2].remote".
	Key string `json:"key,omitempty"`
	// Message says what is wrong and what would be right.
	Message string `json:"message"`
}

// String returns FILE:LINE: KEY: MESSAGE, without the parts that are not known.
func (p Problem) String() string {
	var b strings.Builder
	if p.File != "" {
		b.WriteString(p.File)
		if p.Line > 0 {
			b.WriteString(":" + strconv.Itoa(p.Line))
		}
		b.WriteString(": ")
	}
	if p.Key != "" {
		b.WriteString(p.Key + ": ")
	}
	b.WriteString(p.Message)
	return b.String()
}

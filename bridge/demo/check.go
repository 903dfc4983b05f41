package demo

import (
	"context"
	"errors"
	"log/slog"
	"time"
)

// CheckOptions say where the self-check looks.
type CheckOptions struct {
	// Addr is the SMB server's host:port.
	Addr string
	// Share is the share that shows Dir.
	Share string
	// Dir is the directory behind the share, as it lies on the server.
	Dir string
	// User and Password log in; an empty user is guest.
	User, Password string
	// Logger gets each step; nil discards it.
	Logger *slog.Logger
}

// Step is one thing that the self-check did.
type Step struct {
	Name     string        // such as "write"
	Detail   string        // such as "8 MiB, equal hash on the server"
	Duration time.Duration // how long the SMB part took
	Bytes    int64         // how much data it carried, 0 where that says nothing
	Err      error
}

// SelfCheck lists, reads, writes, renames and deletes through SMB and compares
// each result with what lies in the directory. It returns the steps it came
// to, and an error that wraps ErrCheck when one of them failed.
func SelfCheck(ctx context.Context, o CheckOptions) ([]Step, error) {
	return nil, errors.ErrUnsupported
}

package demo

import (
	"context"
	"errors"
	"io"
	"log/slog"
)

// Options are the settings of a demo. The zero value works in the image.
type Options struct {
	// Dir is where samples, keys and the bridge's own directories are made;
	// empty is a temporary directory, removed at the end.
	Dir string
	// SSHAddr is where the embedded SFTP server listens; empty is 127.0.0.1:0.
	SSHAddr string
	// Port is smbd's port; 0 is 445.
	Port int
	// PublishedPort is the port that the Mac sees, for the URL that is
	// printed; 0 is 10445 in a container and Port elsewhere.
	PublishedPort int
	// Check ends Run after the self-check.
	Check bool
	// LargeBytes is the size of the large sample; 0 is 64 MiB.
	LargeBytes int64
	// Out gets the report; nil is standard output.
	Out io.Writer
	// Logger gets what the parts log; nil discards it.
	Logger *slog.Logger
}

// ErrCheck is wrapped by the error of Run and SelfCheck when a step of the
// self-check failed.
var ErrCheck = errors.New("self-check failed")

// Run serves the samples through the whole bridge until ctx ends, prints what
// the self-check found and how to go on. It returns nil when it was stopped, or
// when Options.Check is set and every step passed.
func Run(ctx context.Context, o Options) error { return errors.ErrUnsupported }

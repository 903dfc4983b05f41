package demo

import (
	"context"
	"errors"
	"log/slog"
)

// ServerOptions are the settings of the embedded SFTP server.
type ServerOptions struct {
	// Dir is the directory that is served, and all that can be reached.
	Dir string
	// Addr is the address to listen on; empty is 127.0.0.1:0.
	Addr string
	// SSHDir gets what a client needs to log in: known_hosts, id_ed25519 and a
	// config that names both. It is made with mode 0700.
	SSHDir string
	// Logger gets logins and errors; nil discards them.
	Logger *slog.Logger
}

// Server is an SSH server that offers the SFTP subsystem over one directory
// to the holder of one key.
type Server struct{}

// NewServer makes the keys, writes them to SSHDir and listens. The caller
// calls Serve, then Close.
func NewServer(o ServerOptions) (*Server, error) { return nil, errors.ErrUnsupported }

// Addr is the host:port that the server listens on.
func (s *Server) Addr() string { return "" }

// KnownHostsLine is the line that verifies the server's host key.
func (s *Server) KnownHostsLine() string { return "" }

// Serve takes connections until ctx ends or Close is called, and returns when
// the last one is closed.
func (s *Server) Serve(ctx context.Context) error { return errors.ErrUnsupported }

// Close stops listening, ends every connection and waits for them. It is
// idempotent.
func (s *Server) Close() error { return nil }

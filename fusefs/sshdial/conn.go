package sshdial

import (
	"context"
	"errors"
	"io"
	"time"
)

// Conn is a live, authenticated SSH connection. It is safe for concurrent use.
type Conn struct{}

// Info describes a connection.
type Info struct {
	ServerVersion      string // the server's version line, free of control characters
	Cipher             string // of what we receive
	KeyExchange        string
	HostKeyFingerprint string // SHA256:...
	User               string
	Addr               string // host:port of the last hop
}

// OpenSFTP opens a channel and starts the SFTP subsystem on it. It returns
// ErrChannelRefused where the server allows no further channel, and ErrNoSFTP
// where it has no such subsystem. The caller closes the channel; its
// Close does not wait for the network.
func (c *Conn) OpenSFTP(ctx context.Context) (io.ReadWriteCloser, error) {
	return nil, errors.New("not built yet")
}

// Ping sends a keepalive and waits for the answer; it returns the time that
// took.
func (c *Conn) Ping(ctx context.Context) (time.Duration, error) {
	return 0, errors.New("not built yet")
}

// Done is closed when the connection has ended.
func (c *Conn) Done() <-chan struct{} { return nil }

// Err says why the connection ended; nil while it has not.
func (c *Conn) Err() error { return nil }

// Close ends the connection and every channel on it, and waits until all that
// belongs to it is gone. It does not wait for the network.
func (c *Conn) Close() error { return nil }

// Info describes the connection.
func (c *Conn) Info() Info { return Info{} }

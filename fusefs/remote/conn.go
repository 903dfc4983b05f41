package remote

import (
	"context"
	"io"
	"time"

	"sshfs-bridge/fusefs/sftp"
)

// Conn is one live, authenticated connection to the server. *sshdial.Conn is
// one.
type Conn interface {
	// OpenSFTP opens a channel with the SFTP subsystem. An error that is
	// sshdial.ErrChannelRefused means that there is no room for another.
	OpenSFTP(ctx context.Context) (io.ReadWriteCloser, error)
	// Ping asks for a sign of life and waits for it.
	Ping(ctx context.Context) (time.Duration, error)
	// KeepsOrder says that the server is known to handle the requests of a session
	// one after the other.
	KeepsOrder() bool
	// Done is closed when the connection has ended, for the reason Err.
	Done() <-chan struct{}
	Err() error
	// Close ends the connection and all its channels, without waiting for
	// the network.
	Close() error
}

// PatientConn is what a Conn may also be: it says how a silent server is borne where
// the user's configuration does, and 0 where that says nothing.
type PatientConn interface {
	// Keepalive gives what Options.KeepaliveInterval means, and how many signs
	// of life may be missing in a row.
	Keepalive() (interval time.Duration, count int)
}

// PatientDialer is what a Dialer may also be: it says how long one attempt may take
// where the user's configuration does, and 0 where that says nothing.
type PatientDialer interface {
	DialTimeout() time.Duration
}

// Dialer makes connections. The Remote never dials twice at the same time.
type Dialer interface {
	// Dial connects and logs in. Only where interactive is true a person may
	// be asked. Errors are told apart as sshdial has them: *AuthError,
	// *HostKeyError, ErrNeedsPerson; everything else is worth another try.
	Dial(ctx context.Context, interactive bool) (Conn, error)
}

// Attrs are the attributes of a file as SFTP v3 has them.
type Attrs = sftp.Attrs

// Entry is one name in a directory, with its attributes (those of the link
// itself where it is a symbolic link).
type Entry = sftp.Name

// StatFS is the answer to a question for free space.
type StatFS = sftp.StatVFS

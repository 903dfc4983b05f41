package sshdial

import (
	"context"
	"errors"
	"time"
)

// Route is a Target whose configuration was evaluated. It is safe for
// concurrent use, and holds no connection of its own.
type Route struct {
	// Host is the target as given; HostName, Port and User are what the
	// configuration made of it.
	Host, HostName string
	Port           int
	User           string
	// Notes are settings that have no effect here, one sentence each.
	Notes []string
	// ConnectTimeout bounds a whole dial (15 s by default), person excluded.
	ConnectTimeout time.Duration
	// ServerAliveInterval and ServerAliveCountMax are as configured, 0 where
	// they are not. Who owns the connection sends the keepalives (Conn.Ping).
	ServerAliveInterval time.Duration
	ServerAliveCountMax int
}

// Resolve evaluates ssh_config for t. It reads files and asks nothing of the
// network. The error names the setting that is at fault.
func Resolve(t Target, o Options) (*Route, error) {
	return nil, errors.New("not built yet")
}

// Dial connects, hop by hop, verifies each host key and logs in. A nil asker
// means that nobody can be asked: what needs a person then fails with
// ErrNeedsPerson. Errors: *HostKeyError, *AuthError, ErrNeedsPerson, the
// context's, and anything else is the network's (worth trying again later).
// The caller closes the Conn.
func (r *Route) Dial(ctx context.Context, asker Asker) (*Conn, error) {
	return nil, errors.New("not built yet")
}

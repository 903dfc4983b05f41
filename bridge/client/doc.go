// Package client speaks to a running supervisor over its control socket.
//
// The zero Client works: it finds the socket by SSHFS_BRIDGE_SOCKET or at its
// usual place. Every method takes a context and may be used by several
// goroutines at once. Errors of the supervisor arrive as *api.Error; when
// nobody listens the error matches ErrUnreachable and says what to do.
package client

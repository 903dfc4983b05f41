package sshdial

import (
	"fmt"
	"net"
	"os"
	"time"

	"golang.org/x/crypto/ssh"
)

// directTCPIP is the payload of RFC 4254, 7.2.
type directTCPIP struct {
	Host       string
	Port       uint32
	OriginHost string
	OriginPort uint32
}

// forward opens a channel through a jump host to the next hop.
func (l *link) forward(to *hop) (net.Conn, error) {
	payload := ssh.Marshal(directTCPIP{Host: to.hostName, Port: uint32(to.port), OriginHost: "127.0.0.1", OriginPort: 0}) //nolint:gosec // a port
	ch, reqs, err := l.conn.OpenChannel("direct-tcpip", payload)
	if err != nil {
		return nil, fmt.Errorf("connect to %s through it: %w", to.addr(), quotedError{err})
	}
	l.wg.Go(func() { ssh.DiscardRequests(reqs) })
	return &forwarded{Channel: ch, local: l.conn.LocalAddr(), remote: l.conn.RemoteAddr()}, nil
}

// forwarded is a channel as a net.Conn. It has no deadlines: who needs one
// closes the connection below (see guard).
type forwarded struct {
	ssh.Channel
	local, remote net.Addr
}

func (f *forwarded) LocalAddr() net.Addr              { return f.local }
func (f *forwarded) RemoteAddr() net.Addr             { return f.remote }
func (f *forwarded) SetDeadline(time.Time) error      { return os.ErrNoDeadline }
func (f *forwarded) SetReadDeadline(time.Time) error  { return os.ErrNoDeadline }
func (f *forwarded) SetWriteDeadline(time.Time) error { return os.ErrNoDeadline }

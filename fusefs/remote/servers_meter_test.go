package remote_test

import (
	"context"
	"io"
	"sync"
	"sync/atomic"

	"sshfs-bridge/fusefs/remote"
	"sshfs-bridge/fusefs/sshdial"
)

// sessionMeter counts what is read on each SFTP session of a link.
type sessionMeter struct {
	mu       sync.Mutex
	conns    int
	sessions []*meteredStream
}

// readers gives how many sessions have read at least n bytes, and how many of them are
// on a further connection.
func (m *sessionMeter) readers(n int64) (all, further int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, s := range m.sessions {
		if s.read.Load() < n {
			continue
		}
		all++
		if s.further {
			further++
		}
	}
	return all, further
}

// forget begins to count again.
func (m *sessionMeter) forget() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, s := range m.sessions {
		s.read.Store(0)
	}
}

// meteredDialer makes connections whose sessions are counted.
type meteredDialer struct {
	routeDialer
	meter *sessionMeter
}

func (d meteredDialer) Dial(ctx context.Context, interactive bool) (remote.Conn, error) {
	c, err := d.routeDialer.Dial(ctx, interactive)
	if err != nil {
		return nil, err
	}
	d.meter.mu.Lock()
	defer d.meter.mu.Unlock()
	d.meter.conns++
	return meteredConn{c.(*sshdial.Conn), d.meter, d.meter.conns > 1}, nil
}

type meteredConn struct {
	*sshdial.Conn
	meter   *sessionMeter
	further bool
}

func (c meteredConn) OpenSFTP(ctx context.Context) (io.ReadWriteCloser, error) {
	stream, err := c.Conn.OpenSFTP(ctx)
	if err != nil {
		return nil, err
	}
	s := &meteredStream{ReadWriteCloser: stream, further: c.further}
	c.meter.mu.Lock()
	defer c.meter.mu.Unlock()
	c.meter.sessions = append(c.meter.sessions, s)
	return s, nil
}

type meteredStream struct {
	io.ReadWriteCloser
	further bool
	read    atomic.Int64
}

func (s *meteredStream) Read(p []byte) (int, error) {
	n, err := s.ReadWriteCloser.Read(p)
	s.read.Add(int64(n))
	return n, err
}

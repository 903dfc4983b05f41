package fusefs

import (
	"context"
	"io"
	"net"
	"os"
	"os/exec"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pkg/sftp"

	"sshfs-bridge/e2e/testenv"
)

// streamConn is a connection to a server of which each channel is a stream of its
// own: no operation is delayed, but opening a channel and a sign of life are.
type streamConn struct {
	open       func() (ours io.ReadWriteCloser, serve func(), err error)
	keepsOrder bool
	// rtt is what a sign of life takes, by which a remote says how many channels a
	// stream will want, and what opening a channel takes twice.
	rtt  time.Duration
	done chan struct{}
	once sync.Once
	wg   sync.WaitGroup
	mu   sync.Mutex
	ours []*countedStream
}

// countedStream counts what a channel carries.
type countedStream struct {
	io.ReadWriteCloser
	bytes atomic.Int64
}

func (s *countedStream) Read(b []byte) (int, error) {
	n, err := s.ReadWriteCloser.Read(b)
	s.bytes.Add(int64(n))
	return n, err
}

func (s *countedStream) Write(b []byte) (int, error) {
	n, err := s.ReadWriteCloser.Write(b)
	s.bytes.Add(int64(n))
	return n, err
}

// carried gives what each channel has carried, also those that were closed.
func (c *streamConn) carried() (bytes []int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range c.ours {
		bytes = append(bytes, s.bytes.Load())
	}
	return bytes
}

// newPkgConn connects to pkg/sftp's server: one without OpenSSH's extensions for
// limits, copies and links, and with packets of 32 KiB.
func newPkgConn(dir string) *streamConn {
	return &streamConn{done: make(chan struct{}), open: func() (io.ReadWriteCloser, func(), error) {
		ours, theirs := net.Pipe()
		srv, err := sftp.NewServer(theirs, sftp.WithServerWorkingDirectory(dir))
		if err != nil {
			return nil, nil, err
		}
		return ours, func() {
			srv.Serve()
			theirs.Close()
		}, nil
	}}
}

// newOpenSSHConn connects to OpenSSH's own server, a process for each channel: what
// internal-sftp is within sshd.
func newOpenSSHConn(dir string) *streamConn {
	return &streamConn{done: make(chan struct{}), keepsOrder: true, open: func() (io.ReadWriteCloser, func(), error) {
		cmd := exec.Command(testenv.SFTPServerProgram(), "-e", "-d", dir)
		cmd.Stderr = os.Stderr
		in, err := cmd.StdinPipe()
		if err != nil {
			return nil, nil, err
		}
		out, err := cmd.StdoutPipe()
		if err != nil {
			return nil, nil, err
		}
		if err := cmd.Start(); err != nil {
			return nil, nil, err
		}
		// It ends with its input; Wait would close the output before it is read.
		return pipes{Reader: out, WriteCloser: in}, func() { cmd.Process.Wait() }, nil
	}}
}

// pipes joins a child's standard output and input.
type pipes struct {
	io.Reader
	io.WriteCloser
}

func (c *streamConn) OpenSFTP(ctx context.Context) (io.ReadWriteCloser, error) {
	if err := c.wait(ctx, 2*c.rtt); err != nil {
		return nil, err
	}
	stream, serve, err := c.open()
	if err != nil {
		return nil, err
	}
	ours := &countedStream{ReadWriteCloser: stream}
	c.mu.Lock()
	c.ours = append(c.ours, ours)
	c.mu.Unlock()
	c.wg.Go(serve)
	return ours, nil
}

func (c *streamConn) Ping(ctx context.Context) (time.Duration, error) {
	return c.rtt, c.wait(ctx, c.rtt)
}

func (c *streamConn) wait(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (c *streamConn) KeepsOrder() bool      { return c.keepsOrder }
func (c *streamConn) Done() <-chan struct{} { return c.done }
func (c *streamConn) Err() error            { return nil }

func (c *streamConn) Close() error {
	c.once.Do(func() {
		close(c.done)
		c.mu.Lock()
		for _, conn := range c.ours {
			conn.Close()
		}
		c.mu.Unlock()
		c.wg.Wait()
	})
	return nil
}

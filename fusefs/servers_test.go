package fusefs

import (
	"context"
	"io"
	"net"
	"os"
	"os/exec"
	"sync"
	"time"

	"github.com/pkg/sftp"

	"sshfs-bridge/e2e/testenv"
)

// streamConn is a connection to a server of which each channel is a stream of its
// own: nothing is counted, and nothing delayed.
type streamConn struct {
	open       func() (ours io.ReadWriteCloser, serve func(), err error)
	keepsOrder bool
	done       chan struct{}
	once       sync.Once
	wg         sync.WaitGroup
	mu         sync.Mutex
	ours       []io.Closer
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

func (c *streamConn) OpenSFTP(context.Context) (io.ReadWriteCloser, error) {
	ours, serve, err := c.open()
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	c.ours = append(c.ours, ours)
	c.mu.Unlock()
	c.wg.Go(serve)
	return ours, nil
}

func (c *streamConn) Ping(context.Context) (time.Duration, error) { return time.Millisecond, nil }
func (c *streamConn) KeepsOrder() bool                            { return c.keepsOrder }
func (c *streamConn) Done() <-chan struct{}                       { return c.done }
func (c *streamConn) Err() error                                  { return nil }

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

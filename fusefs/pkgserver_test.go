package fusefs

import (
	"context"
	"io"
	"net"
	"sync"
	"time"

	"github.com/pkg/sftp"
)

// pkgConn is a connection to pkg/sftp's server: one without OpenSSH's extensions
// for limits, copies and links, and with packets of 32 KiB.
type pkgConn struct {
	dir  string
	done chan struct{}
	once sync.Once
	wg   sync.WaitGroup
	mu   sync.Mutex
	open []net.Conn
}

func newPkgConn(dir string) *pkgConn { return &pkgConn{dir: dir, done: make(chan struct{})} }

func (c *pkgConn) OpenSFTP(context.Context) (io.ReadWriteCloser, error) {
	ours, theirs := net.Pipe()
	srv, err := sftp.NewServer(theirs, sftp.WithServerWorkingDirectory(c.dir))
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	c.open = append(c.open, ours, theirs)
	c.mu.Unlock()
	c.wg.Go(func() {
		srv.Serve()
		theirs.Close()
	})
	return ours, nil
}

func (c *pkgConn) Ping(context.Context) (time.Duration, error) { return time.Millisecond, nil }
func (c *pkgConn) Done() <-chan struct{}                       { return c.done }
func (c *pkgConn) Err() error                                  { return nil }

func (c *pkgConn) Close() error {
	c.once.Do(func() {
		close(c.done)
		c.mu.Lock()
		for _, conn := range c.open {
			conn.Close()
		}
		c.mu.Unlock()
		c.wg.Wait()
	})
	return nil
}

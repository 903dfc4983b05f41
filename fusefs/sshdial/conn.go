package sshdial

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/ssh"
)

// Conn is a live, authenticated SSH connection. It is safe for concurrent use.
type Conn struct {
	base   net.Conn // the TCP connection at the bottom
	hops   []*link  // the last one is the target
	remote string
	log    *slog.Logger
	done   chan struct{} // closed when the connection has ended
	info   Info
	route  *Route
	latest atomic.Pointer[sftpChannel] // opened last, for Ping
	alone  atomic.Bool                 // the one session that ProFTPD bears was asked for

	mu     sync.Mutex     // guards all below
	err    error          // why it ended; set before done is closed
	closed bool           // Close was called: nothing may be started
	wg     sync.WaitGroup // what runs on behalf of callers; Add under mu
}

// link is the connection to one hop, and what serves it.
type link struct {
	conn ssh.Conn
	key  ssh.PublicKey
	wg   sync.WaitGroup
}

// Info describes a connection.
type Info struct {
	ServerVersion      string // the server's version line, free of control characters
	Cipher             string // of what we receive
	KeyExchange        string
	HostKeyFingerprint string // the key's type and SHA256:...
	User               string
	Addr               string // host:port of the TCP peer: the first hop
}

// add takes over the connection to a further hop, and refuses what its server
// asks of us: channels (X11, agent, forwarding) and requests (host keys,
// keepalives, which want an answer, whatever it is).
func (c *Conn) add(sc ssh.Conn, chans <-chan ssh.NewChannel, reqs <-chan *ssh.Request, key ssh.PublicKey) {
	l := &link{conn: sc, key: key}
	l.wg.Go(func() { ssh.DiscardRequests(reqs) })
	l.wg.Go(func() {
		for ch := range chans {
			_ = ch.Reject(ssh.Prohibited, "not allowed")
		}
	})
	c.hops = append(c.hops, l)
}

// target is the hop that serves SFTP.
func (c *Conn) target() *link { return c.hops[len(c.hops)-1] }

// watch notices the end of the connection. It runs from the time Dial has
// succeeded until Close.
func (c *Conn) watch() {
	t := c.target()
	c.info = Info{
		ServerVersion:      printable(string(t.conn.ServerVersion())),
		HostKeyFingerprint: fingerprint(t.key),
		User:               t.conn.User(),
		Addr:               c.base.RemoteAddr().String(),
	}
	if m, ok := t.conn.(ssh.AlgorithmsConnMetadata); ok {
		a := m.Algorithms()
		c.info.Cipher, c.info.KeyExchange = a.Read.Cipher, a.KeyExchange
	}
	c.wg.Go(func() {
		err := t.conn.Wait()
		if err == nil || errors.Is(err, io.EOF) {
			err = fmt.Errorf("connection to %s ended by the server: %w", c.remote, io.ErrUnexpectedEOF)
		} else {
			err = fmt.Errorf("connection to %s lost: %w", c.remote, quotedError{err})
		}
		c.end(err)
		// A jump host must not keep the rest alive, nor a server that ended
		// its side ours.
		_ = c.base.Close()
		close(c.done)
	})
}

// end records why the connection ended; the first reason stays.
func (c *Conn) end(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err == nil {
		c.err = err
	}
}

// start runs f in a goroutine that Close waits for. It returns an error, and
// does not run f, where Close was called.
func (c *Conn) start(f func()) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return c.err
	}
	c.wg.Go(f)
	return nil
}

// Ping sends a keepalive and waits for the answer; it returns the time that
// took. A Ping that was given up leaves its question under way; pings are
// answered in order, so one more waits behind it.
func (c *Conn) Ping(ctx context.Context) (time.Duration, error) {
	type result struct {
		d   time.Duration
		err error
	}
	ask := c.askConnection
	if strings.HasPrefix(c.info.ServerVersion, "SSH-2.0-tinyssh") {
		ask = c.askChannel
	}
	answer := make(chan result, 1)
	err := c.start(func() {
		begin := time.Now()
		err := ask()
		answer <- result{time.Since(begin), err}
	})
	if err != nil {
		return 0, err
	}
	select {
	case r := <-answer:
		if r.err != nil {
			return 0, c.lost(r.err)
		}
		return r.d, nil
	case <-ctx.Done():
		return 0, context.Cause(ctx)
	}
}

// askConnection asks as OpenSSH's client does: any answer is a sign of life.
func (c *Conn) askConnection() error {
	_, _, err := c.target().conn.SendRequest("keepalive@openssh.com", true, nil)
	return err
}

// askChannel asks through a channel, if there is one: TinySSH answers what is
// asked of the connection with UNIMPLEMENTED, over which x/crypto/ssh ends it.
func (c *Conn) askChannel() error {
	ch := c.latest.Load()
	if ch == nil {
		return nil
	}
	_, err := ch.channel.SendRequest("keepalive@openssh.com", true, nil)
	if errors.Is(err, io.EOF) {
		return nil // that channel is closed, which says nothing of the connection
	}
	return err
}

// lost prefers the reason why the connection ended to what an operation on it
// saw of that.
func (c *Conn) lost(err error) error {
	select {
	case <-c.done:
		return c.Err()
	case <-time.After(time.Second):
		// The operation failed, and the connection stands: its own error it is.
		return quotedError{err}
	}
}

// Done is closed when the connection has ended, by Close too.
func (c *Conn) Done() <-chan struct{} { return c.done }

// Err says why the connection ended; nil while it has not.
func (c *Conn) Err() error {
	select {
	case <-c.done:
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.err
	default:
		return nil
	}
}

// Close ends the connection and every channel on it, and waits until all that
// belongs to it is gone. It does not wait for the network: what was written
// and is not sent is lost. It may be called more than once.
func (c *Conn) Close() error {
	c.mu.Lock()
	if c.err == nil {
		c.err = ErrClosed
	}
	c.closed = true
	c.mu.Unlock()
	// The bottom first: then nothing above can block on it.
	if c.base != nil {
		_ = c.base.Close()
	}
	for i := len(c.hops) - 1; i >= 0; i-- {
		_ = c.hops[i].conn.Close()
		_ = c.hops[i].conn.Wait()
	}
	c.wg.Wait() // nothing of ours adds to the hops any more
	for _, l := range c.hops {
		l.wg.Wait()
	}
	return nil
}

// KeepsOrder says that the server is known to handle the requests of an SFTP session one
// after the other: OpenSSH is, and those which start its sftp-server for want of their own.
func (c *Conn) KeepsOrder() bool {
	for _, name := range []string{"OpenSSH", "dropbear", "tinyssh"} {
		if strings.HasPrefix(c.info.ServerVersion, "SSH-2.0-"+name) {
			return true
		}
	}
	return false
}

// Keepalive gives ServerAliveInterval and ServerAliveCountMax, 0 where they are not
// configured.
func (c *Conn) Keepalive() (interval time.Duration, count int) {
	return c.route.ServerAliveInterval, c.route.ServerAliveCountMax
}

// Info describes the connection.
func (c *Conn) Info() Info { return c.info }

package sshdial

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"

	"golang.org/x/crypto/ssh"
)

// OpenSFTP opens a channel and starts the SFTP subsystem on it. It returns
// ErrChannelRefused where the server allows no further channel, and ErrNoSFTP
// where it has no such subsystem. The caller closes the channel; its
// Close does not wait for the network.
func (c *Conn) OpenSFTP(ctx context.Context) (io.ReadWriteCloser, error) {
	if strings.HasPrefix(c.info.ServerVersion, "SSH-2.0-mod_sftp") && !c.alone.CompareAndSwap(false, true) {
		// ProFTPD puts the requests of all channels together in one buffer: what one
		// sends between two parts of another's WRITE ends up in that file. See
		// https://github.com/proftpd/proftpd/issues/1897.
		return nil, fmt.Errorf("%w: ProFTPD mixes up the sessions of one connection", ErrChannelRefused)
	}
	type result struct {
		ch  *sftpChannel
		err error
	}
	answer := make(chan result)
	err := c.start(func() {
		ch, err := c.openSFTP()
		select {
		case answer <- result{ch, err}:
		case <-ctx.Done():
			// Too late: nobody wants it any more.
			if err == nil {
				_ = ch.channel.Close()
			}
		}
	})
	if err != nil {
		return nil, err
	}
	select {
	case r := <-answer:
		if r.err != nil {
			return nil, r.err
		}
		return r.ch, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

func (c *Conn) openSFTP() (*sftpChannel, error) {
	ch, reqs, err := c.target().conn.OpenChannel("session", nil)
	if err != nil {
		var refused *ssh.OpenChannelError
		if errors.As(err, &refused) {
			return nil, fmt.Errorf("%w: %s (%s)", ErrChannelRefused, printable(refused.Message), refused.Reason)
		}
		return nil, c.lost(err)
	}
	s := &sftpChannel{channel: ch, conn: c}
	l := c.target()
	l.wg.Go(func() { ssh.DiscardRequests(reqs) })
	l.wg.Go(func() { s.drainStderr() })
	ok, err := ch.SendRequest("subsystem", true, ssh.Marshal(struct{ Name string }{"sftp"}))
	if err != nil || !ok {
		_ = ch.Close()
		if err != nil {
			return nil, c.lost(err)
		}
		return nil, ErrNoSFTP
	}
	c.latest.Store(s)
	return s, nil
}

// sftpChannel is a session channel that carries SFTP.
type sftpChannel struct {
	channel ssh.Channel
	conn    *Conn
	once    sync.Once
}

// Read implements io.Reader.
func (s *sftpChannel) Read(p []byte) (int, error) { return s.channel.Read(p) }

// Write implements io.Writer. It blocks while the server's window is full.
func (s *sftpChannel) Write(p []byte) (int, error) { return s.channel.Write(p) }

// Close tells the server, without waiting until it was told: the link may be
// stalled. A Read or Write under way ends once the server has answered, or the
// connection ends.
func (s *sftpChannel) Close() error {
	s.once.Do(func() {
		_ = s.conn.start(func() { _ = s.channel.Close() }) // otherwise it is closed already
	})
	return nil
}

// drainStderr reads what a server's programs complain about, so that it does
// not fill the channel's window; the beginning of it is logged.
func (s *sftpChannel) drainStderr() {
	buf := make([]byte, 1024)
	logged := 0
	for {
		n, err := s.channel.Stderr().Read(buf)
		if text := bytes.TrimSpace(buf[:n]); len(text) > 0 && logged < 4 {
			logged++
			s.conn.log.Debug("the server's SFTP program says", "remote", s.conn.remote, "text", printable(string(text)))
		}
		if err != nil {
			return
		}
	}
}

package demo

import (
	"errors"
	"io"
	"net"
	"sync"
	"time"

	"github.com/pkg/sftp"
	"golang.org/x/crypto/ssh"
)

// serveConn speaks SSH on one connection until it ends.
func (s *Server) serveConn(conn net.Conn) {
	logger := s.log.With("remote", conn.RemoteAddr().String())
	// A peer that connects and says nothing must not hold a slot for ever.
	if err := conn.SetDeadline(time.Now().Add(handshakeTimeout)); err != nil {
		logger.Debug("demo server: deadline", "err", err)
	}
	sshConn, channels, requests, err := ssh.NewServerConn(conn, s.config)
	if err != nil {
		logger.Info("demo server: login refused", "err", err)
		return
	}
	if err := conn.SetDeadline(time.Time{}); err != nil {
		logger.Debug("demo server: deadline", "err", err)
	}
	logger.Debug("demo server: login", "user", sshConn.User())

	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() { ssh.DiscardRequests(requests) })
	for open := range channels {
		if open.ChannelType() != "session" {
			// No forwarding, no agent, no X11.
			_ = open.Reject(ssh.Prohibited, "only the subsystem sftp is served")
			continue
		}
		channel, requests, err := open.Accept()
		if err != nil {
			logger.Debug("demo server: channel", "err", err)
			continue
		}
		wg.Go(func() {
			if err := s.serveSession(channel, requests); err != nil {
				logger.Info("demo server: session", "err", err)
			}
		})
	}
}

// serveSession waits for the request of the sftp subsystem, refuses every
// other, and serves it.
func (s *Server) serveSession(channel ssh.Channel, requests <-chan *ssh.Request) error {
	defer channel.Close()
	for request := range requests {
		var subsystem struct{ Name string }
		ok := request.Type == "subsystem" &&
			ssh.Unmarshal(request.Payload, &subsystem) == nil && subsystem.Name == "sftp"
		if request.WantReply {
			if err := request.Reply(ok, nil); err != nil {
				return err
			}
		}
		if ok {
			return s.serveSFTP(channel, requests)
		}
	}
	return nil
}

// serveSFTP serves the files until the client goes.
func (s *Server) serveSFTP(channel ssh.Channel, requests <-chan *ssh.Request) error {
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() { ssh.DiscardRequests(requests) })
	defer channel.Close()

	handlers := newHandlers(s.root)
	server := sftp.NewRequestServer(channel, sftp.Handlers{
		FileGet: handlers, FilePut: handlers, FileCmd: handlers, FileList: handlers,
	}, sftp.WithRSMaxTxPacket(255<<10))
	err := server.Serve()
	if errors.Is(err, io.EOF) || errors.Is(err, net.ErrClosed) {
		err = nil
	}
	// OpenSSH's client takes a missing exit status for a failure.
	_, statusErr := channel.SendRequest("exit-status", false, ssh.Marshal(struct{ Status uint32 }{0}))
	if errors.Is(statusErr, io.EOF) {
		statusErr = nil
	}
	return errors.Join(err, statusErr)
}

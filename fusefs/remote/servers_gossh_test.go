package remote_test

import (
	"bytes"
	"context"
	"net"
	"os"
	"sync"
	"testing"

	"github.com/pkg/sftp"
	"golang.org/x/crypto/ssh"
)

// startGoSSH serves with pkg/sftp behind x/crypto/ssh, as servers written in Go do.
func startGoSSH(t testing.TB) *served {
	t.Helper()
	m := newMachine(t)
	pem, err := os.ReadFile(m.hostKey("ed25519"))
	check(t, err)
	signer, err := ssh.ParsePrivateKey(pem)
	check(t, err)
	known, _, _, _, err := ssh.ParseAuthorizedKey([]byte(m.key))
	check(t, err)
	config := &ssh.ServerConfig{
		PublicKeyCallback: func(_ ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
			if !bytes.Equal(key.Marshal(), known.Marshal()) {
				return nil, os.ErrPermission
			}
			return nil, nil
		},
	}
	config.AddHostKey(signer)
	return m.serveConnections(func(ctx context.Context, c *net.TCPConn) {
		defer context.AfterFunc(ctx, func() { c.Close() })()
		conn, channels, requests, err := ssh.NewServerConn(c, config)
		if err != nil {
			return
		}
		defer conn.Close()
		var wg sync.WaitGroup
		defer wg.Wait()
		wg.Go(func() { ssh.DiscardRequests(requests) })
		for channel := range channels {
			if channel.ChannelType() != "session" {
				_ = channel.Reject(ssh.UnknownChannelType, "sessions only")
				continue
			}
			wg.Go(func() { serveGoSFTP(channel) })
		}
	})
}

// serveGoSFTP is one session, which may be for the subsystem sftp only.
func serveGoSFTP(channel ssh.NewChannel) {
	stream, requests, err := channel.Accept()
	if err != nil {
		return
	}
	var wg sync.WaitGroup
	defer wg.Wait()
	defer stream.Close()
	for r := range requests {
		ok := r.Type == "subsystem"
		_ = r.Reply(ok, nil)
		if !ok {
			continue
		}
		server, err := sftp.NewServer(stream)
		if err != nil {
			return
		}
		wg.Go(func() { ssh.DiscardRequests(requests) })
		_ = server.Serve() // it ends with its client
		server.Close()
		return
	}
}

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

const signOfLife = "keepalive@openssh.com"

// startGoSSH serves with pkg/sftp behind x/crypto/ssh, as servers written in Go do. It
// fails the test when it is asked for anything but the subsystem sftp and signs of life.
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
		wg.Go(func() {
			for r := range requests {
				if r.Type != signOfLife {
					t.Errorf("the server was asked for %q", r.Type)
				}
				_ = r.Reply(false, nil)
			}
		})
		for channel := range channels {
			if typ := channel.ChannelType(); typ != "session" {
				t.Errorf("a channel of type %q was opened", typ)
				_ = channel.Reject(ssh.UnknownChannelType, "sessions only")
				continue
			}
			wg.Go(func() { serveGoSFTP(t, channel) })
		}
	})
}

// serveGoSFTP is one session, which may be for the subsystem sftp only.
func serveGoSFTP(t testing.TB, channel ssh.NewChannel) {
	stream, requests, err := channel.Accept()
	if err != nil {
		return
	}
	var wg sync.WaitGroup
	defer wg.Wait()
	defer stream.Close()
	sftpOnly := ssh.Marshal(struct{ Name string }{"sftp"})
	begun := false
	for r := range requests {
		good := !begun && r.Type == "subsystem" && bytes.Equal(r.Payload, sftpOnly)
		if !good && r.Type != signOfLife {
			t.Errorf("a session was asked for %q: %q", r.Type, r.Payload)
		}
		_ = r.Reply(good, nil)
		if !good {
			continue
		}
		begun = true
		wg.Go(func() {
			defer stream.Close()
			server, err := sftp.NewServer(stream)
			if err != nil {
				return
			}
			defer server.Close()
			_ = server.Serve() // it ends with its client
		})
	}
}

package sshdial_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"net"
	"path/filepath"
	"sync"
	"testing"

	"golang.org/x/crypto/ssh"

	"sshfs-bridge/e2e/testenv"
	"sshfs-bridge/fusefs/sshdial"
)

// listen serves each connection with serve until the test ends.
func listen(t *testing.T, serve func(net.Conn)) *net.TCPAddr {
	t.Helper()
	testenv.NoLeaks(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	var conns []net.Conn
	wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			conns = append(conns, conn)
			mu.Unlock()
			wg.Go(func() {
				defer conn.Close()
				serve(conn)
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		mu.Lock()
		for _, c := range conns {
			c.Close()
		}
		mu.Unlock()
		wg.Wait()
	})
	return l.Addr().(*net.TCPAddr)
}

// fakeServer is an SSH server that asks what no sshd here can be made to ask.
// after is called with each connection that has logged in.
func fakeServer(t *testing.T, config *ssh.ServerConfig, after func(*ssh.ServerConn)) *net.TCPAddr {
	t.Helper()
	return fakeServerOf(t, config, after, func(ch ssh.NewChannel) { _ = ch.Reject(ssh.ConnectionFailed, "open failed") })
}

// sessionServer is a fake server that grants whatever it is asked for, and tells what
// that was: the channel, and each request on it.
func sessionServer(t *testing.T, config *ssh.ServerConfig, asked func(string)) *net.TCPAddr {
	t.Helper()
	return fakeServerOf(t, config, nil, func(ch ssh.NewChannel) {
		asked(ch.ChannelType() + string(ch.ExtraData()))
		stream, reqs, err := ch.Accept()
		if err != nil {
			return
		}
		defer stream.Close()
		for r := range reqs {
			asked(r.Type + string(r.Payload))
			_ = r.Reply(true, nil)
		}
	})
}

func fakeServerOf(t *testing.T, config *ssh.ServerConfig, after func(*ssh.ServerConn), open func(ssh.NewChannel)) *net.TCPAddr {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	config.AddHostKey(signer)
	return listen(t, func(conn net.Conn) {
		sc, chans, reqs, err := ssh.NewServerConn(conn, config)
		if err != nil {
			return
		}
		var wg sync.WaitGroup
		defer wg.Wait()
		wg.Go(func() { ssh.DiscardRequests(reqs) })
		wg.Go(func() {
			for ch := range chans {
				wg.Go(func() { open(ch) })
			}
		})
		if after != nil {
			after(sc)
		}
		_ = sc.Wait()
	})
}

// fakeRoute leads to a fake server, with an identity of its own.
func fakeRoute(t *testing.T, addr *net.TCPAddr, options ...string) *sshdial.Route {
	t.Helper()
	dir := t.TempDir()
	keygen(t, "-t", "ed25519", "-N", "", "-f", filepath.Join(dir, "id_ed25519"))
	r, err := sshdial.Resolve(sshdial.Target{User: "alice", Host: addr.IP.String(), Port: addr.Port}, sshdial.Options{
		SSHDir:    dir,
		Overrides: append(options, "GlobalKnownHostsFile=none"),
	})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

package demo

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"
)

const (
	// serverUser is the only name that may log in.
	serverUser = "demo"
	// handshakeTimeout ends a connection that does not log in.
	handshakeTimeout = 20 * time.Second
	// maxConnections is far more than one mount opens.
	maxConnections = 64
)

// ServerOptions are the settings of the embedded SFTP server.
type ServerOptions struct {
	// Dir is the directory that is served, and all that can be reached.
	Dir string
	// Addr is the address to listen on; empty is 127.0.0.1:0.
	Addr string
	// SSHDir gets what a client needs to log in: known_hosts, id_ed25519 and a
	// config that names both. It is made with mode 0700.
	SSHDir string
	// Logger gets logins and errors; nil discards them.
	Logger *slog.Logger
}

// Server is an SSH server that offers the SFTP subsystem over one directory
// to the holder of one key.
type Server struct {
	root     *os.Root
	listener net.Listener
	config   *ssh.ServerConfig
	hostKey  ssh.PublicKey
	log      *slog.Logger

	wg sync.WaitGroup // one count for each connection

	// mu guards closed and conns.
	mu     sync.Mutex
	closed bool
	conns  map[net.Conn]struct{}
}

// NewServer makes the keys, writes them to SSHDir and listens. The caller
// calls Serve, then Close.
func NewServer(ctx context.Context, o ServerOptions) (_ *Server, err error) {
	if o.Addr == "" {
		o.Addr = "127.0.0.1:0"
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	keys, err := newKeys()
	if err != nil {
		return nil, fmt.Errorf("demo server: %w", err)
	}
	root, err := os.OpenRoot(o.Dir)
	if err != nil {
		return nil, fmt.Errorf("demo server: %w", err)
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", o.Addr)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("demo server: %w", err), root.Close())
	}
	s := &Server{
		root: root, listener: listener, hostKey: keys.host.PublicKey(), log: o.Logger,
		conns: make(map[net.Conn]struct{}),
	}
	s.config = serverConfig(keys)
	if err := keys.write(o.SSHDir, s.Addr(), s.KnownHostsLine()); err != nil {
		return nil, errors.Join(fmt.Errorf("demo server: %w", err), s.Close())
	}
	return s, nil
}

// serverConfig allows one user with one key, and nothing else: no password,
// no keyboard-interactive, no "none".
func serverConfig(keys *keyPair) *ssh.ServerConfig {
	want := keys.client.PublicKey().Marshal()
	config := &ssh.ServerConfig{
		MaxAuthTries:  3,
		ServerVersion: "SSH-2.0-sshfs-bridge-demo",
		PublicKeyCallback: func(meta ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
			if meta.User() != serverUser || subtle.ConstantTimeCompare(key.Marshal(), want) != 1 {
				return nil, fmt.Errorf("key %s of user %q is not known", ssh.FingerprintSHA256(key), meta.User())
			}
			return &ssh.Permissions{}, nil
		},
	}
	config.AddHostKey(keys.host)
	return config
}

// Addr is the host:port that the server listens on.
func (s *Server) Addr() string { return s.listener.Addr().String() }

// Remote is the server as sshfs would name it, without the port.
func (s *Server) Remote() string {
	host, _, _ := net.SplitHostPort(s.Addr())
	if net.ParseIP(host).To4() == nil {
		host = "[" + host + "]"
	}
	return serverUser + "@" + host + ":"
}

// Port is the port that the server listens on.
func (s *Server) Port() int { return s.listener.Addr().(*net.TCPAddr).Port }

// KnownHostsLine is the line that verifies the server's host key.
func (s *Server) KnownHostsLine() string {
	return knownhosts.Line([]string{s.Addr()}, s.hostKey)
}

// Serve takes connections until ctx ends or Close is called, and returns when
// the last one is closed.
func (s *Server) Serve(ctx context.Context) error {
	stop := context.AfterFunc(ctx, s.shut)
	defer stop()
	defer s.wg.Wait()
	for {
		conn, err := s.listener.Accept()
		if err != nil {
			if s.isClosed() {
				return nil
			}
			s.shut()
			return fmt.Errorf("demo server: %w", err)
		}
		if !s.track(conn) {
			conn.Close()
			continue
		}
		go func() {
			defer s.wg.Done()
			defer s.untrack(conn)
			s.serveConn(conn)
		}()
	}
}

// Close stops listening, ends every connection and waits for them. It is
// idempotent.
func (s *Server) Close() error {
	s.shut()
	s.wg.Wait()
	return s.root.Close()
}

// shut stops listening and cuts every connection, without waiting.
func (s *Server) shut() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	s.listener.Close()
	for conn := range s.conns {
		conn.Close()
	}
}

func (s *Server) isClosed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed
}

// track notes a connection and adds it to wg; false refuses it.
func (s *Server) track(conn net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || len(s.conns) >= maxConnections {
		return false
	}
	s.conns[conn] = struct{}{}
	s.wg.Add(1)
	return true
}

func (s *Server) untrack(conn net.Conn) {
	conn.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, conn)
}

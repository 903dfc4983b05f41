package bridge

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"sshfs-bridge/bridge/api"
)

// maxBody is more than any request needs.
const maxBody = 1 << 20

// listenControl makes the control socket. A socket that nobody answers at is
// what a killed supervisor left; the lock has shown that none is alive, but
// somebody else's server must not lose its socket either.
func listenControl(ctx context.Context, c *Config) (net.Listener, error) {
	path := c.ControlSocket()
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	if conn, err := new(net.Dialer).DialContext(ctx, "unix", path); err == nil {
		conn.Close()
		return nil, &api.Error{Code: api.CodeUnavailable, Message: "somebody else answers at " + path, Hint: "stop that one, or choose another --run-dir"}
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, dirError(path, err)
	}
	l, err := new(net.ListenConfig).Listen(ctx, "unix", path)
	if err != nil {
		return nil, fmt.Errorf("control socket %s: %w", path, err)
	}
	if err := os.Chmod(path, 0o660); err != nil {
		l.Close()
		return nil, fmt.Errorf("control socket %s: %w", path, err)
	}
	return l, nil
}

// newControlServer makes the server; life ends its streams.
func (s *Supervisor) newControlServer(life context.Context) *http.Server {
	return &http.Server{
		Handler:           s.guard(s.routes()),
		ReadHeaderTimeout: 5 * time.Second,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    64 << 10,
		BaseContext:       func(net.Listener) context.Context { return life },
		ConnContext:       withPeer,
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
}

func (s *Supervisor) serveControl(server *http.Server, l net.Listener) {
	if err := server.Serve(l); err != nil && !errors.Is(err, http.ErrServerClosed) {
		s.log.Error("control socket ended", "err", err)
		s.setProblem("control", "the control socket ended: "+err.Error())
	}
}

// peer is who is at the other end of a connection.
type peer struct {
	known    bool
	uid, gid uint32
	pid      int32
}

type peerKey struct{}

// withPeer asks the kernel who connected.
func withPeer(ctx context.Context, c net.Conn) context.Context {
	var p peer
	if uc, ok := c.(*net.UnixConn); ok {
		if raw, err := uc.SyscallConn(); err == nil {
			err = raw.Control(func(fd uintptr) {
				if cred, err := unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED); err == nil {
					p = peer{known: true, uid: cred.Uid, gid: cred.Gid, pid: cred.Pid}
				}
			})
			if err != nil {
				p = peer{}
			}
		}
	}
	return context.WithValue(ctx, peerKey{}, p)
}

// mayWrite says whether the peer may change anything: root, and the user that
// the supervisor runs as.
func (p peer) mayWrite() bool {
	return p.known && (p.uid == 0 || int(p.uid) == syscall.Geteuid())
}

// guard lets in what comes from our own client: no browser (which sends Origin
// or Referer, or another Host), no oversized body, and changes only from those
// who may.
func (s *Supervisor) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set(api.VersionHeader, s.o.Version.Version)
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		p, _ := r.Context().Value(peerKey{}).(peer)
		switch {
		case r.Header.Get("Origin") != "" || r.Header.Get("Referer") != "":
			writeError(w, &api.Error{Code: api.CodePermission, Message: "requests from a browser are refused"})
			return
		case r.Host != api.Host && r.Host != "localhost":
			writeError(w, &api.Error{Code: api.CodePermission, Message: "the Host header must be " + api.Host})
			return
		case !p.known:
			writeError(w, &api.Error{Code: api.CodePermission, Message: "the kernel does not say who is asking"})
			return
		case r.Method != http.MethodGet && r.Method != http.MethodHead && !p.mayWrite():
			writeError(w, &api.Error{
				Code: api.CodePermission, Message: fmt.Sprintf("user %d may look, but not change anything", p.uid),
				Hint: "run this as root or as the supervisor's user",
			})
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			s.log.Debug("control request", "op", r.Method, "path", r.URL.Path, "pid", p.pid)
		}
		next.ServeHTTP(w, r)
	})
}

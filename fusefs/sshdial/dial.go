package sshdial

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"

	"golang.org/x/crypto/ssh"
)

// clientVersion is our version line: servers log it. Its comment tells AsyncSSH
// that SYMLINK's arguments come in OpenSSH's order, not the draft's.
const clientVersion = "SSH-2.0-sshfs-bridge (symlinks as OpenSSH)"

// Dial connects, hop by hop, verifies each host key and logs in. A nil asker
// means that nobody can be asked: what needs a person then fails with
// ErrNeedsPerson. Errors, to be tested in this order: the context's,
// ErrNeedsPerson, *HostKeyError, *AuthError, ErrIncompatible (all of which
// would come again), and anything else is the network's and worth another try
// later. The caller closes the Conn.
func (r *Route) Dial(ctx context.Context, asker Asker) (*Conn, error) {
	c := &Conn{done: make(chan struct{}), log: r.log, remote: r.Host, route: r}
	for i, h := range r.hops {
		if err := r.dialHop(ctx, c, h, asker); err != nil {
			_ = c.Close()
			if i < len(r.hops)-1 {
				return nil, fmt.Errorf("jump host %s: %w", h, err)
			}
			return nil, fmt.Errorf("remote %s: %w", h, err)
		}
	}
	c.watch()
	return c, nil
}

// dialHop adds the connection to h to those of c.
func (r *Route) dialHop(ctx context.Context, c *Conn, h *hop, asker Asker) error {
	if err := context.Cause(ctx); err != nil {
		return err
	}
	trust, err := h.loadTrust(r.memory.acceptedLines())
	if err != nil {
		return err
	}
	for _, bad := range trust.bad {
		r.log.Warn("a line of known host keys cannot be read", "remote", h.String(), "err", bad)
	}
	var conn net.Conn
	if len(c.hops) == 0 {
		if conn, err = r.connect(ctx, h); err != nil {
			return err
		}
		c.base = conn
	}
	guard := newGuard(ctx, c.base, h.connectTimeout)
	if conn == nil {
		if conn, err = c.hops[len(c.hops)-1].forward(h); err != nil {
			return firstError(guard.release(), err)
		}
	}
	w := &wire{Conn: conn}
	l := &login{hop: h, memory: r.memory, guard: guard, asker: asker, log: r.log, wire: w, unconfirmed: map[string]string{}}
	defer func() { l.agent.close() }()
	v := &verifier{hop: h, trust: trust, ask: l.ask}
	config := &ssh.ClientConfig{
		Config: ssh.Config{
			KeyExchanges: h.algorithms.kex,
			Ciphers:      h.algorithms.ciphers,
			MACs:         h.algorithms.macs,
		},
		User:              h.user,
		AuthCallback:      l.step,
		HostKeyCallback:   v.callback,
		HostKeyAlgorithms: trust.hostKeyAlgorithms(h.algorithms),
		BannerCallback:    l.banner,
		ClientVersion:     clientVersion,
	}
	sc, chans, reqs, err := ssh.NewClientConn(w, h.addr(), config)
	cause := guard.release()
	w.settled.Store(true)
	if v.confirmed != "" {
		r.accepted(v.confirmed) // a person said so, whatever became of the login
	}
	if err != nil {
		return r.explain(err, cause, w, v, l)
	}
	c.add(sc, chans, reqs, v.verified)
	if cause != nil {
		return cause
	}
	l.succeeded()
	if v.pending != "" {
		r.log.Info("accepted the host key of an unknown host", "remote", h.String(), "fingerprint", fingerprint(v.verified))
		r.accepted(v.pending)
	}
	return nil
}

func (r *Route) accepted(line string) {
	r.memory.accept(line)
	if r.options.OnHostKeyAccepted != nil {
		r.options.OnHostKeyAccepted(line)
	}
}

// explain finds the reason for a failed handshake. x/crypto/ssh reports most
// of them as text, so what was seen on the way comes first.
func (r *Route) explain(err, cause error, w *wire, v *verifier, l *login) error {
	if cause != nil {
		return cause
	}
	if v.failure != nil {
		return v.failure
	}
	if errors.Is(err, errExhausted) {
		return l.refused("")
	}
	if l.started && len(l.tried) > 0 {
		if said, ok := disconnected(err); ok {
			return l.refused(said)
		}
	}
	if gerr := w.greeting(); gerr != nil {
		return gerr
	}
	var algo *ssh.AlgorithmNegotiationError
	if errors.As(err, &algo) {
		return fmt.Errorf("%w: %w", ErrIncompatible, quotedError{err})
	}
	return quotedError{err}
}

// disconnected recognises a server that ends the login by a message of its
// own: reason 2 (too many attempts), 14 and 15 of RFC 4253. The error's
// type is not exported.
func disconnected(err error) (said string, ok bool) {
	text := err.Error()
	for _, reason := range []string{"2", "14", "15"} {
		if _, said, ok := strings.Cut(text, "ssh: disconnect, reason "+reason+": "); ok {
			return said, true
		}
	}
	return "", false
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

package smbd

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"github.com/hirochachacha/go-smb2"
)

// errProbeRefused says that smbd answered and refused the probe's login.
var errProbeRefused = errors.New("smbd refuses our own login")

// shareError says that smbd works, and that ProbeShare could not be listed: the
// fault may be the directory's.
type shareError struct{ error }

func (e *shareError) Unwrap() error { return e.error }

// NT status values that mean that smbd works, and does not want us.
const (
	statusAccessDenied    = 0xc0000022
	statusLogonFailure    = 0xc000006d
	statusAccountDisabled = 0xc0000072
)

// probe is one conversation of our own SMB client with smbd: negotiate, log
// in, list the shares; with open, open and list ProbeShare too. It ends
// within the time allowed.
func (s *Server) probe(ctx context.Context, open bool) error {
	share, timeout := "", s.o.ProbeTimeout
	if open {
		share, timeout = s.o.ProbeShare, 3*s.o.ProbeTimeout
	}
	user, password := s.credentials()
	err := probe(ctx, s.o.ProbeAddr, user, password, share, !s.policy.noList, timeout)
	var refused *smb2.ResponseError
	if errors.As(err, &refused) {
		switch refused.Code {
		case statusAccessDenied, statusLogonFailure, statusAccountDisabled:
			return fmt.Errorf("%w: %w", errProbeRefused, err)
		}
	}
	return err
}

// Probe connects to the SMB server at addr, logs in (user "" is guest) and
// lists the shares; when share is not empty, it opens that and lists it. All
// of it has to happen within timeout.
func Probe(ctx context.Context, addr, user, password, share string, timeout time.Duration) error {
	return probe(ctx, addr, user, password, share, true, timeout)
}

func probe(ctx context.Context, addr, user, password, share string, list bool, timeout time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return fmt.Errorf("connect to smbd: %w", err)
	}
	defer conn.Close()
	// The library waits for some replies without looking at a context: the
	// deadline of the connection holds for all of them.
	deadline, _ := ctx.Deadline()
	if err := conn.SetDeadline(deadline); err != nil {
		return fmt.Errorf("connect to smbd: %w", err)
	}
	defer context.AfterFunc(ctx, func() { conn.Close() })()

	if user == "" {
		user, password = "guest", "" // the library knows no anonymous login
	}
	dialer := smb2.Dialer{Initiator: &smb2.NTLMInitiator{User: user, Password: password, Workstation: "sshfs-bridge"}}
	session, err := dialer.DialContext(ctx, conn)
	if err != nil {
		return probeError(ctx, "log in to smbd", err)
	}
	session = session.WithContext(ctx)
	if list {
		names, err := session.ListSharenames()
		if err != nil {
			return probeError(ctx, "list the shares", err)
		}
		if len(names) == 0 {
			return errors.New("list the shares: smbd has none")
		}
	}
	if share != "" {
		if err := probeShare(ctx, session, share); err != nil {
			return &shareError{probeError(ctx, fmt.Sprintf("open the share %q", share), err)}
		}
	}
	if err := session.Logoff(); err != nil {
		return probeError(ctx, "log off", err)
	}
	return nil
}

func probeShare(ctx context.Context, session *smb2.Session, name string) error {
	share, err := session.Mount(name)
	if err != nil {
		return err
	}
	share = share.WithContext(ctx)
	if _, err := share.ReadDir(""); err != nil {
		return errors.Join(err, share.Umount())
	}
	return share.Umount()
}

// probeError names the timeout instead of the closed connection that it left.
func probeError(ctx context.Context, op string, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("%s: %w", op, os.ErrDeadlineExceeded)
	}
	return fmt.Errorf("%s: %w", op, err)
}

package bridge

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"time"

	"sshfs-bridge/bridge/api"
	"sshfs-bridge/bridge/smbd"
	"sshfs-bridge/smbconf"
)

// smbServer is what the supervisor needs of smbd; *smbd.Server is one.
type smbServer interface {
	Check(context.Context) error
	Run(context.Context) error
	Status() smbd.Status
	Reload(context.Context) error
	CloseShare(context.Context, string) error
	EndShare(context.Context, string) error
	ClosePath(context.Context, string) error
	SetPassword(ctx context.Context, user, password string) error
	Sessions(context.Context) (int, error)
}

// smbRunner writes smb.conf and keeps smbd running, whatever keeps it from
// starting at first: the mounts go on without it.
type smbRunner struct {
	s *Supervisor
	// newServer, detect and check are replaced by tests.
	newServer func(smbd.Options) smbServer
	detect    func(ctx context.Context, program string) (smbconf.Version, error)
	check     func(ctx context.Context, program string, sc smbconf.Config) error

	// write serialises the file and the reloads; it is held while smbd is told.
	write sync.Mutex

	mu      sync.Mutex
	version smbconf.Version // GUARDED_BY(mu), zero until it is known
	srv     smbServer       // GUARDED_BY(mu), nil until it was made
	hidden  []string        // GUARDED_BY(mu), mounts that are leaving
	fault   string          // GUARDED_BY(mu), why smbd cannot be started
	since   time.Time       // GUARDED_BY(mu), of fault
}

func newSMBRunner(s *Supervisor) *smbRunner {
	return &smbRunner{
		s: s, since: time.Now().UTC(), detect: smbconf.DetectVersion, check: testparm,
		newServer: func(o smbd.Options) smbServer { return smbd.New(o) },
	}
}

// retry is the pause after a start that failed: a busy port or a missing
// program is mended by a person, who wants to see the effect soon.
const smbRetry = 5 * time.Second

// run keeps smbd running until ctx ends, and returns when smbd has ended.
func (r *smbRunner) run(ctx context.Context) {
	if !r.s.Config().SMB.Enabled {
		return
	}
	for ctx.Err() == nil {
		err := r.runOnce(ctx)
		if ctx.Err() != nil {
			return
		}
		r.setFault(err)
		t := time.NewTimer(smbRetry)
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
		}
	}
}

func (r *smbRunner) runOnce(ctx context.Context) error {
	c := r.s.Config()
	if c.SMB.Auth == "password" {
		if err := r.s.ensurePassword(&c); err != nil {
			return err
		}
	}
	srv := r.newServer(r.options(&c))
	if err := srv.Check(ctx); err != nil { // what is missing, in words for people
		return err
	}
	v, err := r.detect(ctx, c.SMB.Program)
	if err != nil {
		return err
	}
	r.mu.Lock()
	r.version = v
	r.mu.Unlock()
	if err := r.writeConf(ctx, &c); err != nil {
		return err
	}
	if c.SMB.Auth == "password" {
		if err := r.setPassword(ctx, srv, &c); err != nil {
			return err
		}
	}
	r.mu.Lock()
	r.srv, r.fault = srv, ""
	r.mu.Unlock()
	r.s.setProblem("smbd", "")
	return srv.Run(ctx)
}

func (r *smbRunner) options(c *Config) smbd.Options {
	sc := smbconf.Default(smbconf.Version{}, c.smbDir(), c.smbPrivateDir())
	o := smbd.Options{
		Program: c.SMB.Program, Exe: r.s.o.Exe, ConfPath: c.smbConfPath(),
		Dirs: smbd.Dirs{
			Private: sc.Dirs.Private, Lock: sc.Dirs.Lock, State: sc.Dirs.State,
			Cache: sc.Dirs.Cache, PID: sc.Dirs.PID, NCALRPC: sc.Dirs.NCALRPC, Log: sc.Dirs.Log,
		},
		StopGrace: stopSMB,
		Cover:     []string{c.SSHDir, c.StateDir, c.ControlDir()},
		Keep:      []string{c.smbPrivateDir()}, Listen: c.smbListen(), ProbeShare: HubShare,
		Logger: r.s.log.With("unit", "smbd"), OnState: r.onState,
	}
	if c.SMB.Auth == "password" {
		o.User, o.Password = c.smbAccount(), readPassword(c)
	}
	return o
}

// onState tells about a change of smbd's state.
func (r *smbRunner) onState(st smbd.Status) {
	r.s.bus.publish(api.Event{Kind: api.EventSMB, Message: smbState(st.State), Cause: st.Cause})
}

func smbState(s smbd.State) string {
	switch s {
	case smbd.StateReady:
		return "up"
	case smbd.StateSick:
		return "unhealthy"
	case smbd.StateStarting, smbd.StateBackoff, smbd.StateStopped:
		return string(s)
	default:
		return string(s)
	}
}

// setFault tells once why smbd does not start.
func (r *smbRunner) setFault(err error) {
	text := "smbd does not start"
	var busy *smbd.PortBusyError
	switch {
	case errors.As(err, &busy):
		text = fmt.Sprintf("smbd does not start: %v (smb.ports, or --smb-port)", err)
	case err != nil:
		text = fmt.Sprintf("smbd does not start: %v", err)
	}
	r.mu.Lock()
	known := r.fault == text
	if !known {
		r.fault, r.since = text, time.Now().UTC()
	}
	r.srv = nil
	r.mu.Unlock()
	r.s.setProblem("smbd", text)
	if known {
		return
	}
	r.s.log.Error("no shares: the mounts go on without smbd", "err", text)
	r.s.bus.publish(api.Event{Kind: api.EventSMB, Message: "backoff", Cause: text})
}

// server is the present smbd, nil where there is none.
func (r *smbRunner) server() smbServer {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.srv
}

func (r *smbRunner) status() api.SMBStatus {
	c := r.s.Config()
	st := api.SMBStatus{
		State: "off", Ports: c.SMB.Ports, Auth: c.SMB.Auth,
		PublishedHost: c.SMB.PublishedHost, PublishedPort: c.SMB.PublishedPort,
	}
	r.mu.Lock()
	srv := r.srv
	st.Since, st.Cause = r.since, r.fault
	r.mu.Unlock()
	switch {
	case !c.SMB.Enabled:
		st.Cause = ""
	case srv != nil:
		now := srv.Status()
		st.State, st.Since, st.Cause = smbState(now.State), now.Since.UTC(), now.Cause
		st.PID, st.Restarts, st.Refused = now.PID, now.Restarts, now.Refused
	case st.Cause != "":
		st.State = "backoff"
	default:
		st.State = "starting"
	}
	return st
}

// closeShare makes clients let go of a mount: those of its share, and those of
// the hub that have something open in it. Where the share comes back, clients are
// made to connect anew, since a Mac makes a lost connection again, and not a share
// that was closed (smb2_rq_parse_header in Apple's SMBClient).
func (r *smbRunner) closeShare(ctx context.Context, m Mount, forGood bool) {
	srv := r.server()
	if srv == nil || r.s.isStopping() {
		return // no client has anything of smbd's that is not running
	}
	c := r.s.Config()
	path, end := filepath.Join(c.Hub, m.Name), srv.EndShare
	if forGood {
		end = srv.CloseShare
	}
	if m.Mountpoint != "" {
		if path = m.Mountpoint; !within(path, c.Hub) {
			return // smbd shows nothing of it
		}
	} else if err := end(ctx, m.Name); err != nil && ctx.Err() == nil {
		r.s.log.Warn("clients not disconnected from the share", "mount", m.Name, "err", err)
	}
	if err := srv.ClosePath(ctx, path); err != nil && ctx.Err() == nil {
		r.s.log.Warn("clients not disconnected from the hub", "mount", m.Name, "err", err)
	}
}

package worker

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"sshfs-bridge/fusefs/remote"
	"sshfs-bridge/fusefs/sshdial"
)

// dialer makes the remote's connections: a remote.Dialer. The route is found
// at the first dial that can find it, and kept: it remembers what a person
// answered. Until then ssh_config is read at each dial, so that a mistake in
// it can be mended while the worker runs.
type dialer struct {
	spec   Spec
	target sshdial.Target
	bad    error // the remote is malformed
	asker  *asker
	tell   func(report)
	log    *slog.Logger

	mu    sync.Mutex
	route *sshdial.Route // GUARDED_BY(mu)
}

// What ssh_config says of a slow way is followed.
var (
	_ remote.PatientDialer = (*dialer)(nil)
	_ remote.PatientConn   = (*sshdial.Conn)(nil)
)

func newDialer(spec Spec, a *asker, tell func(report), log *slog.Logger) *dialer {
	d := &dialer{spec: spec, asker: a, tell: tell, log: log}
	d.target, d.bad = sshdial.ParseTarget(spec.Mount.Remote)
	return d
}

// root is the directory on the remote.
func (d *dialer) root() string { return d.target.Path }

// configError says that the settings are at fault and not the network.
type configError struct{ error }

func (e configError) Unwrap() error { return e.error }

// resolve finds the route.
func (d *dialer) resolve() (*sshdial.Route, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.route != nil {
		return d.route, nil
	}
	if d.bad != nil {
		return nil, configError{d.bad}
	}
	m := d.spec.Mount
	agent := d.spec.AgentSocket
	if m.AgentSocket != "" {
		agent = m.AgentSocket
	}
	route, err := sshdial.Resolve(d.target, sshdial.Options{
		SSHDir: d.spec.SSHDir, HomeDir: d.spec.HomeDir, Overrides: m.SSHOptions,
		Port: m.Port, IdentityFiles: m.IdentityFiles, ProxyJump: m.ProxyJump,
		AgentSocket: agent, AcceptedHostKeys: d.spec.AcceptedHostKeys,
		OnHostKeyAccepted: func(line string) { d.tell(report{HostKey: line}) },
		Logger:            d.log,
	})
	if err != nil {
		return nil, configError{err}
	}
	d.route = route
	return route, nil
}

// check says whether the settings can work.
func (d *dialer) check() error {
	_, err := d.resolve()
	return err
}

// notes are remarks on the settings.
func (d *dialer) notes() []string {
	route, err := d.resolve()
	if err != nil {
		return nil
	}
	return route.Notes
}

// DialTimeout is the route's ConnectTimeout, 0 while there is no route.
func (d *dialer) DialTimeout() time.Duration {
	route, err := d.resolve()
	if err != nil {
		return 0
	}
	return route.ConnectTimeout
}

// Dial connects. A person is asked only where interactive is true.
func (d *dialer) Dial(ctx context.Context, interactive bool) (remote.Conn, error) {
	route, err := d.resolve()
	if err != nil {
		return nil, err
	}
	var a sshdial.Asker // a nil interface, unless there is somebody to ask
	if interactive {
		a = d.asker
	}
	conn, err := route.Dial(ctx, a)
	if err != nil {
		return nil, err
	}
	return conn, nil
}

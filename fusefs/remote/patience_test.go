package remote_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"sshfs-bridge/e2e/testenv"
	"sshfs-bridge/fusefs/remote"
)

// patientDialer has what a configuration says of a slow way: ConnectTimeout,
// ServerAliveInterval and ServerAliveCountMax, each 0 where it says nothing.
type patientDialer struct {
	*rigDialer
	timeout, interval time.Duration
	count             int
	takes             time.Duration // how long a login takes
}

func (d *patientDialer) DialTimeout() time.Duration { return d.timeout }

func (d *patientDialer) Dial(ctx context.Context, interactive bool) (remote.Conn, error) {
	select {
	case <-time.After(d.takes):
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	c, err := d.rigDialer.Dial(ctx, interactive)
	if err != nil {
		return nil, err
	}
	return patientConn{c, d}, nil
}

type patientConn struct {
	remote.Conn
	d *patientDialer
}

func (c patientConn) Keepalive() (time.Duration, int) { return c.d.interval, c.d.count }

func newPatientRig(t *testing.T, d *patientDialer) *rig {
	t.Helper()
	return unconnectedBy(t, testenv.CountOptions{Delay: time.Millisecond, Settle: -1}, remote.Options{}, func(inner *rigDialer) remote.Dialer {
		d.rigDialer = inner
		return d
	})
}

// TestKeepalive_asConfigured: a way that is known to be silent for half a minute now
// and then is not given up for that.
func TestKeepalive_asConfigured(t *testing.T) {
	for name, c := range map[string]struct {
		interval    time.Duration
		count       int
		least, most time.Duration // of silence until it is given up
	}{
		"nothing said":           {0, 0, 10 * time.Second, 20 * time.Second},
		"ServerAliveInterval 20": {20 * time.Second, 3, 60 * time.Second, 85 * time.Second},
		"ServerAliveInterval 2, ServerAliveCountMax 1": {2 * time.Second, 1, 2 * time.Second, 5 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := newPatientRig(t, &patientDialer{interval: c.interval, count: c.count})
				check(t, g.Connect(t.Context(), false))
				g.server.Stall()
				time.Sleep(c.least)
				if s := g.Status(); s.State != remote.StateUp {
					t.Errorf("after %v of silence: %s, %v", c.least, s.State, s.Cause)
				}
				time.Sleep(c.most - c.least)
				if s := g.Status(); s.State != remote.StateDegraded {
					t.Errorf("after %v of silence: %s", c.most, s.State)
				}
			})
		})
	}
}

// TestDialTimeout_asConfigured: a login that takes longer than usual is made again as
// it was made at first.
func TestDialTimeout_asConfigured(t *testing.T) {
	for name, c := range map[string]struct {
		timeout time.Duration
		want    remote.State
	}{
		"nothing said":      {0, remote.StateDegraded},
		"ConnectTimeout 30": {30 * time.Second, remote.StateUp},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := newPatientRig(t, &patientDialer{timeout: c.timeout, takes: 20 * time.Second})
				check(t, g.Connect(t.Context(), true))
				g.server.Break()
				time.Sleep(25 * time.Second)
				if s := g.Status(); s.State != c.want {
					t.Errorf("25 s after the loss: %s, %v", s.State, s.Cause)
				}
			})
		})
	}
}

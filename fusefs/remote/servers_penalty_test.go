package remote_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sshfs-bridge/e2e/testenv"
	"sshfs-bridge/fusefs/remote"
	"sshfs-bridge/fusefs/sshdial"
)

// penalties counts what a server held against its clients, and barred the connections
// that it ended for that.
func (s *served) penalties() int { return strings.Count(s.log(), "srclimit_penalise: ") }
func (s *served) barred() int    { return strings.Count(s.log(), "drop connection ") }

// startPenalties starts a server that bars a client for what it does wrong.
func startPenalties(t *testing.T, options ...string) *contract {
	t.Helper()
	testenv.Require(t, "root", "sshd", "docker")
	testenv.NoLeaks(t)
	c := &contract{t: t, served: startTrixie(options...)(t)}
	c.route()
	t.Cleanup(c.disconnect)
	return c
}

// useKey makes the client's key another one, or the right one again.
func (c *contract) useKey(right bool) {
	c.t.Helper()
	key, kept := filepath.Join(c.sshDir, "id_ed25519"), filepath.Join(c.sshDir, "kept")
	if right {
		check(c.t, os.Rename(kept, key))
		check(c.t, os.Rename(kept+".pub", key+".pub"))
		return
	}
	check(c.t, os.Rename(key, kept))
	check(c.t, os.Rename(key+".pub", kept+".pub"))
	testenv.RunOK(c.t, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key)
}

// TestPenalties_aRefusedLogin is one slip, and not two, whatever is asked of the mount
// after it.
func TestPenalties_aRefusedLogin(t *testing.T) {
	c := startPenalties(t, strict, "PasswordAuthentication=no", "KbdInteractiveAuthentication=no")
	c.useKey(false)
	o := quick()
	o.Dialer, o.Root, o.OnDemand = routeDialer{c.login, &c.dials}, c.root, true
	c.remote = remote.New(o)
	var refused *sshdial.AuthError
	if err := c.remote.Connect(t.Context(), false); !errors.As(err, &refused) {
		t.Errorf("connect with a wrong key: %v", err)
	}
	for range 50 {
		if _, err := c.remote.Lstat(t.Context(), "x"); !errors.Is(err, remote.ErrLinkDown) {
			t.Errorf("lstat: %v", err)
		}
		time.Sleep(10 * time.Millisecond) // real time: longer than the pauses of a back-off, towards a real sshd
	}
	if s := c.remote.Status(); s.State != remote.StateDown || c.dials.Load() != 1 {
		t.Errorf("%d dials, %+v", c.dials.Load(), s)
	}
	testenv.Eventually(t, 5*time.Second, "the slip is in the log", func() bool { return c.penalties() > 0 })
	if c.penalties() != 1 || c.barred() != 0 {
		t.Errorf("%d penalties, %d connections ended at once", c.penalties(), c.barred())
	}
}

// TestPenalties_aBarredClient tries again less and less often, makes nothing worse,
// and is there when it is let in. Somebody else behind the same address did it.
func TestPenalties_aBarredClient(t *testing.T) {
	c := startPenalties(t, "PerSourcePenalties=authfail:4s min:1s", "PasswordAuthentication=no")
	c.useKey(false)
	if _, err := c.login.Dial(t.Context(), nil); err == nil {
		t.Fatal("a wrong key was let in")
	}
	c.useKey(true)
	testenv.Eventually(t, 5*time.Second, "the slip is in the log", func() bool { return c.penalties() > 0 })
	c.remote = remote.New(remote.Options{Dialer: routeDialer{c.login, &c.dials}, Root: c.root})
	if err := c.remote.Connect(t.Context(), false); err == nil {
		t.Fatal("connected while barred")
	}
	if s := c.remote.Status(); s.State != remote.StateDegraded {
		t.Errorf("while barred: %+v", s)
	}
	testenv.Eventually(t, 60*time.Second, "let in", func() bool { return c.remote.Status().State == remote.StateUp })
	// 0, 1/4, 3/4, 7/4, 15/4, ... seconds, each pause half to one and a half of that.
	if n := c.dials.Load(); n < 2 || n > 8 {
		t.Errorf("%d dials while barred for four seconds", n)
	}
	if c.penalties() != 1 || c.barred() == 0 {
		t.Errorf("%d penalties, %d connections ended at once", c.penalties(), c.barred())
	}
}

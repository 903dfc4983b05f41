package sshdial_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh/knownhosts"

	"sshfs-bridge/e2e/testenv"
	"sshfs-bridge/fusefs/sshdial"
)

// chain writes a configuration in which "target" is reached by way of "outer"
// and "inner", each with a key of its own.
func chain(t *testing.T, outer, inner, target *testenv.SSHD) string {
	t.Helper()
	dir := t.TempDir()
	var config, known strings.Builder
	for name, s := range map[string]*testenv.SSHD{"outer": outer, "inner": inner, "target": target} {
		key, err := os.ReadFile(s.IdentityFile)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), key, 0o600); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&config, "Host %s\n HostName %s\n Port %d\n User %s\n IdentityFile ~/.ssh/%s\n", name, s.Host, s.Port, s.User, name)
		fmt.Fprintf(&known, "%s %s\n", knownhosts.Normalize(s.Addr), keyLine(s.HostKeys()[0]))
	}
	config.WriteString("Match originalhost target\n ProxyJump outer,inner\nMatch originalhost inner\n ProxyJump outer\n")
	config.WriteString("Host *\n IdentitiesOnly yes\n StrictHostKeyChecking yes\n")
	for name, text := range map[string]string{"config": config.String(), "known_hosts": known.String()} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestJump(t *testing.T) {
	testenv.NoLeaks(t)
	outer, inner := testenv.StartSSHD(t, testenv.SSHDOptions{NoSFTP: true}), testenv.StartSSHD(t, testenv.SSHDOptions{NoSFTP: true})
	target := testenv.StartSSHD(t, testenv.SSHDOptions{Hardened: true})
	dir := chain(t, outer, inner, target)
	o := sshdial.Options{SSHDir: dir}
	r := routeTo(t, target, "target", o)
	if len(r.Jumps) != 2 {
		t.Fatalf("jumps %v", r.Jumps)
	}
	c := mustDial(t, r, nil)
	if names := list(t, c); len(names) != 0 {
		t.Errorf("listed %v", names)
	}
	if d, err := c.Ping(testContext(t)); err != nil || d <= 0 {
		t.Errorf("Ping: %v, %v", d, err)
	}
	for name, s := range map[string]*testenv.SSHD{"outer": outer, "inner": inner, "target": target} {
		if n := strings.Count(s.Log(), "Accepted publickey"); n != 1 {
			t.Errorf("%s saw %d logins", name, n)
		}
	}

	t.Run("old ProxyCommand", func(t *testing.T) {
		o := o
		o.Overrides = []string{"ProxyCommand=ssh -q -W %h:%p inner"} // which has a jump of its own
		list(t, mustDial(t, routeTo(t, target, "target", o), nil))
	})
	t.Run("a jump host dies", func(t *testing.T) {
		c := mustDial(t, r, nil)
		inner.KillSessions()
		select {
		case <-c.Done():
		case <-time.After(10 * time.Second):
			t.Error("not noticed")
		}
	})
	t.Run("a jump host freezes", func(t *testing.T) {
		c := mustDial(t, r, nil)
		inner.Freeze()
		defer inner.Thaw()
		begin := time.Now()
		_ = c.Close()
		o := o
		o.Overrides = []string{"ConnectTimeout=1"}
		dir := filepath.Join(dir, "config")
		text, err := os.ReadFile(dir)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(dir, append([]byte("ConnectTimeout 1\n"), text...), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := routeTo(t, target, "target", o).Dial(testContext(t), nil); !errors.Is(err, sshdial.ErrTimeout) {
			t.Errorf("Dial: %v", err)
		}
		if d := time.Since(begin); d > 5*time.Second {
			t.Errorf("that took %v", d)
		}
	})
	t.Run("login refused at a jump host", func(t *testing.T) {
		if err := os.WriteFile(inner.AuthorizedKeys, nil, 0o644); err != nil {
			t.Fatal(err)
		}
		_, err := r.Dial(testContext(t), nil)
		if auth := wantAuthError(t, err); auth.Host != "inner" || !strings.Contains(err.Error(), "jump host") {
			t.Errorf("%v", err)
		}
		inner.Authorize(inner.IdentityFile + ".pub")
	})
	t.Run("forwarding refused", func(t *testing.T) {
		o := o
		o.ProxyJump = "target" // itself, which forwards nothing
		_, err := routeTo(t, target, "outer", o).Dial(testContext(t), nil)
		var auth *sshdial.AuthError
		if err == nil || errors.As(err, &auth) {
			t.Errorf("%v", err)
		}
	})
	t.Run("nobody listens behind it", func(t *testing.T) {
		target.Stop()
		defer target.Start()
		_, err := r.Dial(testContext(t), nil)
		if err == nil || !strings.Contains(err.Error(), target.Addr) {
			t.Errorf("%v", err)
		}
	})
	t.Run("a jump host's key has changed", func(t *testing.T) {
		outer.NewHostKeys()
		outer.Restart()
		_, err := r.Dial(testContext(t), nil)
		if e := wantHostKeyError(t, err); !e.Changed || e.Host != knownhosts.Normalize(outer.Addr) {
			t.Errorf("%+v", e)
		}
	})
}

package worker

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sshfs-bridge/bridge/api"
	"sshfs-bridge/e2e/testenv"
)

// TestFirstConnectionFails: the exact cause is told, and the worker lives.
func TestFirstConnectionFails(t *testing.T) {
	testenv.Require(t, "root", "fuse", "sshd")
	for _, tc := range []struct {
		name    string
		path    string
		harm    func(t *testing.T, sshd *testenv.SSHD, spec *Spec)
		reason  Reason
		state   api.State
		says    string
		mending func(t *testing.T, sshd *testenv.SSHD)
	}{
		{name: "unreachable", reason: ReasonUnreachable, state: api.StateDegraded, says: "refused",
			harm:    func(_ *testing.T, sshd *testenv.SSHD, _ *Spec) { sshd.Stop() },
			mending: func(_ *testing.T, sshd *testenv.SSHD) { sshd.Start() }},
		{name: "wrong key", reason: ReasonLogin, state: api.StateDown, says: "refused",
			harm: func(t *testing.T, sshd *testenv.SSHD, _ *Spec) { t.Helper(); write(t, sshd.AuthorizedKeys, "") }},
		{name: "changed host key", reason: ReasonHostKey, state: api.StateDown, says: "changed",
			harm: func(_ *testing.T, sshd *testenv.SSHD, _ *Spec) { sshd.NewHostKeys(); sshd.Restart() }},
		{name: "missing path", path: "no/such/directory", reason: ReasonNoPath, state: api.StateDown, says: "no/such/directory"},
		{name: "a file", path: "a-file", reason: ReasonNotDirectory, state: api.StateDown, says: "directory",
			harm: func(t *testing.T, sshd *testenv.SSHD, _ *Spec) {
				t.Helper()
				write(t, filepath.Join(sshd.Home, "a-file"), "x")
			}},
		{name: "malformed remote", reason: ReasonConfig, says: "remote",
			harm: func(_ *testing.T, _ *testenv.SSHD, spec *Spec) { spec.Mount.Remote = "-oProxyCommand=x:" }},
		{name: "unsupported ssh_config", reason: ReasonConfig, says: "ProxyCommand",
			harm: func(_ *testing.T, _ *testenv.SSHD, spec *Spec) {
				spec.Mount.SSHOptions = []string{"ProxyCommand=nc %h %p"}
			}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			sshd := testenv.StartSSHD(t, testenv.SSHDOptions{})
			spec := specFor(sshd, tc.path)
			if tc.harm != nil {
				tc.harm(t, sshd, &spec)
			}
			m := start(t, StartOptions{Spec: spec})
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			err := m.WaitConnected(ctx)
			var failed *ConnectError
			if !errors.As(err, &failed) || failed.Reason != tc.reason || !strings.Contains(failed.Cause, tc.says) {
				t.Fatalf("WaitConnected: %#v", err)
			}
			t.Log(failed.Cause)
			if tc.state != "" {
				testenv.Eventually(t, 5*time.Second, "the state "+string(tc.state), func() bool {
					e := m.events.state()
					return e.State == tc.state && e.Reason == tc.reason
				})
			}
			select {
			case <-m.Done():
				t.Errorf("the worker ended: %v", m.Err())
			default:
			}
			if tc.mending == nil {
				return
			}
			tc.mending(t, sshd)
			if err := m.Retry(); err != nil {
				t.Fatal(err)
			}
			testenv.Eventually(t, 10*time.Second, "it is up once mended", func() bool { return m.events.state().State == api.StateUp })
		})
	}
}

func TestQuestions(t *testing.T) {
	testenv.Require(t, "root", "fuse", "sshd")
	sshd := testenv.StartSSHD(t, testenv.SSHDOptions{Password: true})
	spec := specFor(sshd, "")

	// Nobody is there: a person is needed, and may come later.
	m := start(t, StartOptions{Spec: spec})
	var failed *ConnectError
	if err := m.WaitConnected(t.Context()); !errors.As(err, &failed) || failed.Reason != ReasonNeedsPerson {
		t.Fatalf("without a person: %#v", err)
	}
	testenv.Eventually(t, 5*time.Second, "needs-login", func() bool { return m.events.state().State == api.StateNeedsLogin })
	if err := m.Login(); err != nil {
		t.Fatal(err)
	}
	testenv.Eventually(t, 5*time.Second, "a question", func() bool { return m.events.question() != nil })
	q := m.events.question()
	if q.Kind != "password" || q.Echo || q.ID == "" || q.Prompt == "" {
		t.Errorf("question: %+v", q)
	}
	if err := m.Answer(api.Answer{ID: q.ID, Text: testenv.SSHDPassword}); err != nil {
		t.Fatal(err)
	}
	testenv.Eventually(t, 10*time.Second, "up", func() bool { return m.events.state().State == api.StateUp })
	if !closed(m, q.ID) {
		t.Error("the question was not closed")
	}
	// The next connection needs no person: the answer is remembered.
	sshd.KillSessions()
	testenv.Eventually(t, 10*time.Second, "the loss is noticed", func() bool { return m.events.state().State != api.StateUp })
	testenv.Eventually(t, 15*time.Second, "up again", func() bool { return m.events.state().State == api.StateUp })
	if strings.Contains(m.log.String(), testenv.SSHDPassword) {
		t.Error("the password is in the log")
	}

	// A person who gives up.
	spec.Interactive = true
	m = start(t, StartOptions{Spec: spec})
	testenv.Eventually(t, 10*time.Second, "a question", func() bool { return m.events.question() != nil })
	if err := m.Answer(api.Answer{ID: m.events.question().ID, Cancel: true}); err != nil {
		t.Fatal(err)
	}
	if err := m.WaitConnected(t.Context()); !errors.As(err, &failed) || failed.Reason != ReasonNeedsPerson {
		t.Errorf("a person who gives up: %#v", err)
	}
}

func TestHostKeyAccepted(t *testing.T) {
	testenv.Require(t, "root", "fuse", "sshd")
	sshd := testenv.StartSSHD(t, testenv.SSHDOptions{})
	write(t, sshd.KnownHosts, "")
	spec := specFor(sshd, "")
	spec.Mount.SSHOptions = []string{"StrictHostKeyChecking=accept-new"}
	m := start(t, StartOptions{Spec: spec}).up()
	var line string
	testenv.Eventually(t, 5*time.Second, "the key is told", func() bool {
		for _, e := range m.events.all() {
			if e.HostKeyAccepted != "" {
				line = e.HostKeyAccepted
			}
		}
		return line != ""
	})
	// Another key is refused by a worker that is given the line.
	sshd.NewHostKeys()
	sshd.Restart()
	spec.AcceptedHostKeys = []string{line}
	m = start(t, StartOptions{Spec: spec})
	var failed *ConnectError
	if err := m.WaitConnected(t.Context()); !errors.As(err, &failed) || failed.Reason != ReasonHostKey {
		t.Errorf("another key: %#v", err)
	}
}

func closed(m *mounted, id string) bool {
	for _, e := range m.events.all() {
		if e.QuestionClosed == id {
			return true
		}
	}
	return false
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

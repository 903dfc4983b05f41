package sshdial_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"

	"sshfs-bridge/e2e/testenv"
	"sshfs-bridge/fusefs/sshdial"
)

func keygen(t *testing.T, args ...string) {
	t.Helper()
	if out, err := exec.Command("ssh-keygen", append([]string{"-q"}, args...)...).CombinedOutput(); err != nil {
		t.Fatalf("ssh-keygen %v: %v\n%s", args, err, out)
	}
}

func wantAuthError(t *testing.T, err error) *sshdial.AuthError {
	t.Helper()
	var auth *sshdial.AuthError
	if !errors.As(err, &auth) {
		t.Fatalf("got %v; want an AuthError", err)
	}
	return auth
}

func TestLoginPassword(t *testing.T) {
	for name, o := range map[string]testenv.SSHDOptions{
		"password":             {Password: true},
		"keyboard-interactive": {KeyboardInteractive: true},
	} {
		t.Run(name, func(t *testing.T) {
			s := startSSHD(t, o)
			var logged bytes.Buffer
			logger := slog.New(slog.NewTextHandler(&logged, &slog.HandlerOptions{Level: slog.LevelDebug}))
			r := route(t, s, sshdial.Options{Logger: logger})
			_, err := r.Dial(testContext(t), nil)
			if !errors.Is(err, sshdial.ErrNeedsPerson) {
				t.Errorf("with nobody there: %v", err)
			}
			wantAuthError(t, err)
			p := says(name, "wrong", testenv.SSHDPassword)
			list(t, mustDial(t, r, p))
			if len(p.asked) != 2 || p.asked[0].Echo || !strings.Contains(p.asked[0].Prompt, s.User) {
				t.Errorf("asked %+v", p.asked)
			}
			// What worked once needs no person again.
			list(t, mustDial(t, r, nil))
			if strings.Contains(logged.String(), testenv.SSHDPassword) {
				t.Errorf("the log holds the password: %s", logged.String())
			}

			r = route(t, s, sshdial.Options{})
			_, err = r.Dial(testContext(t), says(name, "a", "b", "c", "d"))
			if auth := wantAuthError(t, err); errors.Is(err, sshdial.ErrNeedsPerson) || len(auth.Tried) != 3 {
				t.Errorf("three wrong passwords: %v", err)
			}
			if strings.Contains(err.Error(), "wrong") {
				t.Errorf("the error holds a password: %v", err)
			}
		})
	}
}

func TestLoginPassphrase(t *testing.T) {
	for name, args := range map[string][]string{
		"OpenSSH":        {"-t", "ed25519"},
		"RSA":            {"-t", "rsa"},
		"PEM":            {"-t", "ecdsa", "-m", "PEM"},
		"PEM, no public": {"-t", "ecdsa", "-m", "PEM"},
	} {
		t.Run(name, func(t *testing.T) {
			s := startSSHD(t, testenv.SSHDOptions{})
			key := filepath.Join(s.SSHDir, "id_locked")
			keygen(t, append(args, "-a", "1", "-N", "open sesame", "-f", key)...)
			s.Authorize(key + ".pub")
			remove(t, s, "id_ed25519", "id_ed25519.pub")
			if strings.Contains(name, "no public") {
				remove(t, s, "id_locked.pub")
			}
			r := route(t, s, sshdial.Options{IdentityFiles: []string{"id_locked"}})
			if _, err := r.Dial(testContext(t), nil); !errors.Is(err, sshdial.ErrNeedsPerson) {
				t.Errorf("with nobody there: %v", err)
			}
			p := says(sshdial.KindPassphrase, "no", "open sesame")
			list(t, mustDial(t, r, p))
			if len(p.asked) != 2 || !strings.Contains(p.asked[0].Prompt, key) {
				t.Errorf("asked %+v", p.asked)
			}
			list(t, mustDial(t, r, nil))
			r = route(t, s, sshdial.Options{IdentityFiles: []string{"id_locked"}})
			_, err := r.Dial(testContext(t), says(sshdial.KindPassphrase, ""))
			if auth := wantAuthError(t, err); !strings.Contains(strings.Join(auth.Notes, "\n"), "passphrase") {
				t.Errorf("a person who gave up: %v", err)
			}
		})
	}
}

// TestLoginKeyTypes tries each type of key file, as they are written today
// and as they were.
func TestLoginKeyTypes(t *testing.T) {
	s := startSSHD(t, testenv.SSHDOptions{})
	for _, args := range [][]string{{"-t", "rsa"}, {"-t", "rsa", "-m", "PEM"}, {"-t", "ecdsa", "-b", "384"}, {"-t", "ecdsa", "-m", "PKCS8"}, {"-t", "ed25519"}} {
		name := strings.Join(args, "")
		key := filepath.Join(s.SSHDir, name)
		keygen(t, append(args, "-N", "", "-f", key)...)
		s.Authorize(key + ".pub")
		r := route(t, s, sshdial.Options{ConfigFiles: []string{"none"}, Overrides: []string{"User=" + s.User, "HostName=" + s.Host}, Port: s.Port, IdentityFiles: []string{name}})
		if _, err := r.Dial(testContext(t), nil); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		list(t, mustDial(t, r, nil))
	}
}

func TestLoginCertificate(t *testing.T) {
	s := startSSHD(t, testenv.SSHDOptions{})
	ca, key := filepath.Join(s.Dir, "user_ca"), filepath.Join(s.SSHDir, "id_signed")
	keygen(t, "-t", "ed25519", "-N", "", "-f", ca)
	keygen(t, "-t", "ecdsa", "-N", "", "-f", key)
	keygen(t, "-s", ca, "-I", "me", "-n", s.User, key+".pub")
	s.Authorize(ca+".pub", "cert-authority")
	r := routeTo(t, s, s.Alias, sshdial.Options{IdentityFiles: []string{"id_signed"}, Overrides: []string{"IdentitiesOnly=yes", "IdentityFile=none"}})
	remove(t, s, "id_ed25519", "id_ed25519.pub")
	list(t, mustDial(t, r, nil)) // found beside the key
	if err := os.Rename(key+"-cert.pub", filepath.Join(s.SSHDir, "cert")); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Dial(testContext(t), nil); err == nil {
		t.Error("logged in without the certificate")
	}
	r = route(t, s, sshdial.Options{IdentityFiles: []string{"id_signed"}, Overrides: []string{"CertificateFile=~/.ssh/cert"}})
	list(t, mustDial(t, r, nil))
	// The agent holds the key, and only the certificate lies here.
	socket := filepath.Join(s.Dir, "agent")
	serveAgent(t, socket, key)
	remove(t, s, "id_signed", "id_signed.pub")
	r = route(t, s, sshdial.Options{AgentSocket: socket, Overrides: []string{"CertificateFile=~/.ssh/cert", "IdentityFile=none"}})
	list(t, mustDial(t, r, nil))
}

// countingAgent counts signatures.
type countingAgent struct {
	agent.ExtendedAgent
	mu    sync.Mutex
	signs int
}

func (a *countingAgent) SignWithFlags(key ssh.PublicKey, data []byte, flags agent.SignatureFlags) (*ssh.Signature, error) {
	a.mu.Lock()
	a.signs++
	a.mu.Unlock()
	return a.ExtendedAgent.SignWithFlags(key, data, flags)
}

func serveAgent(t *testing.T, socket string, keyFiles ...string) *countingAgent {
	t.Helper()
	ring, ok := agent.NewKeyring().(agent.ExtendedAgent)
	if !ok {
		t.Fatal("the keyring signs no RSA-SHA2")
	}
	for _, f := range keyFiles {
		data, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		raw, err := ssh.ParseRawPrivateKey(data)
		if err != nil {
			t.Fatal(err)
		}
		if err := ring.Add(agent.AddedKey{PrivateKey: raw, Comment: filepath.Base(f)}); err != nil {
			t.Fatal(err)
		}
	}
	counting := &countingAgent{ExtendedAgent: ring}
	serveSocket(t, socket, counting)
	return counting
}

// serveSocket serves an agent until the test ends.
func serveSocket(t *testing.T, socket string, a agent.Agent) {
	t.Helper()
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer conn.Close()
				_ = agent.ServeAgent(a, conn) // ends with the connection
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		wg.Wait()
	})
}

func TestLoginAgent(t *testing.T) {
	s := startSSHD(t, testenv.SSHDOptions{})
	away := t.TempDir()
	for _, n := range []string{"id_ed25519", "id_ed25519.pub"} {
		if err := os.Rename(filepath.Join(s.SSHDir, n), filepath.Join(away, n)); err != nil {
			t.Fatal(err)
		}
	}
	rsa := filepath.Join(away, "rsa")
	keygen(t, "-t", "rsa", "-N", "", "-f", rsa)
	s.Authorize(rsa + ".pub")
	socket := filepath.Join(away, "agent")
	o := sshdial.Options{AgentSocket: socket, Overrides: []string{"IdentitiesOnly=no"}}
	r := route(t, s, o)
	_, err := r.Dial(testContext(t), nil)
	if auth := wantAuthError(t, err); !strings.Contains(strings.Join(auth.Notes, "\n"), "agent") {
		t.Errorf("no agent yet: %v", err)
	}
	// It appears later.
	a := serveAgent(t, socket, rsa)
	list(t, mustDial(t, r, nil))
	if a.signs != 1 {
		t.Errorf("the agent signed %d times", a.signs)
	}
	// A socket that a Mac's file names, and that does not exist here.
	o.Overrides = append(o.Overrides, `IdentityAgent="~/Library/Group Containers/agent.sock"`)
	list(t, mustDial(t, route(t, s, o), nil))

	// IdentitiesOnly: the agent's key counts only where a file names it.
	o = sshdial.Options{AgentSocket: socket, Overrides: []string{"IdentitiesOnly=yes"}}
	a.signs = 0
	_, err = route(t, s, o).Dial(testContext(t), nil)
	if auth := wantAuthError(t, err); len(auth.Tried) != 0 || a.signs != 0 {
		t.Errorf("IdentitiesOnly offered %v", auth.Tried)
	}
	pub, err := os.ReadFile(rsa + ".pub")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(s.SSHDir, "chosen.pub"), pub, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"chosen.pub", "chosen"} {
		o.IdentityFiles = []string{name}
		list(t, mustDial(t, route(t, s, o), nil))
	}
}

// TestLoginOffersNoMore checks, in the server's own log, what is offered.
func TestLoginOffersNoMore(t *testing.T) {
	s := startSSHD(t, testenv.SSHDOptions{})
	for _, n := range []string{"id_rsa", "id_ecdsa", "other"} {
		keygen(t, "-t", "ecdsa", "-N", "", "-f", filepath.Join(s.SSHDir, n))
	}
	a := filepath.Join(t.TempDir(), "agent")
	serveAgent(t, a, filepath.Join(s.SSHDir, "other"))
	list(t, mustDial(t, route(t, s, sshdial.Options{AgentSocket: a}), nil))
	if n := strings.Count(s.Log(), "Failed publickey"); n != 0 {
		t.Errorf("%d keys were offered in vain:\n%s", n, s.Log())
	}
	// Too many keys: the server hangs up, and that is a refused login.
	var names []string
	for i := range 8 {
		name := "extra" + string(rune('0'+i))
		keygen(t, "-t", "ed25519", "-N", "", "-f", filepath.Join(s.SSHDir, name))
		names = append(names, name)
	}
	_, err := route(t, s, sshdial.Options{IdentityFiles: names}).Dial(testContext(t), nil)
	if auth := wantAuthError(t, err); len(auth.Tried) != 6 {
		t.Errorf("tried %v: %v", auth.Tried, err)
	}
}

func TestLoginCancelled(t *testing.T) {
	s := startSSHD(t, testenv.SSHDOptions{Password: true})
	ctx, cancel := context.WithCancel(testContext(t))
	asked := askerFunc(func(actx context.Context, _ sshdial.Question) (string, error) {
		cancel()
		<-actx.Done()
		return "", actx.Err()
	})
	if _, err := route(t, s, sshdial.Options{}).Dial(ctx, asked); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

type askerFunc func(context.Context, sshdial.Question) (string, error)

func (f askerFunc) Ask(ctx context.Context, q sshdial.Question) (string, error) { return f(ctx, q) }

package sshdial_test

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"

	"sshfs-bridge/e2e/testenv"
	"sshfs-bridge/fusefs/sshdial"
)

// hardwareAgent is an agent with a security key (FIDO2) made of software: what
// it signs is what such a key signs.
type hardwareAgent struct {
	agent.ExtendedAgent
	public  ssh.PublicKey
	private ed25519.PrivateKey

	untouched bool // it signs by itself, as a key made with no-touch-required
	signed    atomic.Int64
}

const hardwareApplication = "ssh:"

func newHardwareAgent(t *testing.T) *hardwareAgent {
	t.Helper()
	pub, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	blob := ssh.Marshal(struct {
		Type        string
		Key         []byte
		Application string
	}{ssh.KeyAlgoSKED25519, pub, hardwareApplication})
	key, err := ssh.ParsePublicKey(blob)
	if err != nil {
		t.Fatal(err)
	}
	ring, ok := agent.NewKeyring().(agent.ExtendedAgent)
	if !ok {
		t.Fatal("the keyring is not extended")
	}
	return &hardwareAgent{ExtendedAgent: ring, public: key, private: private}
}

func (a *hardwareAgent) List() ([]*agent.Key, error) {
	return []*agent.Key{{Format: a.public.Type(), Blob: a.public.Marshal(), Comment: "key on a chain"}}, nil
}

func (a *hardwareAgent) SignWithFlags(_ ssh.PublicKey, data []byte, _ agent.SignatureFlags) (*ssh.Signature, error) {
	app, message := sha256.Sum256([]byte(hardwareApplication)), sha256.Sum256(data)
	a.signed.Add(1)
	tail := []byte{0, 0, 0, 0, 7 /* a counter */}
	if !a.untouched {
		tail[0] = 1
	}
	signed := append(append(app[:], tail...), message[:]...)
	return &ssh.Signature{Format: ssh.KeyAlgoSKED25519, Blob: ed25519.Sign(a.private, signed), Rest: tail}, nil
}

func TestLoginHardwareKey(t *testing.T) {
	for name, c := range map[string]struct {
		untouched bool
		signed    int // in four logins, of which two have nobody to touch the key
	}{"touched": {false, 2}, "by itself": {true, 4}} {
		t.Run(name, func(t *testing.T) {
			var options []string
			if c.untouched {
				options = append(options, "no-touch-required")
			}
			s := startSSHD(t, testenv.SSHDOptions{})
			a := newHardwareAgent(t)
			a.untouched = c.untouched
			dir := t.TempDir()
			socket, pub := filepath.Join(dir, "agent"), filepath.Join(dir, "id.pub")
			serveSocket(t, socket, a)
			if err := os.WriteFile(pub, ssh.MarshalAuthorizedKey(a.public), 0o600); err != nil {
				t.Fatal(err)
			}
			s.Authorize(pub, options...)
			remove(t, s, "id_ed25519", "id_ed25519.pub")
			r := route(t, s, sshdial.Options{AgentSocket: socket, IdentityFiles: []string{pub}})
			nobody := func(context.Context, sshdial.Question) (string, error) { return "", sshdial.ErrNoPerson }
			list(t, mustDial(t, r, askerFunc(nobody)))
			// Nobody is there now: the key shall not blink for who does not see it.
			for range 2 {
				conn, err := r.Dial(t.Context(), nil)
				switch {
				case err == nil:
					conn.Close()
				case !errors.Is(err, sshdial.ErrNeedsPerson):
					t.Errorf("a login with nobody there: %v", err)
				}
				if (err == nil) != c.untouched {
					t.Errorf("a login with nobody there: %v", err)
				}
			}
			list(t, mustDial(t, r, askerFunc(nobody)))
			if n := int(a.signed.Load()); n != c.signed {
				t.Errorf("the key signed %d times in four logins, want %d", n, c.signed)
			}
		})
	}
}

package sshdial_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"os"
	"path/filepath"
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
	return &hardwareAgent{ring, key, private}
}

func (a *hardwareAgent) List() ([]*agent.Key, error) {
	return []*agent.Key{{Format: a.public.Type(), Blob: a.public.Marshal(), Comment: "key on a chain"}}, nil
}

func (a *hardwareAgent) SignWithFlags(_ ssh.PublicKey, data []byte, _ agent.SignatureFlags) (*ssh.Signature, error) {
	app, message := sha256.Sum256([]byte(hardwareApplication)), sha256.Sum256(data)
	tail := []byte{1 /* touched */, 0, 0, 0, 7 /* a counter */}
	signed := append(append(app[:], tail...), message[:]...)
	return &ssh.Signature{Format: ssh.KeyAlgoSKED25519, Blob: ed25519.Sign(a.private, signed), Rest: tail}, nil
}

func TestLoginHardwareKey(t *testing.T) {
	s := startSSHD(t, testenv.SSHDOptions{})
	a := newHardwareAgent(t)
	dir := t.TempDir()
	socket, pub := filepath.Join(dir, "agent"), filepath.Join(dir, "id.pub")
	serveSocket(t, socket, a)
	if err := os.WriteFile(pub, ssh.MarshalAuthorizedKey(a.public), 0o600); err != nil {
		t.Fatal(err)
	}
	s.Authorize(pub)
	remove(t, s, "id_ed25519", "id_ed25519.pub")
	r := route(t, s, sshdial.Options{AgentSocket: socket, IdentityFiles: []string{pub}})
	list(t, mustDial(t, r, nil))
}

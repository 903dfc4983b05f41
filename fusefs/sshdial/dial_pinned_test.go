package sshdial_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"

	"sshfs-bridge/e2e/testenv"
	"sshfs-bridge/fusefs/sshdial"
)

// TestHostKeyPinned: a file with the one key that shall be, whatever known_hosts says.
func TestHostKeyPinned(t *testing.T) {
	s := startSSHD(t, testenv.SSHDOptions{HostKeyTypes: []string{"ed25519", "rsa"}})
	name, key := knownhosts.Normalize(s.Addr), keyLine(s.HostKeys()[0])
	knows(t, s, name+" "+key+"\n")
	pinned := filepath.Join(s.SSHDir, "pinned")
	pin := func(line string) *sshdial.Route {
		t.Helper()
		if err := os.WriteFile(pinned, []byte(name+" "+line+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		return route(t, s, sshdial.Options{Overrides: []string{"UserKnownHostsFile=~/.ssh/pinned", "StrictHostKeyChecking=yes"}})
	}
	list(t, mustDial(t, pin(key), nil))
	public, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	other, err := ssh.NewPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	_, err = pin(keyLine(other)).Dial(testContext(t), says(sshdial.KindHostKey, "yes"))
	if e := wantHostKeyError(t, err); !e.Changed || e.File != pinned {
		t.Errorf("%+v", e)
	}
}

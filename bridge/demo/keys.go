package demo

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"fmt"
	"net"
	"os"
	"path/filepath"

	"golang.org/x/crypto/ssh"
)

// keyPair is the server's host key and the one key that may log in.
type keyPair struct {
	host, client ssh.Signer
	clientPEM    []byte // the client's private key in OpenSSH's format
}

// newKeys makes fresh keys: a demo shares nothing with any other.
func newKeys() (*keyPair, error) {
	_, host, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("host key: %w", err)
	}
	_, client, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("client key: %w", err)
	}
	block, err := ssh.MarshalPrivateKey(client, "sshfs-bridge demo")
	if err != nil {
		return nil, fmt.Errorf("client key: %w", err)
	}
	keys := &keyPair{clientPEM: pem.EncodeToMemory(block)}
	if keys.host, err = ssh.NewSignerFromKey(host); err != nil {
		return nil, fmt.Errorf("host key: %w", err)
	}
	if keys.client, err = ssh.NewSignerFromKey(client); err != nil {
		return nil, fmt.Errorf("client key: %w", err)
	}
	return keys, nil
}

// write puts into dir what a client finds in its ~/.ssh. Strict checking is
// spelled out: the demo must fail if the host key were not the one given.
func (k *keyPair) write(dir, addr, knownHosts string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return err
	}
	config := fmt.Sprintf("Host demo %s\n\tHostName %s\n\tPort %s\n\tUser %s\n"+
		"\tIdentityFile ~/.ssh/id_ed25519\n\tIdentitiesOnly yes\n\tStrictHostKeyChecking yes\n",
		host, host, port, serverUser)
	for name, content := range map[string][]byte{
		"id_ed25519":  k.clientPEM,
		"known_hosts": []byte(knownHosts + "\n"),
		"config":      []byte(config),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			return err
		}
	}
	return nil
}

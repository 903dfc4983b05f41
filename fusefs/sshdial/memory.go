package sshdial

import (
	"slices"
	"strings"
	"sync"

	"golang.org/x/crypto/ssh"
)

// memory is what a Route remembers between dials. It never leaves the process.
type memory struct {
	mu       sync.Mutex // guards all below
	accepted []string   // known_hosts lines
	signers  map[string]ssh.AlgorithmSigner
	secrets  map[string]string
	oneTime  map[string]bool
	touch    map[string]bool // hardware keys that were touched to sign
}

func newMemory(accepted []string) *memory {
	m := &memory{
		signers: map[string]ssh.AlgorithmSigner{},
		secrets: map[string]string{},
		oneTime: map[string]bool{},
		touch:   map[string]bool{},
	}
	for _, line := range accepted {
		// A line is a line: what comes from elsewhere cannot add another.
		if !strings.ContainsAny(line, "\r\n") {
			m.accepted = append(m.accepted, line)
		}
	}
	return m
}

func (m *memory) acceptedLines() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.accepted)
}

func (m *memory) accept(line string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.accepted = append(m.accepted, line)
}

// signer is a key file's signer, opened with a passphrase earlier. id
// identifies the file's content.
func (m *memory) signer(id string) (ssh.AlgorithmSigner, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s, ok := m.signers[id]
	return s, ok
}

func (m *memory) keepSigner(id string, s ssh.AlgorithmSigner) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.signers[id] = s
}

// secret is an answer that worked before.
func (m *memory) secret(what string) (string, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s, ok := m.secrets[what]
	return s, ok
}

func (m *memory) keepSecret(what, answer string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.secrets[what] = answer
}

func (m *memory) forgetSecret(what string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.secrets, what)
}

// setOneTime remembers that a login asks for what cannot be said twice.
func (m *memory) setOneTime(where string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.oneTime[where] = true
}

func (m *memory) isOneTime(where string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.oneTime[where]
}

// setWantsTouch remembers that a hardware key signs only when somebody touches it.
func (m *memory) setWantsTouch(key ssh.PublicKey) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.touch[string(key.Marshal())] = true
}

func (m *memory) wantsTouch(key ssh.PublicKey) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.touch[string(key.Marshal())]
}

package sshdial

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
)

// Bounds of what an agent may take: it answers at once, but a signature may
// wait for a finger on a hardware key or a confirmation on a screen.
const (
	agentAnswerTime = 5 * time.Second
	agentSignTime   = 60 * time.Second
)

// agentConn is the connection to an agent during one login.
type agentConn struct {
	conn   net.Conn
	client agent.ExtendedAgent
}

// agentKeys connects to the agent, if there is one, and lists its keys.
func (l *login) agentKeys() []*candidate {
	path := l.hop.agentSocket
	if path == "" {
		return nil
	}
	if _, err := os.Stat(path); err != nil && l.hop.agentSocketOtherwise != "" {
		path = l.hop.agentSocketOtherwise
	}
	d := net.Dialer{Timeout: agentAnswerTime}
	conn, err := d.DialContext(l.guard.ctx, "unix", path)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			l.note("agent %s does not exist", path)
		} else {
			l.note("agent: %v", err)
		}
		return nil
	}
	l.agent = &agentConn{conn: conn, client: agent.NewClient(conn)}
	_ = conn.SetDeadline(time.Now().Add(agentAnswerTime))
	list, err := l.agent.client.List()
	if err != nil {
		l.note("agent %s: %v", path, err)
		return nil
	}
	var keys []*candidate
	for _, k := range list {
		key, err := ssh.ParsePublicKey(k.Blob)
		if err != nil {
			continue // a type that nobody here can use
		}
		name := printable(k.Comment)
		if name == "" {
			name = ssh.FingerprintSHA256(key)
		}
		signer := &agentSigner{login: l, key: key}
		keys = append(keys, &candidate{
			label: "agent's " + name,
			key:   key,
			open:  signer.open,
		})
	}
	return keys
}

// agentSigner signs through the agent.
type agentSigner struct {
	login *login
	key   ssh.PublicKey
}

// open gives the signer, unless nobody is there to touch the key: one that wanted to
// be touched before would blink unseen, at a redial or for a further connection.
func (s *agentSigner) open() (ssh.AlgorithmSigner, error) {
	if (s.login.asker == nil || s.login.hop.batch) && s.login.memory.wantsTouch(s.key) {
		s.login.needsPerson = true
		return nil, ErrNeedsPerson
	}
	return s, nil
}

func (s *agentSigner) PublicKey() ssh.PublicKey { return s.key }

func (s *agentSigner) Sign(rand io.Reader, data []byte) (*ssh.Signature, error) {
	return s.SignWithAlgorithm(rand, data, "")
}

func (s *agentSigner) SignWithAlgorithm(_ io.Reader, data []byte, algorithm string) (*ssh.Signature, error) {
	var flags agent.SignatureFlags
	switch algorithm {
	case ssh.KeyAlgoRSASHA256:
		flags = agent.SignatureFlagRsaSha256
	case ssh.KeyAlgoRSASHA512:
		flags = agent.SignatureFlagRsaSha512
	}
	// A touch is not the server's time.
	resume := s.login.guard.pause()
	defer resume()
	a := s.login.agent
	_ = a.conn.SetDeadline(time.Now().Add(agentSignTime))
	sig, err := a.client.SignWithFlags(s.key, data, flags)
	if err != nil {
		return nil, fmt.Errorf("agent: %w", err)
	}
	if touched(sig) {
		s.login.memory.setWantsTouch(s.key)
	}
	return sig, nil
}

// touched says that a hardware key was touched to make a signature: its first flag,
// before the counter (PROTOCOL.u2f of OpenSSH).
func touched(sig *ssh.Signature) bool {
	return strings.HasPrefix(sig.Format, "sk-") && len(sig.Rest) > 0 && sig.Rest[0]&1 != 0
}

// close ends the connection; a nil agentConn has none.
func (a *agentConn) close() {
	if a != nil {
		_ = a.conn.Close()
	}
}

package sshdial

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"

	"golang.org/x/crypto/ssh"
)

// maxKeyBytes bounds a key file.
const maxKeyBytes = 1 << 20

// candidate is one key to offer.
type candidate struct {
	label string        // for messages
	key   ssh.PublicKey // a certificate too; nil where the file does not tell without its passphrase
	open  func() (ssh.AlgorithmSigner, error)
}

// errNoPassphrase says that a person gave up on a passphrase, or had it wrong
// too often.
var errNoPassphrase = errors.New("no right passphrase was given")

// fileKey is an identity file: a private key, or only the public half of one
// that the agent holds.
type fileKey struct {
	path     string
	explicit bool
	key      ssh.PublicKey
	private  bool
	certs    []*ssh.Certificate
	open     func() (ssh.AlgorithmSigner, error)
}

// loadFile reads an identity file, and the certificate beside it. Only the
// private half may need a passphrase, and that is asked for when it is needed.
func (l *login) loadFile(id identityFile) (*fileKey, bool) {
	f := &fileKey{path: id.path, explicit: id.explicit}
	data, err := readBounded(id.path, maxKeyBytes)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		l.note("identity %v", err)
	}
	missing := err != nil
	if !missing {
		f.private, err = l.readPrivate(f, data)
		if err != nil {
			l.note("identity %s: %v", id.path, err)
		}
	}
	if f.key == nil {
		if pub, err := readPublic(id.path + ".pub"); err == nil {
			f.key = pub
		}
	}
	if missing && f.key == nil {
		if id.explicit {
			l.note("identity %s does not exist", id.path)
		}
		return nil, false
	}
	if cert, err := readPublic(id.path + "-cert.pub"); err == nil {
		f.addCert(cert)
	}
	return f, f.private || f.key != nil
}

// readPrivate finds out what data is. It says whether there is a private key.
func (l *login) readPrivate(f *fileKey, data []byte) (bool, error) {
	signer, err := ssh.ParsePrivateKey(data)
	var encrypted *ssh.PassphraseMissingError
	switch {
	case err == nil:
		as, ok := signer.(ssh.AlgorithmSigner)
		if !ok {
			return false, errors.New("a key of this type cannot sign here")
		}
		f.key = signer.PublicKey()
		f.open = func() (ssh.AlgorithmSigner, error) { return as, nil }
		return true, nil
	case errors.As(err, &encrypted):
		f.key = encrypted.PublicKey
		f.open = func() (ssh.AlgorithmSigner, error) { return l.decrypt(f.path, data) }
		return true, nil
	}
	if pub, _, _, _, perr := ssh.ParseAuthorizedKey(data); perr == nil {
		// IdentityFile may name a public key, to choose one of the agent's.
		if _, isCert := pub.(*ssh.Certificate); !isCert {
			f.key = pub
		}
		return false, nil
	}
	return false, fmt.Errorf("%w (a hardware key works through the agent)", err)
}

// decrypt asks for the passphrase of a key, unless it was given before.
func (l *login) decrypt(path string, data []byte) (ssh.AlgorithmSigner, error) {
	sum := sha256.Sum256(data)
	id := path + " " + hex.EncodeToString(sum[:])
	if s, ok := l.memory.signer(id); ok {
		return s, nil
	}
	// Nor is the work of it, which takes seconds on purpose, the server's time.
	resume := l.guard.pause()
	defer resume()
	for range l.hop.prompts {
		phrase, err := l.ask(Question{Kind: KindPassphrase, Prompt: fmt.Sprintf("Passphrase for the key %s (%s): ", path, l.hop)})
		if err != nil {
			return nil, err
		}
		if phrase == "" {
			break
		}
		signer, err := ssh.ParsePrivateKeyWithPassphrase(data, []byte(phrase))
		if errors.Is(err, x509.IncorrectPasswordError) {
			continue
		}
		if err != nil {
			return nil, err
		}
		as, ok := signer.(ssh.AlgorithmSigner)
		if !ok {
			return nil, errors.New("a key of this type cannot sign here")
		}
		l.memory.keepSigner(id, as)
		return as, nil
	}
	return nil, errNoPassphrase
}

func readPublic(path string) (ssh.PublicKey, error) {
	data, err := readBounded(path, maxKeyBytes)
	if err != nil {
		return nil, err
	}
	key, _, _, _, err := ssh.ParseAuthorizedKey(data)
	return key, err
}

func (f *fileKey) addCert(key ssh.PublicKey) {
	cert, ok := key.(*ssh.Certificate)
	if ok && cert.CertType == ssh.UserCert && (f.key == nil || sameKey(cert.Key, f.key)) {
		f.certs = append(f.certs, cert)
	}
}

func sameKey(a, b ssh.PublicKey) bool { return bytes.Equal(a.Marshal(), b.Marshal()) }

// candidates are the keys to offer, in order. As in OpenSSH certificates come
// first, then what the agent holds of the configured keys. Then come the files
// that a setting names, before the agent's other keys: servers count each
// key that is offered, and a person who names a file means it.
func (l *login) candidates() []*candidate {
	var files []*fileKey
	for _, id := range l.hop.identities {
		if f, ok := l.loadFile(id); ok {
			files = append(files, f)
		}
	}
	agentKeys := l.agentKeys()
	var certs, inAgent, named, others, usual []*candidate
	for _, path := range l.hop.certificates {
		key, err := readPublic(path)
		if cert, ok := key.(*ssh.Certificate); err == nil && ok {
			certs = append(certs, l.certCandidates(cert, filepath.Base(path), files, agentKeys)...)
		} else {
			l.note("certificate %s cannot be read", path)
		}
	}
	for _, f := range files {
		name := filepath.Base(f.path)
		for _, cert := range f.certs {
			certs = append(certs, l.certCandidates(cert, name+"-cert.pub", []*fileKey{f}, agentKeys)...)
		}
		if i := slices.IndexFunc(agentKeys, func(c *candidate) bool { return f.key != nil && sameKey(c.key, f.key) }); i >= 0 {
			inAgent = append(inAgent, agentKeys[i])
			continue
		}
		if !f.private {
			l.note("identity %s is only a public key, and the agent does not hold it", f.path)
			continue
		}
		c := &candidate{label: name, key: f.key, open: f.open}
		if f.explicit {
			named = append(named, c)
		} else {
			usual = append(usual, c)
		}
	}
	if !l.hop.identitiesOnly {
		others = agentKeys
	}
	var all []*candidate
	for _, c := range slices.Concat(certs, inAgent, named, others, usual) {
		known := c.key != nil && slices.ContainsFunc(all, func(have *candidate) bool {
			return have.key != nil && sameKey(have.key, c.key)
		})
		if !known {
			all = append(all, c)
		}
	}
	return all
}

// certCandidates finds the private half of a certificate.
func (l *login) certCandidates(cert *ssh.Certificate, name string, files []*fileKey, agentKeys []*candidate) []*candidate {
	for _, c := range agentKeys {
		if sameKey(c.key, cert.Key) {
			return []*candidate{{label: name, key: cert, open: c.open}}
		}
	}
	for _, f := range files {
		if f.private && f.key != nil && sameKey(f.key, cert.Key) {
			return []*candidate{{label: name, key: cert, open: f.open}}
		}
	}
	return nil
}

// signer makes a candidate fit for x/crypto/ssh, with the algorithms that are
// allowed; nil where none is.
func (l *login) signer(c *candidate) (ssh.Signer, error) {
	key := c.key
	if key == nil {
		// An old PEM file with no .pub beside it: it must be opened to know
		// what to offer.
		s, err := c.open()
		if err != nil {
			return nil, err
		}
		key = s.PublicKey()
	}
	var algos []string
	for _, a := range keyAlgorithms(key.Type()) {
		if slices.Contains(l.hop.algorithms.publicKeys, a) {
			algos = append(algos, a)
		}
	}
	if len(algos) == 0 {
		return nil, fmt.Errorf("no allowed algorithm for a key of type %s", key.Type())
	}
	return &lazySigner{key: key, algos: algos, open: c.open, signed: l.sent}, nil
}

// lazySigner opens its private key when a signature is wanted, which is when
// the server has said that it would accept the key.
type lazySigner struct {
	key   ssh.PublicKey
	algos []string
	open  func() (ssh.AlgorithmSigner, error)
	// signed is called with each signature that was made.
	signed func()
	err    error // of open or of the signature
}

func (s *lazySigner) PublicKey() ssh.PublicKey { return s.key }

func (s *lazySigner) Algorithms() []string { return s.algos }

func (s *lazySigner) Sign(rand io.Reader, data []byte) (*ssh.Signature, error) {
	return s.SignWithAlgorithm(rand, data, s.algos[0])
}

func (s *lazySigner) SignWithAlgorithm(rand io.Reader, data []byte, algorithm string) (*ssh.Signature, error) {
	signer, err := s.open()
	if err == nil {
		var sig *ssh.Signature
		if sig, err = signer.SignWithAlgorithm(rand, data, algorithm); err == nil {
			s.signed()
			return sig, nil
		}
	}
	s.err = err
	return nil, err
}

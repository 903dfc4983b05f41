package sshdial

import (
	"bytes"
	"crypto/rsa"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"
)

// verifier decides on the host key of one connection.
type verifier struct {
	hop   *hop
	trust *trust
	ask   func(q Question) (string, error)
	// failure is why the key was refused: x/crypto/ssh does not always hand
	// the callback's error back.
	failure error
	// verified is the key of this connection. Every later key exchange must
	// show the same one: nobody is asked twice.
	verified ssh.PublicKey
	// pending is a known_hosts line to keep once the login succeeded;
	// confirmed is one that a person accepted.
	pending, confirmed string
}

// callback is an ssh.HostKeyCallback.
func (v *verifier) callback(_ string, _ net.Addr, key ssh.PublicKey) error {
	if v.verified != nil {
		if bytes.Equal(v.verified.Marshal(), key.Marshal()) {
			return nil
		}
		return &HostKeyError{Host: v.hop.keyName, Got: fingerprint(key), Want: []string{fingerprint(v.verified)}, Changed: true, Reason: "within one connection"}
	}
	err := v.check(key)
	if err != nil {
		v.failure = err
		return err
	}
	v.verified = key
	return nil
}

func (v *verifier) check(key ssh.PublicKey) error {
	plain := key
	cert, isCert := key.(*ssh.Certificate)
	if isCert {
		plain = cert.Key
		if k, ok := find(v.trust.revoked, cert.SignatureKey); ok {
			e := v.refuse(plain, "the authority that signed it is revoked")
			e.Revoked, e.File, e.Line = true, k.file, k.line
			return e
		}
	}
	if k, ok := find(v.trust.revoked, plain); ok {
		e := v.refuse(plain, "")
		e.Revoked, e.File, e.Line = true, k.file, k.line
		return e
	}
	if bits := rsaBits(plain); bits > 0 && bits < v.hop.minRSABits {
		return v.refuse(plain, fmt.Sprintf("an RSA key of %d bits is too short (RequiredRSASize %d)", bits, v.hop.minRSABits))
	}
	if isCert {
		authorities := slices.Concat(v.trust.authorities, v.trust.portlessAuthorities)
		if k, ok := find(authorities, cert.SignatureKey); ok {
			if err := v.checkCertificate(cert); err != nil {
				e := v.refuse(plain, "certificate: "+printable(err.Error()))
				e.File, e.Line = k.file, k.line
				return e
			}
			return nil
		}
		// Nobody here knows the authority: the key itself may be known.
	}
	if _, ok := find(slices.Concat(v.trust.plain, v.trust.portless), plain); ok {
		return nil
	}
	if len(v.trust.plain) > 0 {
		e := v.refuse(plain, "if that is as it should be, remove the old key")
		e.Changed = true
		e.File, e.Line = v.trust.plain[0].file, v.trust.plain[0].line
		for _, k := range v.trust.plain {
			e.Want = append(e.Want, fingerprint(k.key))
		}
		return e
	}
	return v.unknown(plain)
}

// unknown decides on a key for a host of which no key is known. A host that an
// authority vouches for should have shown a certificate: then a person decides.
func (v *verifier) unknown(key ssh.PublicKey) error {
	line := v.line(key)
	signed := len(v.trust.authorities)+len(v.trust.portlessAuthorities) > 0
	if v.hop.strict == acceptNew && !signed {
		v.pending = line
		return nil
	}
	prompt := fmt.Sprintf("The host key of %s is not known.\nIt is %s\nAccept it (yes, no, or the fingerprint)? ", v.hop.keyName, fingerprint(key))
	if signed {
		prompt = "This host should show a certificate of a known authority, and does not.\n" + prompt
	}
	answer, err := v.ask(Question{Kind: KindHostKey, Prompt: prompt, Echo: true})
	if err != nil {
		e := v.refuse(key, "unknown host")
		e.Err = err
		return e
	}
	answer = strings.TrimSpace(answer)
	if !strings.EqualFold(answer, "yes") && answer != ssh.FingerprintSHA256(key) {
		return v.refuse(key, "refused by a person")
	}
	v.confirmed = line
	return nil
}

func (v *verifier) refuse(key ssh.PublicKey, reason string) *HostKeyError {
	return &HostKeyError{Host: v.hop.keyName, Got: fingerprint(key), Reason: reason}
}

// line is the key as a line of known_hosts.
func (v *verifier) line(key ssh.PublicKey) string {
	name := v.hop.keyName
	if v.hop.hashNames {
		name = knownhosts.HashHostname(name)
	}
	return name + " " + strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key)))
}

// checkCertificate checks all but who signed it, which the caller knows.
func (v *verifier) checkCertificate(cert *ssh.Certificate) error {
	if cert.CertType != ssh.HostCert {
		return fmt.Errorf("it is not a host's")
	}
	if !slices.Contains(v.hop.algorithms.caSignatures, cert.Signature.Format) {
		return fmt.Errorf("it is signed with %s, which is not accepted", printable(cert.Signature.Format))
	}
	name := strings.ToLower(v.hop.hostName)
	if v.hop.keyAliased {
		name = v.hop.keyName
	}
	// Principals of a host may be patterns, which x/crypto/ssh does not know.
	principal := name
	for _, p := range cert.ValidPrincipals {
		if matchPattern(p, name) {
			principal = p
			break
		}
	}
	checker := ssh.CertChecker{Clock: time.Now}
	return checker.CheckCert(principal, cert)
}

// fingerprint is a key's type and SHA-256, as ssh-keygen -l shows it.
func fingerprint(key ssh.PublicKey) string {
	return key.Type() + " " + ssh.FingerprintSHA256(key)
}

func rsaBits(key ssh.PublicKey) int {
	if c, ok := key.(ssh.CryptoPublicKey); ok {
		if k, ok := c.CryptoPublicKey().(*rsa.PublicKey); ok {
			return k.N.BitLen()
		}
	}
	return 0
}

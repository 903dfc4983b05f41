package sshdial

import (
	"fmt"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"
	"golang.org/x/sys/cpu"
)

// algorithms is one list of each kind, in order of preference. The defaults
// are what current OpenSSH offers and x/crypto/ssh implements, without
// SHA-1; there is no other set that a setting could reach into.
type algorithms struct {
	ciphers, kex, macs, hostKeys, caSignatures, publicKeys []string
	// hostKeysSet says that a setting chose and ordered hostKeys.
	hostKeysSet bool
}

// hasAES says that the CPU does AES and its GCM multiplication in hardware.
func hasAES() bool {
	return cpu.X86.HasAES && cpu.X86.HasPCLMULQDQ ||
		cpu.ARM64.HasAES && cpu.ARM64.HasPMULL ||
		cpu.S390X.HasAES && cpu.S390X.HasAESGCM
}

// defaultAlgorithms puts the fastest cipher first: with AES in hardware, AES-GCM
// carries two to three times what chacha20-poly1305 does; without, it is
// the other way round.
func defaultAlgorithms(aes bool) algorithms {
	gcm := []string{ssh.CipherAES128GCM, ssh.CipherAES256GCM}
	chacha := []string{ssh.CipherChaCha20Poly1305}
	ciphers := slices.Concat(gcm, chacha)
	if !aes {
		ciphers = slices.Concat(chacha, gcm)
	}
	signatures := []string{
		ssh.KeyAlgoED25519, ssh.KeyAlgoECDSA256, ssh.KeyAlgoECDSA384, ssh.KeyAlgoECDSA521,
		ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256,
	}
	withHardware := append([]string{ssh.KeyAlgoSKED25519, ssh.KeyAlgoSKECDSA256}, signatures...)
	return algorithms{
		ciphers: append(ciphers, ssh.CipherAES128CTR, ssh.CipherAES192CTR, ssh.CipherAES256CTR),
		kex: []string{
			ssh.KeyExchangeMLKEM768X25519, ssh.KeyExchangeCurve25519,
			ssh.KeyExchangeECDHP256, ssh.KeyExchangeECDHP384, ssh.KeyExchangeECDHP521,
			ssh.KeyExchangeDHGEXSHA256, ssh.KeyExchangeDH16SHA512, ssh.KeyExchangeDH14SHA256,
		},
		macs: []string{ssh.HMACSHA256ETM, ssh.HMACSHA512ETM, ssh.HMACSHA256, ssh.HMACSHA512},
		hostKeys: append([]string{
			ssh.CertAlgoED25519v01, ssh.CertAlgoECDSA256v01, ssh.CertAlgoECDSA384v01, ssh.CertAlgoECDSA521v01,
			ssh.CertAlgoRSASHA512v01, ssh.CertAlgoRSASHA256v01,
		}, signatures...),
		caSignatures: withHardware,
		publicKeys:   withHardware,
	}
}

// chooseAlgorithms applies a setting of the forms LIST, +LIST, -LIST and ^LIST
// to the default list. What is not in the defaults is not offered;
// it is returned as left.
func chooseAlgorithms(def []string, spec string) (chosen, left []string, err error) {
	var mode byte
	if spec != "" && strings.IndexByte("+-^", spec[0]) >= 0 {
		mode, spec = spec[0], spec[1:]
	}
	var named []string
	for _, name := range strings.Split(spec, ",") {
		name = strings.TrimSpace(name)
		found := false
		for _, d := range def {
			if matchPattern(name, canonicalAlgorithm(d)) || matchPattern(name, d) {
				found = true
				if !slices.Contains(named, d) {
					named = append(named, d)
				}
			}
		}
		if !found && name != "" && mode != '-' {
			left = append(left, name)
		}
	}
	switch mode {
	case '+': // all that could be added is there already
		chosen = def
	case '-':
		chosen = slices.DeleteFunc(slices.Clone(def), func(d string) bool { return slices.Contains(named, d) })
	case '^':
		chosen = slices.Clone(named)
		for _, d := range def {
			if !slices.Contains(named, d) {
				chosen = append(chosen, d)
			}
		}
	default:
		chosen = named
	}
	if len(chosen) == 0 {
		return nil, left, fmt.Errorf("leaves no algorithm that is supported here (%s)", strings.Join(def, ","))
	}
	return chosen, left, nil
}

// canonicalAlgorithm is another name of the same algorithm.
func canonicalAlgorithm(name string) string {
	if name == ssh.KeyExchangeCurve25519 {
		return "curve25519-sha256@libssh.org"
	}
	return name
}

// underlying is the algorithm of a certificate's own key.
func underlying(algo string) string {
	if i := strings.Index(algo, "-cert-v01@openssh.com"); i >= 0 {
		base := algo[:i]
		if strings.HasPrefix(base, "sk-") {
			base += "@openssh.com"
		}
		return base
	}
	return algo
}

func isCertAlgorithm(algo string) bool {
	return strings.Contains(algo, "-cert-v01@openssh.com")
}

// keyAlgorithms are the signature algorithms of a key's type, SHA-1 left out.
func keyAlgorithms(keyType string) []string {
	if underlying(keyType) == ssh.KeyAlgoRSA {
		return []string{ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256}
	}
	return []string{underlying(keyType)}
}

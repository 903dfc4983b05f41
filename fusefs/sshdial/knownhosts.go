package sshdial

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // known_hosts hashes names with it; it hides them, and protects nothing
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"
)

// maxKnownHostsBytes bounds one file of host keys.
const maxKnownHostsBytes = 32 << 20

// known is a host key and where it stands.
type known struct {
	key  ssh.PublicKey
	file string
	line int
}

// trust is what is known of one host.
type trust struct {
	plain       []known // keys of the host under its full name
	authorities []known // keys that may sign its certificate
	// portless are keys and authorities under the name without the port, where
	// the port is not 22: one of them proves the host, as in OpenSSH, but a
	// different one proves nothing.
	portless, portlessAuthorities []known
	// revoked keys are refused for every host: a stolen key is no better
	// under another name.
	revoked []known
	// bad are lines that could not be read, for the log.
	bad []string
}

// hostNames are the names under which a host's keys are looked up.
type hostNames struct {
	full     string // as known_hosts has it: host, or [host]:port
	portless string // "" where it is the same
}

// add takes over what one file says of the host. Lines that cannot be read are
// skipped, as OpenSSH does: one bad line must not make the other hosts unknown.
func (t *trust) add(data []byte, file string, names hostNames) {
	n := 0
	for raw := range bytes.Lines(data) {
		n++
		fields := bytes.Fields(raw)
		if len(fields) == 0 || fields[0][0] == '#' {
			continue
		}
		marker := ""
		if fields[0][0] == '@' {
			marker, fields = string(fields[0]), fields[1:]
		}
		if len(fields) < 3 {
			t.bad = append(t.bad, fmt.Sprintf("%s:%d: too short", file, n))
			continue
		}
		hosts := string(fields[0])
		full := matchHosts(hosts, names.full)
		portless := !full && names.portless != "" && matchHosts(hosts, names.portless)
		if !full && !portless && marker != "@revoked" {
			continue
		}
		key, err := parseKnownKey(fields[1], fields[2])
		if err != nil {
			t.bad = append(t.bad, fmt.Sprintf("%s:%d: %v", file, n, err))
			continue
		}
		k := known{key, file, n}
		switch {
		case marker == "@revoked":
			t.revoked = append(t.revoked, k)
		case marker == "@cert-authority" && full:
			t.authorities = append(t.authorities, k)
		case marker == "@cert-authority":
			t.portlessAuthorities = append(t.portlessAuthorities, k)
		case marker != "":
			t.bad = append(t.bad, fmt.Sprintf("%s:%d: unknown marker", file, n))
		case full:
			t.plain = append(t.plain, k)
		default:
			t.portless = append(t.portless, k)
		}
	}
}

// parseKnownKey reads the last two fields of a line, TYPE and BASE64.
func parseKnownKey(typ, blob []byte) (ssh.PublicKey, error) {
	raw, err := base64.StdEncoding.DecodeString(string(blob))
	if err != nil {
		return nil, errors.New("not base64")
	}
	key, err := ssh.ParsePublicKey(raw)
	if err != nil {
		return nil, err
	}
	if key.Type() != string(typ) {
		return nil, errors.New("the key is of another type than it says")
	}
	return key, nil
}

// matchHosts matches the first field of a line: a hashed name, or patterns.
func matchHosts(hosts, name string) bool {
	if strings.HasPrefix(hosts, "|") {
		return matchHashed(hosts, name)
	}
	patterns := strings.Split(hosts, ",")
	if matchList(patterns, name) {
		return true
	}
	// "[host]:22" and "host" are one name; OpenSSH writes the latter.
	if strings.HasPrefix(name, "[") {
		return false
	}
	for _, p := range patterns {
		if strings.EqualFold(p, "["+name+"]:22") {
			return true
		}
	}
	return false
}

func matchHashed(hosts, name string) bool {
	parts := strings.Split(hosts, "|")
	if len(parts) != 4 || parts[1] != "1" {
		return false
	}
	salt, err1 := base64.StdEncoding.DecodeString(parts[2])
	sum, err2 := base64.StdEncoding.DecodeString(parts[3])
	if err1 != nil || err2 != nil {
		return false
	}
	mac := hmac.New(sha1.New, salt)
	mac.Write([]byte(name))
	return hmac.Equal(mac.Sum(nil), sum)
}

// loadTrust reads all that is known of the hop. It is read anew at each dial.
// A missing file is an empty one; one that cannot be read is an error, since
// it could turn a changed key into an unknown one.
func (h *hop) loadTrust(accepted []string) (*trust, error) {
	names := hostNames{full: h.keyName}
	if !h.keyAliased && h.port != 22 {
		names.portless = strings.ToLower(h.hostName)
	}
	t := &trust{}
	for _, file := range h.knownHosts {
		data, err := readBounded(file, maxKnownHostsBytes)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("known host keys: %w", err)
		}
		t.add(data, file, names)
	}
	t.add([]byte(strings.Join(accepted, "\n")), "accepted host keys", names)
	if h.revokedKeys != "" {
		if err := t.addRevoked(h.revokedKeys); err != nil {
			return nil, fmt.Errorf("revoked host keys: %w", err)
		}
	}
	return t, nil
}

// addRevoked reads a RevokedHostKeys file: public keys, one a line. OpenSSH
// refuses every key when the file cannot be read, and so does this.
func (t *trust) addRevoked(file string) error {
	data, err := readBounded(file, maxKnownHostsBytes)
	if err != nil {
		return err
	}
	if bytes.HasPrefix(data, []byte("SSHKRL\n\x00")) {
		return &UnsupportedError{Keyword: "RevokedHostKeys", Value: file, Where: "a key revocation list (KRL)"}
	}
	n := 0
	for raw := range bytes.Lines(data) {
		n++
		line := bytes.TrimSpace(raw)
		if len(line) == 0 || line[0] == '#' {
			continue
		}
		key, _, _, _, err := ssh.ParseAuthorizedKey(line)
		if err != nil {
			return fmt.Errorf("%s:%d: not a public key", file, n)
		}
		t.revoked = append(t.revoked, known{key, file, n})
	}
	return nil
}

// readBounded reads a file that is no longer than most.
func readBounded(name string, most int64) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, most+1))
	if err != nil {
		return nil, err
	}
	if int64(len(data)) > most {
		return nil, fmt.Errorf("%s: larger than %d bytes", name, most)
	}
	return data, nil
}

// find is the entry for key, if there is one.
func find(list []known, key ssh.PublicKey) (known, bool) {
	blob := key.Marshal()
	for _, k := range list {
		if bytes.Equal(k.key.Marshal(), blob) {
			return k, true
		}
	}
	return known{}, false
}

// hostKeyAlgorithms orders what is offered so that the server presents a key
// that can be checked: the types that are known first. A server that has only
// others then shows a different key, which is refused with both fingerprints.
func (t *trust) hostKeyAlgorithms(a algorithms) []string {
	if a.hostKeysSet {
		return a.hostKeys
	}
	types := map[string]bool{}
	for _, k := range slices.Concat(t.plain, t.portless) {
		for _, algo := range keyAlgorithms(k.key.Type()) {
			types[algo] = true
		}
	}
	signed := len(t.authorities)+len(t.portlessAuthorities) > 0
	var first, second, third []string
	for _, algo := range a.hostKeys {
		switch cert := isCertAlgorithm(algo); {
		case cert && signed:
			first = append(first, algo)
		case cert:
			third = append(third, algo)
		case types[algo] && !signed:
			first = append(first, algo)
		case types[algo]:
			second = append([]string{algo}, second...)
		default:
			second = append(second, algo)
		}
	}
	return append(append(first, second...), third...)
}

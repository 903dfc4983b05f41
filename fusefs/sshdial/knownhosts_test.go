package sshdial

import (
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	skeema "github.com/skeema/knownhosts"
	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"
)

func newKey(t testing.TB) ssh.PublicKey {
	t.Helper()
	pub, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	key, err := ssh.NewPublicKey(pub)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func authorized(key ssh.PublicKey) string {
	return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key)))
}

// newTrust reads text for HOST or [HOST]:PORT.
func newTrust(text, host string, port int) *trust {
	h := &hop{hostName: host, port: port}
	names := hostNames{full: knownhosts.Normalize(h.addr())}
	if port != 22 {
		names.portless = host
	}
	tr := &trust{}
	tr.add([]byte(text), "file", names)
	return tr
}

func TestKnownHosts(t *testing.T) {
	key, other := newKey(t), newKey(t)
	k := " " + authorized(key) + "\n"
	for _, c := range []struct {
		text, host                   string
		port                         int
		plain, ca, revoked, portless int
		bad                          int
	}{
		{text: "nas" + k, host: "nas", port: 22, plain: 1},
		{text: "NAS,192.0.2.1" + k, host: "nas", port: 22, plain: 1},
		{text: "  # comment\n\n[nas]:2222" + k, host: "nas", port: 2222, plain: 1},
		{text: "[nas]:22" + k, host: "nas", port: 22, plain: 1},
		{text: "nas" + k, host: "nas", port: 2222, portless: 1},
		{text: "[nas]:2222" + k, host: "nas", port: 22},
		{text: "*.lan,!bad.lan" + k, host: "x.lan", port: 22, plain: 1},
		{text: "*.lan,!bad.lan" + k, host: "bad.lan", port: 22},
		{text: "*" + k, host: "x", port: 2222, plain: 1},
		{text: knownhosts.HashHostname("nas") + k, host: "nas", port: 22, plain: 1},
		{text: knownhosts.HashHostname("[nas]:2222") + k, host: "nas", port: 2222, plain: 1},
		{text: knownhosts.HashHostname("nas") + k, host: "nat", port: 22},
		{text: "@cert-authority *.lan" + k, host: "a.lan", port: 22, ca: 1},
		{text: "@revoked *" + k, host: "nas", port: 22, revoked: 1},
		{text: "@revoked other" + k, host: "nas", port: 22, revoked: 1},
		{text: "@nonsense nas" + k, host: "nas", port: 22, bad: 1},
		{text: "nas ssh-ed25519\nnas ssh-ed25519 %%%\nnas ssh-rsa " + strings.Fields(authorized(key))[1] + "\nnas" + k, host: "nas", port: 22, plain: 1, bad: 3},
		{text: "other nonsense here\n|1|x|y z w\n", host: "nas", port: 22},
		{text: "nas" + k + "nas " + authorized(other), host: "nas", port: 22, plain: 2},
	} {
		tr := newTrust(c.text, c.host, c.port)
		if len(tr.plain) != c.plain || len(tr.authorities) != c.ca || len(tr.revoked) != c.revoked || len(tr.portless) != c.portless || len(tr.bad) != c.bad {
			t.Errorf("%q for %s:%d: %+v", c.text, c.host, c.port, tr)
		}
	}
}

func TestKnownHostsFiles(t *testing.T) {
	dir := t.TempDir()
	key := newKey(t)
	a := writeFile(t, dir, "a", "x "+authorized(newKey(t))+"\nnas "+authorized(key)+"\n")
	h := &hop{hostName: "nas", port: 22, keyName: "nas", knownHosts: []string{filepath.Join(dir, "missing"), a}}
	tr, err := h.loadTrust([]string{"nas " + authorized(newKey(t))})
	if err != nil || len(tr.plain) != 2 {
		t.Fatalf("%+v, %v", tr, err)
	}
	if k, ok := find(tr.plain, key); !ok || k.file != a || k.line != 2 {
		t.Errorf("found %+v", k)
	}
	if h.knownHosts = []string{dir}; true {
		if _, err := h.loadTrust(nil); err == nil {
			t.Error("a file of host keys that cannot be read counts as empty")
		}
	}
	h.knownHosts = nil
	h.revokedKeys = writeFile(t, dir, "revoked", "# old\n"+authorized(key)+"\n")
	if tr, err = h.loadTrust(nil); err != nil || len(tr.revoked) != 1 {
		t.Errorf("RevokedHostKeys: %+v, %v", tr, err)
	}
	for _, bad := range []string{"SSHKRL\n\x00rest", "nonsense"} {
		h.revokedKeys = writeFile(t, dir, "revoked", bad)
		if _, err = h.loadTrust(nil); err == nil {
			t.Errorf("RevokedHostKeys %q was accepted", bad)
		}
	}
	h.revokedKeys = filepath.Join(dir, "missing")
	if _, err = h.loadTrust(nil); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a missing RevokedHostKeys: %v", err)
	}
}

// TestKnownHostsAsLibrary compares with skeema/knownhosts over what both
// understand: is this key known for that host, and which algorithms to ask for.
func TestKnownHostsAsLibrary(t *testing.T) {
	key, other := newKey(t), newKey(t)
	var text strings.Builder
	for _, hosts := range []string{"a", "b,c", "[d]:2222", "*.lan,!x.lan", knownhosts.HashHostname("e"), "192.0.2.1"} {
		text.WriteString(hosts + " " + authorized(key) + "\n")
	}
	path := writeFile(t, t.TempDir(), "known_hosts", text.String())
	db, err := skeema.NewDB(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, host := range []string{"a", "b", "c", "d", "e", "f", "y.lan", "x.lan", "192.0.2.1"} {
		for _, port := range []int{22, 2222} {
			addr := net.JoinHostPort(host, strconv.Itoa(port))
			for _, presented := range []ssh.PublicKey{key, other} {
				want := db.HostKeyCallback()(addr, &net.TCPAddr{IP: net.IPv4zero, Port: port}, presented) == nil
				tr := newTrust(text.String(), host, port)
				_, got := find(slices.Concat(tr.plain, tr.portless), presented)
				if got != want {
					t.Errorf("%s, right key %v: known %v; the library says %v", addr, sameKey(presented, key), got, want)
				}
				if algos := db.HostKeyAlgorithms(addr); len(algos) > 0 {
					if ours := tr.hostKeyAlgorithms(defaultAlgorithms(true)); ours[0] != algos[0] {
						t.Errorf("%s: %s is first; the library says %s", addr, ours[0], algos[0])
					}
				}
			}
		}
	}
}

func TestHostKeyAlgorithmsOrder(t *testing.T) {
	def := defaultAlgorithms(true)
	tr := &trust{}
	if got := tr.hostKeyAlgorithms(def); got[0] != ssh.KeyAlgoED25519 || !isCertAlgorithm(got[len(got)-1]) || len(got) != len(def.hostKeys) {
		t.Errorf("unknown host: %v", got)
	}
	tr.authorities = []known{{key: newKey(t)}}
	if got := tr.hostKeyAlgorithms(def); !isCertAlgorithm(got[0]) || !isCertAlgorithm(got[5]) {
		t.Errorf("host with an authority: %v", got)
	}
	chosen := def
	chosen.hostKeys, chosen.hostKeysSet = []string{ssh.KeyAlgoRSASHA256}, true
	if got := tr.hostKeyAlgorithms(chosen); !slices.Equal(got, chosen.hostKeys) {
		t.Errorf("chosen by a setting: %v", got)
	}
}

func FuzzKnownHosts(f *testing.F) {
	key := newKey(f)
	for _, s := range []string{"nas " + authorized(key), "@revoked * " + authorized(key), "|1|a|b ssh-rsa x", "[nas]:22 x y", "@ a b", "!nas,* a b", "@cert-authority"} {
		f.Add(s, "nas", 22)
	}
	f.Fuzz(func(t *testing.T, text, host string, port int) {
		tr := newTrust(text, host, port)
		lines := strings.Count(text, "\n") + 1
		if n := len(tr.plain) + len(tr.authorities) + len(tr.revoked) + len(tr.portless) + len(tr.bad); n > lines {
			t.Errorf("%d entries from %d lines", n, lines)
		}
		tr.hostKeyAlgorithms(defaultAlgorithms(true))
	})
}

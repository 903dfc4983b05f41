package sshdial_test

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pkg/sftp"
	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"

	"sshfs-bridge/e2e/testenv"
	"sshfs-bridge/fusefs/sshdial"
)

// knows replaces known_hosts.
func knows(t *testing.T, s *testenv.SSHD, text string) {
	t.Helper()
	if err := os.WriteFile(s.KnownHosts, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// accepting collects what is reported.
func accepting(o sshdial.Options) (sshdial.Options, *[]string) {
	var lines []string
	o.OnHostKeyAccepted = func(line string) { lines = append(lines, line) }
	return o, &lines
}

func wantHostKeyError(t *testing.T, err error) *sshdial.HostKeyError {
	t.Helper()
	var e *sshdial.HostKeyError
	if !errors.As(err, &e) {
		t.Fatalf("got %v; want a HostKeyError", err)
	}
	return e
}

func keyLine(key ssh.PublicKey) string {
	return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key)))
}

func TestHostKeyAcceptNew(t *testing.T) {
	s := startSSHD(t, testenv.SSHDOptions{})
	name := knownhosts.Normalize(s.Addr)
	knows(t, s, "")
	o, lines := accepting(sshdial.Options{})
	r := route(t, s, o)
	list(t, mustDial(t, r, nil))
	list(t, mustDial(t, r, nil))
	want := name + " " + keyLine(s.HostKeys()[0])
	if len(*lines) != 1 || (*lines)[0] != want {
		t.Fatalf("accepted %q; want %q once", *lines, want)
	}
	// The line stands for a known host: in the next process too.
	o.AcceptedHostKeys, *lines = *lines, nil
	r = route(t, s, o)
	list(t, mustDial(t, r, nil))
	if len(*lines) != 0 {
		t.Errorf("accepted again: %q", *lines)
	}
	s.NewHostKeys()
	s.Restart()
	_, err := r.Dial(testContext(t), nil)
	if e := wantHostKeyError(t, err); !e.Changed || e.Line != 1 {
		t.Errorf("an accepted key has changed: %+v", e)
	}

	// Nothing is kept when the login fails.
	o, lines = accepting(sshdial.Options{Overrides: []string{"IdentityFile=none", "PubkeyAuthentication=no"}})
	_, err = route(t, s, o).Dial(testContext(t), nil)
	if wantAuthError(t, err); len(*lines) != 0 {
		t.Errorf("accepted %q though the login failed", *lines)
	}
	// Names are hashed on request.
	o, lines = accepting(sshdial.Options{Overrides: []string{"HashKnownHosts=yes"}})
	list(t, mustDial(t, route(t, s, o), nil))
	if len(*lines) != 1 || !strings.HasPrefix((*lines)[0], "|1|") {
		t.Fatalf("accepted %q", *lines)
	}
	o.AcceptedHostKeys, o.Overrides = *lines, []string{"StrictHostKeyChecking=yes"}
	list(t, mustDial(t, route(t, s, o), nil))
}

func TestHostKeyChanged(t *testing.T) {
	s := startSSHD(t, testenv.SSHDOptions{})
	old := s.HostKeys()[0]
	knows(t, s, "# a comment\n"+knownhosts.Normalize(s.Addr)+" "+keyLine(old)+"\n")
	r := route(t, s, sshdial.Options{Overrides: []string{"StrictHostKeyChecking=no"}})
	list(t, mustDial(t, r, nil))
	now := s.NewHostKeys()[0]
	s.Restart()
	p := says(sshdial.KindHostKey, "yes")
	_, err := r.Dial(testContext(t), p)
	e := wantHostKeyError(t, err)
	if !e.Changed || e.File != s.KnownHosts || e.Line != 2 || !strings.Contains(e.Got, ssh.FingerprintSHA256(now)) ||
		len(e.Want) != 1 || !strings.Contains(e.Want[0], ssh.FingerprintSHA256(old)) {
		t.Errorf("%+v", e)
	}
	for _, want := range []string{ssh.FingerprintSHA256(now), ssh.FingerprintSHA256(old), s.KnownHosts + ":2"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%v\ndoes not say %s", err, want)
		}
	}
	if len(p.asked) != 0 {
		t.Errorf("a person was asked: %+v", p.asked)
	}
	if n := strings.Count(s.Log(), "Accepted publickey"); n != 1 {
		t.Errorf("%d logins", n)
	}
}

func TestHostKeyAsk(t *testing.T) {
	s := startSSHD(t, testenv.SSHDOptions{})
	knows(t, s, "")
	strict := []string{"StrictHostKeyChecking=yes"}
	_, err := route(t, s, sshdial.Options{Overrides: strict}).Dial(testContext(t), nil)
	if wantHostKeyError(t, err); !errors.Is(err, sshdial.ErrNeedsPerson) {
		t.Errorf("with nobody there: %v", err)
	}
	print := ssh.FingerprintSHA256(s.HostKeys()[0])
	for answer, ok := range map[string]bool{"yes": true, "YES ": true, print: true, "no": false, "": false, "SHA256:x": false, "y": false} {
		o, lines := accepting(sshdial.Options{Overrides: strict})
		p := says(sshdial.KindHostKey, answer)
		r := route(t, s, o)
		c, err := r.Dial(testContext(t), p)
		if ok {
			if err != nil {
				t.Errorf("%q: %v", answer, err)
				continue
			}
			c.Close()
			mustDial(t, r, nil)
		} else {
			wantHostKeyError(t, err)
		}
		if (len(*lines) == 1) != ok || len(p.asked) != 1 || !strings.Contains(p.asked[0].Prompt, print) || !p.asked[0].Echo {
			t.Errorf("%q: accepted %q after %+v", answer, *lines, p.asked)
		}
	}
}

func TestHostKeyKnown(t *testing.T) {
	s := startSSHD(t, testenv.SSHDOptions{HostKeyTypes: []string{"ed25519", "rsa"}})
	name, key, rsa := knownhosts.Normalize(s.Addr), keyLine(s.HostKeys()[0]), keyLine(s.HostKeys()[1])
	for what, c := range map[string]struct {
		known   string
		options []string
	}{
		"hashed":           {known: knownhosts.HashHostname(name) + " " + key},
		"pattern":          {known: "[127.0.0.*]:* " + key},
		"the other type":   {known: name + " " + rsa},
		"without the port": {known: s.Host + " " + key},
		"alias":            {known: "theone " + key, options: []string{"HostKeyAlias=TheOne"}},
		"after a bad line": {known: name + " ssh-ed25519 nonsense\n" + name + " " + key},
	} {
		t.Run(what, func(t *testing.T) {
			knows(t, s, c.known+"\n")
			o := sshdial.Options{Overrides: append(c.options, "StrictHostKeyChecking=yes")}
			list(t, mustDial(t, route(t, s, o), nil))
		})
	}
	t.Run("only keys of another type", func(t *testing.T) {
		knows(t, s, name+" "+rsa+"\n")
		_, err := route(t, s, sshdial.Options{Overrides: []string{"HostKeyAlgorithms=ssh-ed25519"}}).Dial(testContext(t), nil)
		if e := wantHostKeyError(t, err); !e.Changed {
			t.Errorf("%+v", e)
		}
	})
	t.Run("too short", func(t *testing.T) {
		knows(t, s, name+" "+rsa+"\n")
		_, err := route(t, s, sshdial.Options{Overrides: []string{"RequiredRSASize=8192"}}).Dial(testContext(t), nil)
		if e := wantHostKeyError(t, err); e.Changed || !strings.Contains(e.Reason, "8192") {
			t.Errorf("%+v", e)
		}
	})
	t.Run("revoked", func(t *testing.T) {
		knows(t, s, name+" "+key+"\n@revoked * "+key+"\n")
		_, err := route(t, s, sshdial.Options{}).Dial(testContext(t), nil)
		if e := wantHostKeyError(t, err); !e.Revoked || e.Line != 2 {
			t.Errorf("%+v", e)
		}
	})
	t.Run("revoked by a file", func(t *testing.T) {
		knows(t, s, name+" "+key+"\n")
		file := filepath.Join(s.Dir, "revoked")
		if err := os.WriteFile(file, []byte(key+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := route(t, s, sshdial.Options{Overrides: []string{"RevokedHostKeys=" + file}}).Dial(testContext(t), nil)
		if e := wantHostKeyError(t, err); !e.Revoked || e.File != file {
			t.Errorf("%+v", e)
		}
	})
}

func TestHostKeyCertificate(t *testing.T) {
	testenv.NoLeaks(t)
	dir := t.TempDir()
	config := []string{"HostCertificate " + filepath.Join(dir, "cert.pub")}
	s := startSSHD(t, testenv.SSHDOptions{Config: config, HostKeyTypes: []string{"ecdsa"}})
	ca := filepath.Join(dir, "ca")
	keygen(t, "-t", "ed25519", "-N", "", "-f", ca)
	caLine, err := os.ReadFile(ca + ".pub")
	if err != nil {
		t.Fatal(err)
	}
	// sign gives the server a certificate.
	sign := func(t *testing.T, args ...string) {
		t.Helper()
		pub := s.HostKeyFile("ecdsa") + ".pub"
		keygen(t, append(append([]string{"-s", ca, "-I", "host"}, args...), pub)...)
		if err := os.Rename(s.HostKeyFile("ecdsa")+"-cert.pub", filepath.Join(dir, "cert.pub")); err != nil {
			t.Fatal(err)
		}
		s.Restart()
	}
	trusted := fmt.Sprintf("@cert-authority 127.0.0.* %s", caLine)
	strict := sshdial.Options{Overrides: []string{"StrictHostKeyChecking=yes"}}
	knows(t, s, trusted)
	t.Run("good", func(t *testing.T) {
		sign(t, "-h", "-n", "127.0.0.1,other")
		list(t, mustDial(t, route(t, s, strict), nil))
	})
	t.Run("pattern", func(t *testing.T) {
		sign(t, "-h", "-n", "127.*")
		list(t, mustDial(t, route(t, s, strict), nil))
	})
	for name, args := range map[string][]string{
		"another host": {"-h", "-n", "other"},
		"expired":      {"-h", "-n", "127.0.0.1", "-V", "20200101:20210101"},
		"a user's":     {"-n", "127.0.0.1"},
	} {
		t.Run(name, func(t *testing.T) {
			// (A user's certificate sshd itself may refuse to show; then the plain
			// key is what is refused.)
			sign(t, args...)
			_, err := route(t, s, strict).Dial(testContext(t), nil)
			wantHostKeyError(t, err)
			_, err = route(t, s, sshdial.Options{}).Dial(testContext(t), nil)
			wantHostKeyError(t, err) // accept-new does not get round an authority
		})
	}
	t.Run("authority revoked", func(t *testing.T) {
		sign(t, "-h", "-n", "127.0.0.1")
		knows(t, s, trusted+"@revoked * "+string(caLine))
		_, err := route(t, s, strict).Dial(testContext(t), nil)
		if e := wantHostKeyError(t, err); !e.Revoked || e.Line != 2 {
			t.Errorf("%+v", e)
		}
	})
	t.Run("unknown authority, known key", func(t *testing.T) {
		knows(t, s, knownhosts.Normalize(s.Addr)+" "+keyLine(s.HostKeys()[0])+"\n")
		list(t, mustDial(t, route(t, s, strict), nil))
	})
	t.Run("unknown authority, unknown key", func(t *testing.T) {
		knows(t, s, "")
		o, lines := accepting(sshdial.Options{})
		list(t, mustDial(t, route(t, s, o), nil))
		if len(*lines) != 1 || strings.Contains((*lines)[0], "cert") {
			t.Errorf("accepted %q", *lines)
		}
	})
}

// TestRekey has the server exchange keys again and again: the host key is the
// same, and nobody is asked a second time.
func TestRekey(t *testing.T) {
	s := startSSHD(t, testenv.SSHDOptions{Config: []string{"RekeyLimit 256K"}, Debug: true})
	knows(t, s, "")
	if err := os.WriteFile(filepath.Join(s.Home, "data"), make([]byte, 4<<20), 0o644); err != nil {
		t.Fatal(err)
	}
	p := says(sshdial.KindHostKey, "yes")
	c := mustDial(t, route(t, s, sshdial.Options{Overrides: []string{"StrictHostKeyChecking=yes"}}), p)
	ch, err := c.OpenSFTP(testContext(t))
	if err != nil {
		t.Fatal(err)
	}
	client, err := sftp.NewClientPipe(ch, ch)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	f, err := client.Open("data")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if n, err := f.WriteTo(io.Discard); n != 4<<20 || err != nil {
		t.Errorf("read %d: %v", n, err)
	}
	if n := strings.Count(s.Log(), "rekey"); n < 5 || len(p.asked) != 1 {
		t.Errorf("%d key exchanges, asked %+v", n, p.asked)
	}
}

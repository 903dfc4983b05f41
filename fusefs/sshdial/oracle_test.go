package sshdial

import (
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/kevinburke/ssh_config"

	"sshfs-bridge/e2e/testenv"
)

// TestResolveAsOpenSSH evaluates the same files with ssh -G.
func TestResolveAsOpenSSH(t *testing.T) {
	testenv.Require(t, "sshd") // which brings ssh
	configs := []string{
		"Host a\n HostName a.example\n Port 23\nHost a* !ab\n User star\n Port 24\nHost *\n User last\n",
		"Host=a\n User=\"alice smith\"\nHost \"b\" c\n User b # comment\n HostName=%h.x\nMatch host b.x\n Port 99\n",
		"Match originalhost a user u\n Port 1\nMatch !host b\n Port 2\nMatch all\n Port 3\nUser z\n",
		"User first\nMatch user first host a,b\n ConnectTimeout 1m\n ServerAliveInterval 5\nMatch all\n ConnectTimeout 9\n",
		"Host a\n HostName real.lan\nMatch final host real.lan\n Port 77\nMatch final originalhost b\n Port 78\n",
		"Host *.x ?\n Port 5\n HostKeyAlias Alias\n ProxyJump j1,u@j2:3\nHost *\n ProxyCommand none\n AddressFamily inet\n",
		"Tag t\nMatch user x\n Port 8\nHost !a *\n Port 9\n",
		"  port   4 \n\tUser\tq\nHost a \n\tPort 5\n",
	}
	for i, config := range configs {
		path := writeFile(t, t.TempDir(), "config", config)
		for _, remote := range []string{"a", "b", "ab", "u@a", "x@host.x"} {
			if i == 6 && strings.Contains(config, "Tag") {
				// Older versions of OpenSSH have no Tag.
				config = strings.TrimPrefix(config, "Tag t\n")
				path = writeFile(t, t.TempDir(), "config", config)
			}
			out, err := exec.Command("ssh", "-G", "-F", path, remote).Output()
			if err != nil {
				t.Fatalf("ssh -G %s: %v\n%s", remote, err, config)
			}
			theirs := map[string]string{}
			for line := range strings.Lines(string(out)) {
				k, v, _ := strings.Cut(strings.TrimSpace(line), " ")
				theirs[k] = v
			}
			r := mustResolve(t, config, remote, Options{LocalUser: currentUser()})
			h := r.last()
			for key, ours := range map[string]string{
				"hostname":      h.hostName,
				"port":          strconv.Itoa(h.port),
				"user":          h.user,
				"hostkeyalias":  aliasOf(h),
				"addressfamily": map[string]string{"tcp": "any", "tcp4": "inet", "tcp6": "inet6"}[h.network],
			} {
				if theirs[key] != ours {
					t.Errorf("%q for %s: %s is %q; OpenSSH says %q", config, remote, key, ours, theirs[key])
				}
			}
			if n := len(strings.Split(theirs["proxyjump"], ",")); theirs["proxyjump"] != "" && n != len(r.hops)-1 {
				t.Errorf("%q for %s: %d jumps; OpenSSH says %s", config, remote, len(r.hops)-1, theirs["proxyjump"])
			}
		}
	}
}

func aliasOf(h *hop) string {
	if h.keyAliased {
		return h.keyName
	}
	return ""
}

// TestResolveAsLibrary compares with an independent reader of these files, in
// what it can do (Host blocks).
func TestResolveAsLibrary(t *testing.T) {
	const config = "Port 1024\nHost a b\n  User x\n  HostName=h\nHost *.example.com !no.example.com\n  User y\nHost ?\n  HostKeyAlias z\n"
	lib, err := ssh_config.DecodeBytes([]byte(config))
	if err != nil {
		t.Fatal(err)
	}
	for _, host := range []string{"a", "b", "c", "w.example.com", "no.example.com", "example.com"} {
		e := newEvaluator(host, "me", paths{})
		if err := e.readText(config, "config", 0, true); err != nil {
			t.Fatal(err)
		}
		for _, key := range []string{"Port", "User", "HostName", "HostKeyAlias"} {
			want, err := lib.Get(host, key)
			if err != nil {
				t.Fatal(err)
			}
			got := ""
			if l, ok := e.get(strings.ToLower(key)); ok {
				got = l.args[0]
			}
			if got != want {
				t.Errorf("%s of %s is %q; the library says %q", key, host, got, want)
			}
		}
	}
}

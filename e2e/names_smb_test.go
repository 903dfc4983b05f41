package e2e

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sshfs-bridge/e2e/testenv"
)

// nameCases are names on the server, and as a client sees and gives them. What SMB
// keeps for itself a Mac sends as private characters (U+F0xx), as it does to any
// server.
var nameCases = []struct{ what, server, shown string }{
	{"plain", "plain.txt", "plain.txt"},
	{"spaces within", "a  b c", "a  b c"},
	{"composed", "caf\u00e9", "caf\u00e9"},
	{"other scripts", "日本語 עברית 🙂", "日本語 עברית 🙂"},
	{"a colon", "10:30", "10\uf02230"},
	{"a quote", `say "it"`, "say \uf020it\uf020"},
	{"an asterisk", "a*b", "a\uf021b"},
	{"angle brackets", "<a>", "\uf023a\uf024"},
	{"a question mark", "why?", "why\uf025"},
	{"a backslash", `a\b`, "a\uf026b"},
	{"a bar", "a|b", "a\uf027b"},
	{"a control character", "a\x01b", "a\uf001b"},
	{"a trailing space", "ends ", "ends\uf028"},
	{"a trailing dot", "ends.", "ends\uf029"},
	{"dots at the end", "and so on...", "and so on..\uf029"},
	{"a byte that is no UTF-8", "latin\xe9.txt", "latin%E9.txt"},
	{"nothing but such bytes", "\xff\xfe", "%FF%FE"},
	{"what looks like such a byte", "100%E9", "100%25E9"},
	{"a percent sign", "100%", "100%"},
	{"a character that stands for a colon, as Macs leave it on a NAS", "10\uf02230", "10%EF%80%A230"},
	{"one that stands for a control character", "a\uf001b", "a%EF%80%81b"},
	{"one that stands for a space, not at the end", "a\uf028b", "a\uf028b"},
	{"a leading dot", ".hidden", ".hidden"},
	{"a tilde as in 8.3 names", "PROGRA~1", "PROGRA~1"},
	{"a device of DOS", "nul.txt", "nul.txt"},
	{"a leading dash", "-rf", "-rf"},
	{"long", strings.Repeat("l", 251) + ".txt", strings.Repeat("l", 251) + ".txt"},
	{"long, in three bytes each", strings.Repeat("語", 80), strings.Repeat("語", 80)},
}

// namesBothWays has each name both ways, with two clients.
func namesBothWays(t *testing.T, b *bridge, home string) {
	for _, dir := range []string{"listed", "go-smb2", "smbclient"} {
		ownedBy(t, filepath.Join(home, dir), "root")
	}
	var shown []string
	byShown, byServer := map[string]string{}, map[string]string{}
	for _, c := range nameCases {
		writeFile(t, filepath.Join(home, "listed", c.server), c.what)
		shown = append(shown, c.shown)
		byShown[c.shown], byServer[c.server] = c.what, c.what
	}
	slices.Sort(shown)
	b.ok("refresh", "names")
	for client, c := range b.shareClients("names") {
		// From the server: all are listed and read.
		if names, err := c.list("listed"); err != nil || !slices.Equal(names, shown) {
			t.Errorf("%s lists (%v):\n%q, want\n%q", client, err, names, shown)
		}
		got, err := c.readAll("listed", shown)
		if err != nil || !maps.Equal(got, byShown) {
			t.Errorf("%s reads (%v):\n%q, want\n%q", client, err, got, byShown)
		}
		// From the client: the server has what it would have had itself.
		if err := c.writeAll(client, byShown); err != nil {
			t.Errorf("%s writes: %v", client, err)
		}
		if got := tree(t, filepath.Join(home, client)); !maps.Equal(got, byServer) {
			t.Errorf("%s: on the server\n%q, want\n%q", client, got, byServer)
		}
		if err := c.removeAll(client, shown); err != nil {
			t.Errorf("%s removes: %v", client, err)
		}
		if left := tree(t, filepath.Join(home, client)); len(left) > 0 {
			t.Errorf("%s: left on the server: %q", client, left)
		}
	}
	mac := testenv.DialMacSMB(t, b.Port, "names")
	for _, name := range shown {
		if got, err := mac.Search("listed", name); err != nil || len(got) != 1 || got[0].Name != name {
			t.Errorf("a Mac looks for %+q: %v, %v", name, got, err)
		}
	}
	// Renamed to each name and back.
	c := b.shareClients("names")["go-smb2"]
	if err := c.write("go-smb2/to", "x"); err != nil {
		t.Fatal(err)
	}
	for _, n := range nameCases {
		if err := c.rename("go-smb2/to", "go-smb2/"+n.shown); err != nil {
			t.Errorf("rename to %s: %v", n.what, err)
		}
		if _, err := os.Stat(filepath.Join(home, "go-smb2", n.server)); err != nil {
			t.Errorf("renamed to %s: %v", n.what, err)
		}
		if err := c.rename("go-smb2/"+n.shown, "go-smb2/to"); err != nil {
			t.Errorf("rename from %s: %v", n.what, err)
		}
	}
}

package e2e

import (
	"maps"
	"path/filepath"
	"slices"
	"testing"
)

// equalNames: a Mac asks for the composed form whatever it was shown, and takes both
// forms for one name.
func equalNames(t *testing.T, b *bridge, home string) {
	const composed, decomposed = "caf\u00e9", "cafe\u0301"
	home = filepath.Join(home, "equal")
	ownedBy(t, home, "root")
	b.ok("refresh", "names")
	clients := b.shareClients("names")
	for _, client := range slices.Sorted(maps.Keys(clients)) {
		c := clients[client]
		t.Run(client, func(t *testing.T) {
			in := func(name string) string { return "equal/" + client + "/" + name }
			dir := filepath.Join(home, client)
			ownedBy(t, dir, "root")
			ok := func(what string, err error) {
				t.Helper()
				if err != nil {
					t.Errorf("%s: %v", what, err)
				}
			}
			is := func(name, want string) {
				t.Helper()
				if got, err := c.read(in(name)); err != nil || got != want {
					t.Errorf("%q: %q, %v; want %q", name, got, err, want)
				}
			}
			onServer := func(want map[string]string) {
				t.Helper()
				if got := tree(t, dir); !maps.Equal(got, want) {
					t.Errorf("on the server: %q, want %q", got, want)
				}
			}

			// One decomposed name on the server: found, changed and removed by the
			// composed one, and its bytes stay what they are.
			writeFile(t, filepath.Join(dir, decomposed), "1")
			b.ok("refresh", "names")
			is(composed, "1")
			is(decomposed, "1")
			ok("write over it", c.write(in(composed), "2"))
			onServer(map[string]string{decomposed: "2"})
			ok("rename it", c.rename(in(composed), in("plain")))
			onServer(map[string]string{"plain": "2"})
			// What a client makes is what it said: composed, from a Mac.
			ok("rename to it", c.rename(in("plain"), in(composed)))
			onServer(map[string]string{composed: "2"})
			ok("remove it", c.remove(in(composed)))

			// Both on the server: both are shown, told apart, each with its own content.
			writeFile(t, filepath.Join(dir, composed+".txt"), "composed")
			writeFile(t, filepath.Join(dir, decomposed+".txt"), "decomposed")
			b.ok("refresh", "names")
			names, err := c.list("equal/" + client)
			ok("list", err)
			if len(names) != 2 || !slices.Contains(names, composed+" (2).txt") {
				t.Errorf("both are shown as %q", names)
			}
			contents := map[string]bool{}
			for _, name := range names {
				got, err := c.read(in(name))
				ok("read "+name, err)
				contents[got] = true
			}
			if !contents["composed"] || !contents["decomposed"] {
				t.Errorf("%q have %v", names, contents)
			}
			for _, name := range names {
				ok("remove "+name, c.remove(in(name)))
			}
			onServer(map[string]string{})

			// Case: the server tells it apart, and a name can change in nothing else.
			ok("write", c.write(in("Case.txt"), "upper"))
			ok("write", c.write(in("case.txt"), "lower"))
			is("Case.txt", "upper")
			is("case.txt", "lower")
			ok("remove", c.remove(in("case.txt")))
			ok("rename in case only", c.rename(in("Case.txt"), in("CASE.TXT")))
			onServer(map[string]string{"CASE.TXT": "upper"})
			is("CASE.TXT", "upper")
			if _, err := c.read(in("Case.txt")); err == nil {
				t.Error("the name before is still there")
			}
			ok("remove", c.remove(in("CASE.TXT")))
		})
	}
}

package bridge

import (
	"os"
	"slices"
	"strings"
	"testing"

	"sshfs-bridge/fusefs/vfs"
)

// What docs/cli.md shows as a configuration is one, names every key, and says of
// the keys that have a few words for values what the words are.
func TestConfig_theDocumentedOneIsComplete(t *testing.T) {
	page, err := os.ReadFile("../docs/cli.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(page), "```yaml\n")
	text, _, ok := strings.Cut(rest, "```")
	if !ok {
		t.Fatal("docs/cli.md shows no configuration")
	}
	_, problems := loadText(t, text)
	for _, p := range problems {
		t.Error(p)
	}
	has := func(key, comment string) {
		t.Helper()
		for line := range strings.Lines(text) {
			if strings.HasPrefix(strings.TrimSpace(line), key+":") && strings.Contains(line, comment) {
				return
			}
		}
		t.Errorf("docs/cli.md does not show %s with %q", key, comment)
	}
	for _, s := range settings() {
		has(s.key[strings.LastIndexByte(s.key, '.')+1:], "")
	}
	for _, s := range mountSettings() {
		if s.key != "name" { // the key of the mapping
			has(s.key, "")
		}
	}
	has("cache", strings.Join(cacheModes, ", "))
	has("symlinks", strings.Join(symlinkModes, ", "))

	var modes []string
	for _, m := range vfs.SymlinkModes() {
		modes = append(modes, string(m))
	}
	slices.Sort(modes)
	if got := slices.Sorted(slices.Values(symlinkModes)); !slices.Equal(got, modes) {
		t.Errorf("symlinks takes %q, the filesystem knows %q", got, modes)
	}
}

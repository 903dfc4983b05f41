package fusefs

import (
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/hanwen/go-fuse/v2/posixtest"
)

// docs/semantics.md tells what go-fuse's checks are left out, with the reasons
// that the tests have: the same ones, all of them, and none that is no check.
func TestDocumentedExceptions(t *testing.T) {
	page, err := os.ReadFile("../docs/semantics.md")
	must(t, err)
	_, section, ok := strings.Cut(string(page), "## Known exceptions\n")
	if !ok {
		t.Fatal("docs/semantics.md has no known exceptions")
	}
	documented := map[string]string{}
	for line := range strings.Lines(section) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		if !strings.HasPrefix(line, "|") || len(cells) != 2 || strings.HasPrefix(cells[0], "---") {
			continue
		}
		for name := range strings.SplitSeq(cells[0], ",") {
			if name = strings.TrimSpace(name); name != "check" {
				documented[name] = strings.TrimSpace(cells[1])
			}
		}
	}
	skips := maps.Clone(posixSkips)
	maps.Copy(skips, shareSkips)
	for _, name := range slices.Sorted(maps.Keys(skips)) {
		if posixtest.All[name] == nil {
			t.Errorf("%s is left out, but go-fuse has no such check", name)
		}
		if got := documented[name]; got != skips[name] {
			t.Errorf("%s is left out since %q; docs/semantics.md says %q", name, skips[name], got)
		}
		delete(documented, name)
	}
	for name := range documented {
		t.Errorf("docs/semantics.md tells of %s, which is not left out", name)
	}
}

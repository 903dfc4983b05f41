package main

import (
	"bytes"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
)

// manual is every file that `man` writes.
func manual(t *testing.T) map[string]string {
	t.Helper()
	dir := t.TempDir()
	var out bytes.Buffer
	if code := execute(t.Context(), []string{"man", dir}, nil, &out, &out); code != 0 {
		t.Fatalf("exit %d: %s", code, &out)
	}
	files := map[string]string{}
	for _, pattern := range []string{"man1/*", "completion/*"} {
		found, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range found {
			data, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			rel, _ := filepath.Rel(dir, f)
			files[rel] = string(data)
		}
	}
	return files
}

func TestMan(t *testing.T) {
	t.Setenv("SOURCE_DATE_EPOCH", "1770000000")
	t.Setenv("HOME", "/home/alice")
	first := manual(t)
	t.Setenv("HOME", "/root")
	t.Setenv("TZ", "Pacific/Auckland")
	if diff := cmp.Diff(first, manual(t)); diff != "" {
		t.Errorf("two runs differ:\n%s", diff)
	}
	want := []string{"completion/sshfs-bridge.bash", "completion/sshfs-bridge.fish", "completion/sshfs-bridge.zsh"}
	walk(newRootCommand(&global{}), func(c *cobra.Command) {
		if c.IsAvailableCommand() || !c.HasParent() {
			want = append(want, "man1/"+strings.ReplaceAll(c.CommandPath(), " ", "-")+".1")
		}
	})
	slices.Sort(want)
	have := slices.Sorted(maps.Keys(first))
	have = slices.DeleteFunc(have, func(f string) bool { return strings.Contains(f, "-completion") }) // cobra's own
	if diff := cmp.Diff(want, have); diff != "" {
		t.Errorf("the pages are not those of the commands:\n%s", diff)
	}
	if page := first["man1/sshfs-bridge.1"]; !strings.Contains(page, `"Feb 2026"`) || !strings.Contains(page, "EXIT STATUS") {
		t.Errorf("sshfs-bridge.1:\n%s", page)
	}
	for name, text := range first {
		if strings.Contains(text, "/home/alice") {
			t.Errorf("%s names a directory of this machine", name)
		}
	}
}

func TestManualDate(t *testing.T) {
	if _, err := manualDate("yesterday"); exitCode(err) != exitUsage {
		t.Errorf("a wrong date: %v", err)
	}
	if d, err := manualDate(""); err != nil || d.IsZero() {
		t.Errorf("without one: %v %v", d, err)
	}
}

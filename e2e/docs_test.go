package e2e

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// The documents name the tests that hold what they claim: each of those exists.
func TestDocumentsNameTestsThatExist(t *testing.T) {
	function := regexp.MustCompile(`(?m)^func ([Tt]est\w+|Benchmark\w+|Fuzz\w+)\(`)
	exist := map[string]bool{}
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		code, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, m := range function.FindAllStringSubmatch(string(code), -1) {
			exist[m[1]] = true
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	pages, err := filepath.Glob("../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	named := 0
	// TestKilled* stands for several.
	name := regexp.MustCompile(`\b(test[A-Z]\w*|Test[A-Z]\w*|Benchmark[A-Z]\w*|Fuzz[A-Z]\w*)(\*|\.\.\.)?`)
	for _, page := range append(pages, "../README.md") {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range name.FindAllStringSubmatch(string(text), -1) {
			found := exist[m[1]]
			for known := range exist {
				found = found || m[2] != "" && strings.HasPrefix(known, m[1])
			}
			if !found {
				t.Errorf("%s names %s, which does not exist", filepath.Base(page), m[0])
			}
			named++
		}
	}
	if named < 20 {
		t.Errorf("only %d tests are named: is the expression still right?", named)
	}
}

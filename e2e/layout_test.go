package e2e

import (
	"bytes"
	"encoding/json"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "sshfs-bridge"

type goPackage struct {
	ImportPath, Dir                      string
	GoFiles, Imports, TestImports, XTest []string
}

// mayImport says which of our packages each package may know: the layers of
// docs/architecture.md, top to bottom. A trailing /... takes in what is below.
var mayImport = map[string][]string{
	"cmd/sshfs-bridge": {"bridge/...", "fusefs/...", "smbconf", "docker"},

	"bridge":           {"bridge/...", "fusefs/...", "smbconf", "docker"},
	"bridge/demo":      {"bridge/...", "fusefs/...", "smbconf", "docker"},
	"bridge/dropin":    {"bridge/api", "bridge/client", "bridge/mounttree", "bridge/worker", "fusefs/..."},
	"bridge/worker":    {"bridge/api", "bridge/confine", "fusefs/..."},
	"bridge/smbd":      {"bridge/api", "bridge/confine", "smbconf"},
	"bridge/toucher":   {"bridge/confine", "fusefs/vfs"},
	"bridge/confine":   {},
	"bridge/client":    {"bridge/api"},
	"bridge/mounttree": {"fusefs"},
	"bridge/api":       {},

	"fusefs":         {"fusefs/vfs", "fusefs/remote"},
	"fusefs/vfs":     {"fusefs/vfs/localmeta", "fusefs/remote", "fusefs/sftp"},
	"fusefs/remote":  {"fusefs/sftp", "fusefs/sshdial"},
	"fusefs/sftp":    {},
	"fusefs/sshdial": {},

	"fusefs/vfs/localmeta": {},

	"smbconf":     {},
	"docker":      {},
	"e2e":         {},
	"e2e/bench":   {},
	"e2e/testenv": {},
}

func listPackages(t *testing.T) []goPackage {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Dir,GoFiles,Imports", "./...")
	cmd.Dir = ".."
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var pkgs []goPackage
	for dec := json.NewDecoder(bytes.NewReader(out)); dec.More(); {
		var p goPackage
		if err := dec.Decode(&p); err != nil {
			t.Fatal(err)
		}
		p.ImportPath = strings.TrimPrefix(p.ImportPath, module+"/")
		pkgs = append(pkgs, p)
	}
	return pkgs
}

// Production code may import only the layers below its own; tests may use
// e2e/testenv besides.
func TestImportDirections(t *testing.T) {
	for _, p := range listPackages(t) {
		allowed, known := mayImport[p.ImportPath]
		if !known {
			t.Errorf("%s is in no layer: put it into mayImport and docs/architecture.md", p.ImportPath)
			continue
		}
		for _, imp := range p.Imports {
			rel, ours := strings.CutPrefix(imp, module+"/")
			if !ours {
				continue
			}
			if !slices.ContainsFunc(allowed, func(pattern string) bool {
				parent, tree := strings.CutSuffix(pattern, "/...")
				return rel == parent || tree && strings.HasPrefix(rel, parent+"/")
			}) {
				t.Errorf("%s imports %s, which its layer may not know", p.ImportPath, rel)
			}
		}
	}
}

// A newcomer starts from doc.go: each package has one, and no second package
// comment anywhere else.
func TestEachPackageHasItsDoc(t *testing.T) {
	for _, p := range listPackages(t) {
		if p.ImportPath == "cmd/sshfs-bridge" {
			continue
		}
		for _, name := range p.GoFiles {
			f, err := parser.ParseFile(token.NewFileSet(), filepath.Join(p.Dir, name), nil, parser.PackageClauseOnly|parser.ParseComments)
			if err != nil {
				t.Fatal(err)
			}
			if (f.Doc != nil) != (name == "doc.go") {
				t.Errorf("%s/%s: the package comment belongs into doc.go, and only there", p.ImportPath, name)
			}
		}
		if len(p.GoFiles) > 0 && !slices.Contains(p.GoFiles, "doc.go") {
			t.Errorf("%s has no doc.go", p.ImportPath)
		}
	}
}

// The top level holds what the design names, and what every repository has.
func TestTopLevel(t *testing.T) {
	out, err := exec.Command("git", "-C", "..", "ls-files").Output()
	if err != nil {
		t.Fatalf("git ls-files: %v", err)
	}
	allowed := []string{"cmd", "bridge", "fusefs", "smbconf", "docker", "e2e", "go.mod", "go.sum", "Dockerfile", "README.md", "Makefile", "LICENSE", "docs", ".ci"}
	for line := range strings.Lines(string(out)) {
		top, _, _ := strings.Cut(strings.TrimSpace(line), "/")
		if !slices.Contains(allowed, top) && !strings.HasPrefix(top, ".") {
			t.Errorf("%s does not belong at the top level", top)
		}
	}
	for _, name := range []string{"README.md", "Dockerfile", "LICENSE"} {
		if _, err := os.Stat(filepath.Join("..", name)); err != nil {
			t.Error(err)
		}
	}
}

// A file has one concern, and so is small.
func TestFilesAreSmall(t *testing.T) {
	out, err := exec.Command("git", "-C", "..", "ls-files", "*.go").Output()
	if err != nil {
		t.Fatalf("git ls-files: %v", err)
	}
	const limit = 500
	for name := range strings.Lines(string(out)) {
		text, err := os.ReadFile(filepath.Join("..", strings.TrimSpace(name)))
		if err != nil {
			t.Error(err)
		} else if n := bytes.Count(text, []byte("\n")); n > limit {
			t.Errorf("%s has %d lines: more than %d is more than one concern", strings.TrimSpace(name), n, limit)
		}
	}
}

package e2e

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// realTime is how a test says why it must let real time pass.
const realTime = "// real time: "

// A test that sleeps hopes that something has happened by then. So it sleeps only on a
// bubble's clock (testing/synctest), where that is certain, or says on the line why
// time itself is what it needs. testenv, which polls, is left out.
func TestNoSleepThatHopes(t *testing.T) {
	out, err := exec.Command("git", "-C", "..", "ls-files", "*_test.go").Output()
	if err != nil {
		t.Fatalf("git ls-files: %v", err)
	}
	for name := range strings.Lines(string(out)) {
		name = strings.TrimSpace(name)
		if strings.HasPrefix(name, "e2e/testenv/") {
			continue
		}
		fset := token.NewFileSet()
		f, err := parser.ParseFile(fset, filepath.Join("..", name), nil, parser.ParseComments)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if inBubble(f) {
			continue
		}
		said := map[int]bool{}
		for _, group := range f.Comments {
			for _, c := range group.List {
				said[fset.Position(c.Pos()).Line] = strings.HasPrefix(c.Text, realTime)
			}
		}
		limits := map[ast.Node]bool{} // the time that a select waits at most
		ast.Inspect(f, func(n ast.Node) bool {
			if c, ok := n.(*ast.CommClause); ok {
				limits[c.Comm] = true
			}
			s, ok := n.(*ast.ExprStmt)
			if !ok || limits[s] || !sleeps(s.X) {
				return true
			}
			if at := fset.Position(s.Pos()); !said[at.Line] {
				t.Errorf("%s:%d sleeps: wait for what is meant (testenv.Eventually), or say why: %s...", name, at.Line, realTime)
			}
			return true
		})
	}
}

// inBubble says whether a file's tests run in bubbles: they make them, or have the
// package's helper of that name do it.
func inBubble(f *ast.File) (found bool) {
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.ImportSpec:
			found = found || n.Path.Value == `"testing/synctest"`
		case *ast.Ident:
			found = found || n.Name == "bubble"
		}
		return !found
	})
	return found
}

// sleeps says whether x is time.Sleep(...) or <-time.After(...).
func sleeps(x ast.Expr) bool {
	if wait, ok := x.(*ast.UnaryExpr); ok && wait.Op == token.ARROW {
		x = wait.X
	}
	call, ok := x.(*ast.CallExpr)
	if !ok {
		return false
	}
	f, ok := call.Fun.(*ast.SelectorExpr)
	if !ok {
		return false
	}
	pkg, ok := f.X.(*ast.Ident)
	return ok && pkg.Name == "time" && (f.Sel.Name == "Sleep" || f.Sel.Name == "After")
}

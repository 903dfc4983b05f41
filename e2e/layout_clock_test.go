package e2e

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// timeOfDay are the files in which a time loses the monotonic clock, and why nothing
// waits by it, or gives something up, there. The time of day may jump by hours, either way.
var timeOfDay = map[string]string{
	"bridge/events.go":             "when it happened, for people",
	"bridge/logs.go":               "when it happened, for people",
	"bridge/routes_mount.go":       "when it happened, for people",
	"bridge/smb.go":                "since when, for people",
	"bridge/start.go":              "since when, for people",
	"bridge/unit.go":               "since when, and when next, for people: what waits is a timer",
	"bridge/watch.go":              "a file's sign: equal or not, never earlier or later",
	"bridge/demo/handlers_attr.go": "a file's times",
	"bridge/worker/session.go":     "a deadline that has passed in any case",
	"cmd/sshfs-bridge/cmd_logs.go": "when it happened, for people",
	"cmd/sshfs-bridge/cmd_man.go":  "the date of a page",
	"fusefs/vfs/local.go":          "a file's times",
	"fusefs/vfs/node.go":           "a file's times, by the server's clock",
	"fusefs/vfs/setattr.go":        "a file's times",
	"fusefs/vfs/version.go":        "compared with a file's times, which are the server's time of day: a jump costs a look at the server, until our next write tells the difference anew",
}

// Whatever waits, retries, expires or measures does so on the monotonic clock: nothing
// in production takes a time's monotonic reading away, but where a time of day is meant.
func TestNothingWaitsByTheTimeOfDay(t *testing.T) {
	out, err := exec.Command("git", "-C", "..", "ls-files", "*.go").Output()
	if err != nil {
		t.Fatalf("git ls-files: %v", err)
	}
	strips := []string{"UTC", "Local", "Unix", "UnixMilli", "UnixMicro", "UnixNano"}
	used := map[string]bool{}
	for name := range strings.Lines(string(out)) {
		name = strings.TrimSpace(name)
		if strings.HasSuffix(name, "_test.go") || strings.HasPrefix(name, "e2e/") {
			continue
		}
		fset := token.NewFileSet()
		f, err := parser.ParseFile(fset, filepath.Join("..", name), nil, 0)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		ast.Inspect(f, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			sel, ok := call.Fun.(*ast.SelectorExpr)
			if !ok || !slices.Contains(strips, sel.Sel.Name) {
				return true
			}
			used[name] = true
			if timeOfDay[name] == "" {
				t.Errorf("%s: %s takes a time of day: use the monotonic clock, or say in timeOfDay why not", fset.Position(call.Pos()), sel.Sel.Name)
			}
			return true
		})
	}
	for _, name := range slices.Sorted(maps.Keys(timeOfDay)) {
		if !used[name] {
			t.Errorf("%s uses no time of day any more: take it out of timeOfDay", name)
		}
	}
}

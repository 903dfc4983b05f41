package bench

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"sshfs-bridge/e2e/testenv"
)

// buildDir is where built puts the program; TestMain makes and removes it.
var buildDir string

// built builds the program under test at most once. It has no race detector: it
// is timed.
var built = sync.OnceValues(func() (path string, err error) {
	path = filepath.Join(buildDir, us)
	return path, testenv.Build(path, []string{"CGO_ENABLED=0"}, "-trimpath")
})

// bridgeBinary is the program under test.
func bridgeBinary(tb testing.TB) string {
	tb.Helper()
	if path := os.Getenv("BENCH_BINARY"); path != "" {
		return path
	}
	path, err := built()
	must(tb, err)
	return path
}

func TestMain(m *testing.M) {
	var err error
	if buildDir, err = os.MkdirTemp("", "bridge-bench-bin-"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := testenv.Main(m)
	os.RemoveAll(buildDir)
	os.Exit(code)
}

package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"sshfs-bridge/e2e/testenv"
)

// binary is the program under test, built once, with the race detector where
// the tests have it. BRIDGE_TEST_BINARY names one that is tested instead.
var binary string

func TestMain(m *testing.M) {
	if binary = os.Getenv("BRIDGE_TEST_BINARY"); binary != "" {
		os.Exit(m.Run())
	}
	dir, err := os.MkdirTemp("", "sshfs-bridge-e2e")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	binary = filepath.Join(dir, "sshfs-bridge")
	if err := testenv.Build(binary, nil, buildFlags...); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

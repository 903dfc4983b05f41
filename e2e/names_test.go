package e2e

import (
	"testing"

	"sshfs-bridge/e2e/testenv"
)

// Short names for what testenv gives.
type lockedBuffer = testenv.Buffer

func command(t testing.TB, env []string, argv ...string) (stdout, stderr string, code int) {
	t.Helper()
	return testenv.Run(t, env, argv...)
}

func publicDir(t testing.TB) string {
	t.Helper()
	return testenv.PublicDir(t, "")
}

func freePort(t testing.TB) int {
	t.Helper()
	return testenv.FreePort(t)
}

package e2e

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"sshfs-bridge/e2e/testenv"
)

func TestDemoChecksItself(t *testing.T) {
	testenv.Require(t, "root", "fuse", "smbd")
	dir := publicDir(t)
	port := freePort(t)
	stdout, stderr, code := command(t, alone(t), binary, "demo", "--check", "--dir", dir, "--smb-port", fmt.Sprint(port), "--published-port", fmt.Sprint(port))
	if code != 0 {
		t.Fatalf("exit %d\n%s%s", code, stdout, stderr)
	}
	for _, s := range []string{"list", "read", "write", "rename", "delete", "hash", "all 9 steps passed"} {
		if !strings.Contains(stdout, s) {
			t.Errorf("the demo does not say %q:\n%s", s, stdout)
		}
	}
	if table, _ := os.ReadFile("/proc/self/mountinfo"); strings.Contains(string(table), dir) {
		t.Error("the demo leaves mounts behind")
	}
	t.Log(stdout)
}

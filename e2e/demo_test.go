package e2e

import (
	"fmt"
	"strings"
	"testing"

	"sshfs-bridge/e2e/testenv"
)

func TestDemoChecksItself(t *testing.T) {
	testenv.Require(t, "root", "fuse", "smbd")
	dir := testenv.PublicDir(t, "")
	port := testenv.FreePort(t)
	stdout, stderr, code := testenv.Run(t, alone(t), binary, "demo", "--check", "--dir", dir, "--smb-port", fmt.Sprint(port), "--published-port", fmt.Sprint(port))
	if code != 0 {
		t.Fatalf("exit %d\n%s%s", code, stdout, stderr)
	}
	for _, s := range []string{"list", "read", "write", "rename", "delete", "hash", "all 9 steps passed"} {
		if !strings.Contains(stdout, s) {
			t.Errorf("the demo does not say %q:\n%s", s, stdout)
		}
	}
	if left := testenv.MountsBelow(dir); len(left) > 0 {
		t.Errorf("the demo leaves mounts behind: %q", left)
	}
	t.Log(stdout)
}

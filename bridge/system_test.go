package bridge

import (
	"os"
	"path/filepath"
	"testing"

	"sshfs-bridge/e2e/testenv"
)

// A worker is who may read the keys, also where there are none yet: somebody
// else gets EACCES where he looks for a configuration, and the mount fails.
func TestCredentialOf(t *testing.T) {
	testenv.Require(t, "root")
	home := t.TempDir()
	if err := os.Chown(home, 4321, 4322); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(home, ".ssh")
	if c := credentialOf(dir); c == nil || c.UID != 4321 || c.GID != 4322 {
		t.Errorf("without a directory: %+v", c)
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if c := credentialOf(dir); c == nil || c.UID != 0 || c.GID != 0 {
		t.Errorf("with root's directory: %+v", c)
	}
}

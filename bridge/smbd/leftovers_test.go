package smbd

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

// What Samba remembers of accounts under an older configuration would have it
// refuse every write.
func TestPrepareForgetsAccounts(t *testing.T) {
	dir := t.TempDir()
	cache := filepath.Join(dir, "lock", "gencache.tdb")
	s := New(Options{ConfPath: filepath.Join(dir, "smb.conf"), Dirs: Dirs{Lock: filepath.Dir(cache)}})
	for range 2 { // with something there, and with nothing
		if err := s.prepare(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(cache); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("still there: %v", err)
		}
		if err := os.WriteFile(cache, []byte("old"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

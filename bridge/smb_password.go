package bridge

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/renameio/v2"
)

// passwordPath is where the generated password of `auth: password` lies,
// readable by root only.
func passwordPath(c *Config) string { return filepath.Join(c.StateDir, "smb-password") }

// readPassword is the generated password, made at the first call. It is empty
// where the state directory cannot be written, and smbd then lets nobody in.
func readPassword(c *Config) string {
	path := passwordPath(c)
	data, err := os.ReadFile(path)
	if err == nil {
		return strings.TrimSpace(string(data))
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return ""
	}
	password := rand.Text()
	if err := renameio.WriteFile(path, []byte(password+"\n"), 0o600); err != nil {
		return ""
	}
	return password
}

func (r *smbRunner) setPassword(ctx context.Context, srv smbServer, c *Config) error {
	password := readPassword(c)
	if password == "" {
		return fmt.Errorf("the password cannot be kept in %s", passwordPath(c))
	}
	if err := srv.SetPassword(ctx, c.smbAccount(), password); err != nil {
		return fmt.Errorf("set the password: %w", err)
	}
	return nil
}

package bridge

import (
	"context"
	"os"
	"path/filepath"
	"time"

	"sshfs-bridge/bridge/smbd"
	"sshfs-bridge/smbconf"
)

// testparmTimeout is how long testparm may take, which takes a few hundredths of a
// second.
const testparmTimeout = 2 * time.Second

// testparm has Samba's own check, that of the smbd program, read the file, with
// directories that exist. Nothing is wrong where there is none, or it does not answer.
func testparm(ctx context.Context, program string, sc smbconf.Config) error {
	path := smbd.Testparm(program)
	if path == "" {
		return nil
	}
	dir, err := os.MkdirTemp("", "sshfs-bridge-testparm-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	sc.Dirs = smbconf.Default(sc.Version, dir, filepath.Join(dir, "private")).Dirs
	for _, d := range sc.Dirs.All() {
		if err := os.MkdirAll(d, 0o755); err != nil {
			return err
		}
	}
	data, err := sc.Render()
	if err != nil {
		return err
	}
	file := filepath.Join(dir, "smb.conf")
	if err := os.WriteFile(file, data, 0o600); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, testparmTimeout)
	defer cancel()
	if err := smbconf.Check(ctx, path, file); ctx.Err() == nil {
		return err
	}
	return nil
}

package bridge

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"sshfs-bridge/bridge/smbd"
	"sshfs-bridge/smbconf"
)

// testparmTimeout is how long testparm may take, which takes a few hundredths of a
// second.
const testparmTimeout = 2 * time.Second

// errUntried says that nobody knows what testparm would say: it is not there, does not
// answer, or there is nowhere to write what it shall read.
var errUntried = errors.New("smb.conf was not tried with testparm")

// testparm has Samba's own check, that of the smbd program, read the file, with
// directories that exist. What keeps it from being asked is errUntried.
func testparm(ctx context.Context, program string, sc smbconf.Config) error {
	path := smbd.Testparm(program)
	if path == "" {
		return fmt.Errorf("%w: it is not installed", errUntried)
	}
	dir, err := os.MkdirTemp("", "sshfs-bridge-testparm-")
	if err != nil {
		return fmt.Errorf("%w: %w", errUntried, err)
	}
	defer os.RemoveAll(dir)
	file, err := writeTrial(sc, dir)
	if err != nil {
		return fmt.Errorf("%w: %w", errUntried, err)
	}
	ctx, cancel := context.WithTimeout(ctx, testparmTimeout)
	defer cancel()
	err = smbconf.Check(ctx, path, file)
	var start *fs.PathError
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("%w: %w", errUntried, ctx.Err())
	case errors.As(err, &start):
		return fmt.Errorf("%w: %w", errUntried, err)
	}
	return err
}

// writeTrial writes smb.conf into dir, with smbd's directories there.
func writeTrial(sc smbconf.Config, dir string) (file string, err error) {
	sc.Dirs = smbconf.Default(sc.Version, dir, filepath.Join(dir, "private")).Dirs
	for _, d := range sc.Dirs.All() {
		if err := os.MkdirAll(d, 0o755); err != nil {
			return "", err
		}
	}
	data, err := sc.Render()
	if err != nil {
		return "", err
	}
	file = filepath.Join(dir, "smb.conf")
	return file, os.WriteFile(file, data, 0o600)
}

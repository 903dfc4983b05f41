package dropin

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/moby/sys/mountinfo"

	"sshfs-bridge/bridge/mounttree"
)

// fsType is how the mount table names our mounts.
const fsType = mounttree.FSType

// ours says whether a mount is one of ours.
func ours(m *mountinfo.Info) bool { return m != nil && m.FSType == fsType }

// resolve makes a mountpoint absolute and free of symlinks, as the mount
// table names it. The last element is not looked into: it may be a dead mount.
func resolve(path string) (string, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	if info, err := os.Lstat(abs); err == nil && info.Mode()&fs.ModeSymlink != 0 {
		return filepath.EvalSymlinks(abs)
	}
	parent, err := filepath.EvalSymlinks(filepath.Dir(abs))
	if err != nil {
		return "", err
	}
	return filepath.Join(parent, filepath.Base(abs)), nil
}

// errMountpoint sorts out why a directory cannot be a mountpoint.
func errMountpoint(path string, err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("the mountpoint %s does not exist (mkdir -p %s)", path, path)
	case errors.Is(err, errNotConnected):
		return fmt.Errorf("a dead mount is at %s (fusermount -uz %s clears it)", path, path)
	default:
		return fmt.Errorf("the mountpoint %s cannot be used: %w", path, err)
	}
}

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

// mountAt returns the topmost mount at a path, nil when there is none. It
// reads the mount table only: a dead mount cannot hold it up.
func mountAt(path string) (*mountinfo.Info, error) {
	mounts, err := mountinfo.GetMounts(mountinfo.SingleEntryFilter(path))
	if err != nil {
		return nil, fmt.Errorf("read the mount table: %w", err)
	}
	// SingleEntryFilter stops at the first, and the last is on top.
	if len(mounts) == 0 {
		return nil, nil
	}
	mounts, err = mountinfo.GetMounts(func(m *mountinfo.Info) (skip, stop bool) { return m.Mountpoint != path, false })
	if err != nil || len(mounts) == 0 {
		return nil, err
	}
	return mounts[len(mounts)-1], nil
}

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

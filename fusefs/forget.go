package fusefs

import (
	"fmt"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// ForgetUnused has the kernel forget every name of the mount on mountpoint that nobody
// uses: neither open, nor mapped, nor a working directory, nor above one. Their pages go
// with them. It is for vfs.Options.ForgetUnused: kernels before Linux 6.18 cannot be told
// which directories to forget, and later ones keep those from which they know names to be
// absent. It needs the privilege to mount, waits until mapped pages are written, and must
// not be called by the process that serves the mount.
//
// A mount that is reconfigured drops what is unused (fs/super.c, reconfigure_super);
// fspick(2) with nothing to change leaves its flags and options as they are.
func ForgetUnused(mountpoint string) error {
	path, err := filepath.Abs(mountpoint)
	if err != nil {
		return fmt.Errorf("forget unused names: %w", err)
	}
	fs, err := unix.Fspick(unix.AT_FDCWD, path, unix.FSPICK_CLOEXEC|unix.FSPICK_SYMLINK_NOFOLLOW|unix.FSPICK_NO_AUTOMOUNT)
	if err != nil {
		return fmt.Errorf("forget unused names of %s: %w", path, err)
	}
	defer unix.Close(fs)
	if err := unix.FsconfigReconfigure(fs); err != nil {
		return fmt.Errorf("forget unused names of %s: %w", path, err)
	}
	return nil
}

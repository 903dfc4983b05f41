package dropin

import (
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"

	"sshfs-bridge/fusefs"
)

// errNotConnected is what a dead FUSE mount answers.
const errNotConnected = unix.ENOTCONN

// checkMountpoint resolves the mountpoint in the plan and holds it against
// what a mount needs: a directory that carries none of our mounts.
func checkMountpoint(p *plan) error {
	path, err := resolve(p.spec.Mountpoint)
	if err != nil {
		return errMountpoint(p.spec.Mountpoint, err)
	}
	p.spec.Mountpoint = path
	on, err := fusefs.MountAt(path)
	if err != nil {
		return err
	}
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, errNotConnected):
		return errMountpoint(path, err)
	case ours(on):
		return fmt.Errorf("%s is busy: %s is mounted there (fusermount -u %s)", path, on.Source, path)
	case err != nil:
		return errMountpoint(path, err)
	case !info.IsDir():
		return fmt.Errorf("the mountpoint %s is not a directory", path)
	}
	if !p.nonempty && holdsFiles(path) {
		p.note("the mountpoint " + path + " is not empty: what it holds is hidden while mounted (-o nonempty says so)")
	}
	return nil
}

// holdsFiles says whether a directory has entries. One that cannot be read
// counts as empty: the mount decides.
func holdsFiles(path string) bool {
	dir, err := os.Open(path)
	if err != nil {
		return false
	}
	defer dir.Close()
	names, err := dir.Readdirnames(1)
	return len(names) > 0 || (err != nil && !errors.Is(err, io.EOF))
}

// setMountFlags tells the kernel what the mount itself was not given.
// Set-uid programs and devices stay off in every case.
func setMountFlags(path string, flags uintptr, readOnly bool) error {
	if flags == 0 {
		return nil
	}
	flags |= unix.MS_REMOUNT | unix.MS_BIND | unix.MS_NOSUID | unix.MS_NODEV
	if readOnly {
		flags |= unix.MS_RDONLY
	}
	if err := unix.Mount("", path, "", flags, ""); err != nil {
		return fmt.Errorf("set the mount options of %s: %w", path, err)
	}
	return nil
}

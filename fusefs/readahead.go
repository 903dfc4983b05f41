package fusefs

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/moby/sys/mountinfo"
)

// readAheadKB is how much the kernel asks for at once of a file that is read in
// sequence, in KiB. A page fault in a mapped file asks for as much around it, which
// is why it is not more.
const readAheadKB = "512"

// WidenReadAhead lets the kernel ask for more at once than the 128 KiB that it
// allows FUSE: a large file is read in a quarter of the requests, and its beginning
// in fewer round trips. The kernel sets its own limit when it is first answered
// (fs/fuse/inode.c, process_init_reply), so this comes after NewServer, from
// somebody who may write to sysfs: root, outside of containers whose /sys is
// read-only. There the mount works as well, and reads with some more requests. It
// does not touch the mount, so who serves it may call it.
func WidenReadAhead(mountpoint string) error {
	path, err := filepath.Abs(mountpoint)
	if err != nil {
		return fmt.Errorf("read-ahead of the kernel: %w", err)
	}
	top, err := MountAt(path)
	if err != nil {
		return fmt.Errorf("read-ahead of the kernel: %w", err)
	}
	if top == nil || top.FSType != fsType {
		return fmt.Errorf("read-ahead of the kernel: %w on %s", errors.ErrUnsupported, mountpoint)
	}
	setting := fmt.Sprintf("/sys/class/bdi/%d:%d/read_ahead_kb", top.Major, top.Minor)
	if err := os.WriteFile(setting, []byte(readAheadKB), 0); err != nil {
		return fmt.Errorf("read-ahead of the kernel: %w", err)
	}
	return nil
}

// MountAt returns the topmost mount at a path, as the mount table names it, nil when
// there is none. It reads the mount table only: a dead mount cannot hold it up.
func MountAt(path string) (*mountinfo.Info, error) {
	mounts, err := mountinfo.GetMounts(func(m *mountinfo.Info) (skip, stop bool) { return m.Mountpoint != path, false })
	if err != nil {
		return nil, fmt.Errorf("read the mount table: %w", err)
	}
	if len(mounts) == 0 {
		return nil, nil
	}
	return mounts[len(mounts)-1], nil // the last is on top
}

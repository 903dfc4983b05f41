package bridge

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// mountOptions are what mountFUSE needs.
type mountOptions struct {
	Mountpoint, Source                       string
	ReadOnly, AllowOther, DefaultPermissions bool
}

// mountFUSE opens /dev/fuse and mounts it.
func mountFUSE(o mountOptions) (*os.File, error) {
	dev, err := os.OpenFile("/dev/fuse", os.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	data := fmt.Sprintf("fd=%d,rootmode=40000,user_id=0,group_id=0", dev.Fd())
	if o.AllowOther {
		data += ",allow_other"
	}
	if o.DefaultPermissions {
		data += ",default_permissions"
	}
	flags := uintptr(unix.MS_NOSUID | unix.MS_NODEV)
	if o.ReadOnly {
		flags |= unix.MS_RDONLY
	}
	if err := unix.Mount(o.Source, o.Mountpoint, "fuse.sshfs-bridge", flags, data); err != nil {
		dev.Close()
		return nil, &os.PathError{Op: "mount", Path: o.Mountpoint, Err: err}
	}
	return dev, nil
}

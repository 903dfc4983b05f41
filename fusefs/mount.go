package fusefs

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// fsType is the type of our mounts in the mount table.
const fsType = "fuse.sshfs-bridge"

// maxIO is the largest read or write that the kernel sends.
const maxIO = 1 << 20

// MountOptions says what is mounted where.
type MountOptions struct {
	// Mountpoint is an existing directory.
	Mountpoint string
	// Source is what the mount table shows as the device.
	Source string
	// ReadOnly has the kernel refuse every change.
	ReadOnly bool
	// AllowOther lets every user of this machine in, and not just the one
	// that mounts.
	AllowOther bool
	// DefaultPermissions has the kernel check modes and owners.
	DefaultPermissions bool
	// MaxRead bounds one read of the kernel, in bytes (1 MiB).
	MaxRead int
}

// Mount opens /dev/fuse and mounts it with mount(2): no helper is needed, but the
// privilege to mount is. The file that it returns is all that a server needs
// (NewServer), which may be another process; until somebody serves it, whoever
// looks at the mount point waits. The caller closes the file: when the last copy
// is closed, the mount is dead and can only be unmounted.
func Mount(o MountOptions) (*os.File, error) {
	mountpoint, err := filepath.Abs(o.Mountpoint)
	if err != nil {
		return nil, fmt.Errorf("mount: %w", err)
	}
	var st unix.Stat_t
	if err := unix.Stat(mountpoint, &st); err != nil {
		return nil, fmt.Errorf("mount point %s: %w", mountpoint, err)
	}
	if st.Mode&unix.S_IFMT != unix.S_IFDIR {
		return nil, fmt.Errorf("mount point %s: %w", mountpoint, unix.ENOTDIR)
	}
	fd, err := unix.Open("/dev/fuse", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open /dev/fuse: %w (%s)", err, deviceAdvice(err))
	}
	dev := os.NewFile(uintptr(fd), "/dev/fuse")
	if o.MaxRead <= 0 {
		o.MaxRead = maxIO
	}
	data := fmt.Sprintf("fd=%d,rootmode=40000,user_id=0,group_id=0,max_read=%d", fd, o.MaxRead)
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
	if err := unix.Mount(source(o.Source), mountpoint, fsType, flags, data); err != nil {
		dev.Close()
		return nil, fmt.Errorf("mount on %s: %w%s", mountpoint, err, mountAdvice(err))
	}
	return dev, nil
}

// source is what the mount table shows: never empty, and free of what would need
// to be escaped there in ways that its readers do not agree about.
func source(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return '?'
		}
		return r
	}, s)
	if s == "" {
		return "sshfs-bridge"
	}
	return s
}

func deviceAdvice(err error) string {
	switch {
	case errors.Is(err, unix.ENOENT), errors.Is(err, unix.ENXIO), errors.Is(err, unix.ENODEV):
		return "no FUSE here: load the kernel's fuse module, or run the container with --device /dev/fuse"
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.EACCES):
		return "no permission: run as root, or run the container with --device /dev/fuse"
	}
	return "FUSE is not usable"
}

func mountAdvice(err error) string {
	if errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES) {
		return " (mounting needs CAP_SYS_ADMIN: run as root, or run the container with --privileged," +
			" or --cap-add SYS_ADMIN and, where AppArmor is in use, --security-opt apparmor:unconfined)"
	}
	if errors.Is(err, unix.ENODEV) {
		return " (this kernel has no FUSE)"
	}
	return ""
}

// Unmount takes a mount down. A lazy unmount succeeds while the mount is in use:
// the mount leaves the tree at once, and ends with its last user.
func Unmount(mountpoint string, lazy bool) error {
	flags := unix.UMOUNT_NOFOLLOW
	if lazy {
		flags |= unix.MNT_DETACH
	}
	if err := unix.Unmount(mountpoint, flags); err != nil {
		return fmt.Errorf("unmount %s: %w", mountpoint, err)
	}
	return nil
}

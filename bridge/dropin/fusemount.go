package dropin

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"sshfs-bridge/fusefs"
)

// mountFUSE opens /dev/fuse and mounts it as the plan says.
func mountFUSE(p *plan) (*os.File, error) {
	dev, err := fusefs.Mount(fusefs.MountOptions{
		Mountpoint: p.spec.Mountpoint, Source: p.source(), ReadOnly: p.spec.ReadOnly,
		AllowOther: p.allowOther, DefaultPermissions: p.defaultPermissions, MaxRead: p.maxRead,
	})
	if errors.Is(err, unix.EBUSY) {
		return nil, fmt.Errorf("the mountpoint %s is busy: %w", p.spec.Mountpoint, err)
	}
	return dev, err
}

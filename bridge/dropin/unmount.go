package dropin

import (
	"context"
	"errors"
	"fmt"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"

	"sshfs-bridge/bridge/api"
	"sshfs-bridge/fusefs"
)

// unmountOurs ends one of our mounts at path and waits until what was written
// has reached the server. A lazy one is only detached: whoever still uses it
// goes on, and so does what they write.
func (o Options) unmountOurs(ctx context.Context, path string, on *mountinfo.Info, lazy bool) error {
	supervised := o.supervisedMount(ctx, on)
	if supervised != nil && supervised.Source != api.SourceSSHFS {
		// The supervisor would mount it again: it must know that it shall go.
		return o.client().Unmount(ctx, supervised.Name, landTimeout)
	}
	holder, held := o.holderOf(path)
	flags := unix.UMOUNT_NOFOLLOW
	if lazy {
		flags |= unix.MNT_DETACH
	}
	switch err := unix.Unmount(path, flags); {
	case errors.Is(err, unix.EBUSY):
		return fmt.Errorf("%s is busy: some process uses it (fuser -m %s names it)", path, path)
	case errors.Is(err, unix.EPERM) && supervised != nil:
		return o.client().Unmount(ctx, supervised.Name, landTimeout)
	case errors.Is(err, unix.EPERM):
		return fmt.Errorf("%s: unmounting needs root", path)
	case err != nil:
		return fmt.Errorf("%s: %w", path, err)
	case lazy:
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, landTimeout)
	defer cancel()
	switch {
	case supervised != nil:
		return o.land(ctx, supervised)
	case held:
		return holder.end(ctx)
	default:
		return nil
	}
}

// supervisedMount finds the supervisor's mount that is seen as on: the hub
// shows each mount a second time.
func (o Options) supervisedMount(ctx context.Context, on *mountinfo.Info) *api.MountStatus {
	if o.ControlSocket == "none" {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, pingTimeout)
	defer cancel()
	mounts, err := o.client().Mounts(ctx)
	if err != nil {
		return nil
	}
	for _, m := range mounts {
		at, err := fusefs.MountAt(m.Mountpoint)
		if err == nil && ours(at) && at.Major == on.Major && at.Minor == on.Minor {
			return &m
		}
	}
	return nil
}

// land waits until the supervisor has taken down a mount that is unmounted
// already: its worker has brought everything to the server then. The supervisor
// is told, as the worker may not see it by itself: a copy of the mount in
// another mount namespace keeps the connection to the kernel open.
func (o Options) land(ctx context.Context, m *api.MountStatus) error {
	err := o.client().Unmount(ctx, m.Name, landTimeout)
	var apiErr *api.Error
	if errors.As(err, &apiErr) && apiErr.Code == api.CodeNotFound {
		return nil
	}
	if err != nil {
		return fmt.Errorf("unmounted, but the supervisor does not say that everything has reached %s: %w", m.Remote, err)
	}
	return nil
}

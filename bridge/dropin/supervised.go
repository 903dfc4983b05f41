package dropin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"sshfs-bridge/bridge/api"
	"sshfs-bridge/bridge/client"
	"sshfs-bridge/fusefs"
)

// noSupervisor is the usual reason to mount alone.
const noSupervisor = "no supervisor"

// pingTimeout is how long a supervisor may take to say that it is there.
const pingTimeout = 3 * time.Second

func (o Options) client() *client.Client {
	c := &client.Client{Version: o.Version}
	if o.ControlSocket != "none" {
		c.Socket = o.ControlSocket
	}
	return c
}

// supervised says why the plan must be carried out alone: "" when a
// supervisor shall do it, noSupervisor when none is there.
func (o Options) supervised(p *plan) (reason string, err error) {
	if o.ControlSocket == "none" {
		return noSupervisor, nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), pingTimeout)
	defer cancel()
	status, err := o.client().Status(ctx)
	switch {
	case errors.Is(err, client.ErrUnreachable), errors.Is(err, client.ErrDenied):
		return noSupervisor, nil
	case err != nil:
		return "", fmt.Errorf("ask the supervisor: %w", err)
	case status.Stopping:
		return noSupervisor, nil
	}
	// A supervisor's mounts are open to every user, since smbd must read
	// them, and with the remote's ids the kernel checks modes.
	switch {
	case !p.allowOther:
		return "without -o allow_other it is for the caller only", nil
	case p.spec.RemoteIDs && !p.defaultPermissions:
		return "-o allow_other without uid, gid and default_permissions lets every user do everything", nil
	default:
		return "", nil
	}
}

// mountSupervised asks the supervisor for the mount and, in the foreground,
// stays until it is gone.
func (o Options) mountSupervised(ctx context.Context, p *plan) error {
	tty := openTTY(o.TTY)
	if tty != nil {
		defer tty.Close()
	}
	a, err := o.newAsker(p, tty)
	if err != nil {
		return err
	}
	status, err := o.requestMount(ctx, p, a)
	if err != nil {
		return err
	}
	if err := setMountFlags(status.Mountpoint, p.mountFlags, p.spec.ReadOnly); err != nil {
		fmt.Fprintln(o.Stderr, "sshfs: "+err.Error())
	}
	if !p.foreground {
		return nil
	}
	return o.stay(ctx, status)
}

// requestMount asks under the name that the remote suggests and, where that
// is taken by another mount, under one made of the mountpoint.
func (o Options) requestMount(ctx context.Context, p *plan, a *asker) (api.MountStatus, error) {
	req := api.MountRequest{Spec: p.spec, Source: api.SourceSSHFS}
	req.Spec.AgentSocket = os.Getenv("SSH_AUTH_SOCK")
	ask := client.Asker(nil)
	if a.interactive() {
		ask = a.ask
	}
	onEvent := func(e api.Event) {
		if e.Kind == api.EventNote && e.Message != "" {
			fmt.Fprintln(o.Stderr, "sshfs: "+e.Message)
		}
	}
	base := filepath.Base(p.spec.Mountpoint)
	for attempt := 1; ; attempt++ {
		status, err := o.client().Mount(ctx, req, onEvent, ask)
		var apiErr *api.Error
		if !errors.As(err, &apiErr) || apiErr.Code != api.CodeExists || attempt > 20 {
			return status, err
		}
		req.Spec.Name = fmt.Sprintf("%s-%d", base, attempt)
		if attempt == 1 {
			req.Spec.Name = base
		}
	}
}

// stay waits until the mount is gone; ending ctx unmounts it.
func (o Options) stay(ctx context.Context, status api.MountStatus) error {
	for {
		err := o.client().Events(ctx, status.Name, func(e api.Event) error {
			if e.Kind == api.EventRemoved {
				return io.EOF
			}
			return nil
		})
		if ctx.Err() != nil {
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), landTimeout)
			defer cancel()
			return o.client().Unmount(ctx, status.Name, landTimeout)
		}
		if m, lookErr := fusefs.MountAt(status.Mountpoint); lookErr != nil || !ours(m) {
			return lookErr
		}
		if err != nil {
			return fmt.Errorf("the supervisor does not answer any more: %w", err)
		}
	}
}

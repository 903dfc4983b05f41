package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"sshfs-bridge/bridge/api"
	"sshfs-bridge/bridge/client"
)

type umountOptions struct {
	drain      time.Duration
	force, all bool
}

func newUmountCommand(g *global) *cobra.Command {
	var o umountOptions
	c := &cobra.Command{
		Use:     "umount NAME...",
		Aliases: []string{"unmount"},
		Short:   "Take mounts away, after what was written has landed",
		Long: `umount takes a mount away: its share goes, its clients let go, what they wrote
lands on the server, and the mount is gone when the command returns. It stays
away after a restart.

What was written has 30 seconds to land, or as long as --drain says; a mount whose
worker answers nothing is not waited for. While it waits, umount says what for.
With --force nothing is waited for, and what has not landed is lost; it works on a
mount that another umount waits for, too.`,
		Example:           "  sshfs-bridge umount media\n  sshfs-bridge umount --force media\n  sshfs-bridge umount --all",
		Args:              args(cobra.ArbitraryArgs),
		ValidArgsFunction: g.mountNames,
		RunE: func(c *cobra.Command, names []string) error {
			return runUmount(c.Context(), g, names, o)
		},
	}
	f := c.Flags()
	f.DurationVar(&o.drain, "drain", 0, "how long what was written may take to land (default 30s)")
	f.BoolVarP(&o.force, "force", "f", false, "wait for nothing: what has not landed is lost")
	f.BoolVarP(&o.force, "lazy", "l", false, "the same, as umount(8) calls it")
	f.BoolVar(&o.all, "all", false, "every mount")
	return c
}

func runUmount(ctx context.Context, g *global, names []string, o umountOptions) error {
	switch {
	case o.all && len(names) > 0:
		return &usageError{errors.New("--all and names exclude each other")}
	case !o.all && len(names) == 0:
		return &usageError{errors.New("the name of a mount is missing: see `sshfs-bridge list`")}
	case o.force && o.drain != 0:
		return &usageError{errors.New("--force and --drain exclude each other")}
	case o.drain < 0:
		return &usageError{fmt.Errorf("--drain: %v is less than nothing", o.drain)}
	}
	if o.force {
		o.drain = -1
	}
	cl := g.client()
	if o.all {
		mounts, err := cl.Mounts(ctx)
		if err != nil {
			return err
		}
		for _, m := range mounts {
			names = append(names, m.Name)
		}
	}
	// All at once: the slowest one sets the time.
	errs := make([]error, len(names))
	var group sync.WaitGroup
	for i, name := range names {
		group.Go(func() { errs[i] = g.unmount(ctx, cl, name, o.drain) })
	}
	group.Wait()
	return errors.Join(errs...)
}

// tellAfter is how long a command waits in silence.
const tellAfter = 2 * time.Second

// unmount takes one mount away, and says what it waits for when that takes long.
func (g *global) unmount(ctx context.Context, cl *client.Client, name string, drain time.Duration) error {
	over, end := context.WithCancel(ctx)
	var telling sync.WaitGroup
	if !g.json {
		telling.Go(func() { g.tellUnmount(ctx, over.Done(), cl, name) })
	}
	err := cl.Unmount(ctx, name, drain)
	end()
	telling.Wait()
	if err == nil && !g.json {
		g.notef("%s is unmounted\n", name)
	}
	return err
}

// tellUnmount says again and again what a mount waits for, until it is over. What
// was asked then is still told.
func (g *global) tellUnmount(ctx context.Context, over <-chan struct{}, cl *client.Client, name string) {
	pause := time.NewTimer(tellAfter)
	defer pause.Stop()
	told := ""
	for {
		select {
		case <-pause.C:
		case <-over:
			return
		}
		asking, done := context.WithTimeout(ctx, tellAfter)
		st, err := cl.MountStatus(asking, name)
		done()
		if err != nil {
			return // it is gone, or cannot be asked: the command itself says so
		}
		if text := waitsFor(st); text != told {
			told = text
			g.notef("%s: %s\n", name, text)
		}
		pause.Reset(tellAfter)
	}
}

// waitsFor says why a mount takes long to leave.
func waitsFor(st api.MountStatus) string {
	const hint = " (Ctrl-C leaves it to itself, `umount --force` gives that up)"
	switch {
	case st.Traffic == nil:
		return "its worker does not answer, it will be ended"
	case st.Traffic.PendingBytes > 0:
		return fmt.Sprintf("%s wait to land on the server", size(st.Traffic.PendingBytes)) + hint
	default:
		return "waiting for its clients to let go" + hint
	}
}

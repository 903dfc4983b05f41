package main

import (
	"context"
	"errors"
	"time"

	"github.com/spf13/cobra"
)

func newUmountCommand(g *global) *cobra.Command {
	var drain time.Duration
	var all bool
	c := &cobra.Command{
		Use:     "umount NAME...",
		Aliases: []string{"unmount"},
		Short:   "Take mounts away, after what was written has landed",
		Long: `umount takes a mount away: its share goes, its clients let go, what they wrote
lands on the server, and the mount is gone when the command returns. It stays
away after a restart.`,
		Example:           "  sshfs-bridge umount media\n  sshfs-bridge umount --all",
		Args:              args(cobra.ArbitraryArgs),
		ValidArgsFunction: g.mountNames,
		RunE: func(c *cobra.Command, names []string) error {
			return runUmount(c.Context(), g, names, all, drain)
		},
	}
	c.Flags().DurationVar(&drain, "drain", 0, "how long what was written may take to land (default 30s)")
	c.Flags().BoolVar(&all, "all", false, "every mount")
	return c
}

func runUmount(ctx context.Context, g *global, names []string, all bool, drain time.Duration) error {
	switch {
	case all && len(names) > 0:
		return &usageError{errors.New("--all and names exclude each other")}
	case !all && len(names) == 0:
		return &usageError{errors.New("the name of a mount is missing: see `sshfs-bridge list`")}
	}
	cl := g.client()
	if all {
		mounts, err := cl.Mounts(ctx)
		if err != nil {
			return err
		}
		for _, m := range mounts {
			names = append(names, m.Name)
		}
	}
	var errs []error
	for _, name := range names {
		if err := cl.Unmount(ctx, name, drain); err != nil {
			errs = append(errs, err)
			continue
		}
		if !g.json {
			g.notef("%s is unmounted\n", name)
		}
	}
	return errors.Join(errs...)
}

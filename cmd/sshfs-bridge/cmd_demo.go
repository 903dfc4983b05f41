package main

import (
	"context"
	"log/slog"

	"github.com/spf13/cobra"

	"sshfs-bridge/bridge/demo"
)

func newDemoCommand(g *global) *cobra.Command {
	var o demo.Options
	var verbose bool
	c := &cobra.Command{
		Use:   "demo",
		Short: "Show everything at work with sample files, with nothing to configure",
		Long: `demo starts an SSH server of its own over a directory of sample files, mounts it,
shares it, checks through SMB that listing, reading, writing, renaming and
deleting work, and prints the address for Finder. It serves until it is stopped.`,
		Example: `  sshfs-bridge demo
  sshfs-bridge demo --check`,
		Args: args(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error { return runDemo(c.Context(), g, o, verbose) },
	}
	f := c.Flags()
	f.BoolVar(&o.Check, "check", false, "end after the check, with 0 when all is well and 1 otherwise")
	f.StringVar(&o.Dir, "dir", "", "directory to work in (default a temporary one)")
	f.IntVar(&o.Port, "smb-port", 0, "port that smbd listens on")
	f.IntVar(&o.PublishedPort, "published-port", 0, "port that the Mac connects to, for the URL")
	f.Int64Var(&o.LargeBytes, "large", 0, "size of the large sample, in bytes")
	f.BoolVarP(&verbose, "verbose", "v", false, "show the log")
	return c
}

func runDemo(ctx context.Context, g *global, o demo.Options, verbose bool) error {
	o.Out = g.stdout
	if verbose {
		o.Logger = slog.New(slog.NewTextHandler(g.stderr, nil))
	}
	return demo.Run(ctx, o)
}

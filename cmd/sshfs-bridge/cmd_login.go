package main

import (
	"context"

	"github.com/spf13/cobra"

	"sshfs-bridge/bridge/client"
)

func newLoginCommand(g *global) *cobra.Command {
	return &cobra.Command{
		Use:   "login NAME",
		Short: "Try a mount again that needs a person, and answer its questions",
		Long: `login lets a mount in the state needs-login or down try again, and asks on the
terminal what the remote asks: a password, a passphrase, a one-time code.`,
		Example:           "  sshfs-bridge login media",
		Args:              args(cobra.ExactArgs(1)),
		ValidArgsFunction: g.mountNames,
		RunE: func(c *cobra.Command, args []string) error {
			t := openTerminal()
			defer t.close()
			st, err := g.client().Login(c.Context(), args[0], g.progress(args[0]), t.asker())
			if err != nil {
				return err
			}
			return g.printMounted(st, false)
		},
	}
}

func newRefreshCommand(g *global) *cobra.Command {
	return &cobra.Command{
		Use:               "refresh NAME",
		Short:             "Forget what is cached of a mount, and look at the server now",
		Example:           "  sshfs-bridge refresh media",
		Args:              args(cobra.ExactArgs(1)),
		ValidArgsFunction: g.mountNames,
		RunE: func(c *cobra.Command, args []string) error {
			return g.client().Refresh(c.Context(), args[0])
		},
	}
}

func newHostKeyCommand(g *global) *cobra.Command {
	c := &cobra.Command{
		Use:   "hostkey",
		Short: "Accept or forget the host key of a mount's server",
		Args:  args(cobra.NoArgs),
		RunE:  func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	for _, a := range []struct{ action, short, long string }{
		{
			"accept", "Forget the key that was accepted here, and accept the one that the server has now",
			"accept is for a server that was set up anew. Only keys that were accepted here are\nreplaced; a line of known_hosts in the SSH directory stays as it is.\nA host is named where there is no mount of it.",
		},
		{"forget", "Forget the key that was accepted here", "forget takes the accepted key away; the next connection decides anew."},
	} {
		c.AddCommand(&cobra.Command{
			Use: a.action + " NAME|HOST", Short: a.short, Long: a.long,
			Example:           "  sshfs-bridge hostkey " + a.action + " media",
			Args:              args(cobra.ExactArgs(1)),
			ValidArgsFunction: g.mountNames,
			RunE: func(c *cobra.Command, args []string) error {
				return runHostKey(c.Context(), g, g.client(), args[0], a.action)
			},
		})
	}
	return c
}

func runHostKey(ctx context.Context, g *global, cl *client.Client, name, action string) error {
	r, err := cl.HostKey(ctx, name, action)
	if err != nil {
		return err
	}
	if g.json {
		return g.printJSON(r)
	}
	for _, l := range r.Forgotten {
		g.printf("forgotten: %s\n", l)
	}
	if len(r.Forgotten) == 0 {
		g.printf("no key of that host was accepted here\n")
	}
	return nil
}

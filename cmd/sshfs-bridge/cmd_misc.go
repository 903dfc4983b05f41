package main

import (
	"context"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

func newVersionCommand(g *global) *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "Print the version",
		Example: "  sshfs-bridge version --json",
		Args:    args(cobra.NoArgs),
		RunE: func(*cobra.Command, []string) error {
			v := buildVersion()
			if g.json {
				return g.printJSON(v)
			}
			g.printf("sshfs-bridge %s", v.Version)
			if v.Commit != "" {
				g.printf(" (%s)", v.Commit)
			}
			g.printf(", %s, %s\n", v.GoVersion, v.Platform)
			return nil
		},
	}
}

func newReloadCommand(g *global) *cobra.Command {
	return &cobra.Command{
		Use:   "reload",
		Short: "Make the supervisor read its configuration again",
		Long: `reload applies a changed configuration, as SIGHUP does. Mounts that did not
change are untouched. A configuration with problems is refused, with all of
them, and the old one stays.`,
		Example: "  sshfs-bridge reload",
		Args:    args(cobra.NoArgs),
		RunE:    func(c *cobra.Command, _ []string) error { return runReload(c.Context(), g) },
	}
}

func runReload(ctx context.Context, g *global) error {
	r, err := g.client().Reload(ctx)
	if err != nil {
		return err
	}
	if g.json {
		return g.printJSON(r)
	}
	g.printf("mounts: %d taken away, %d added\n", r.Removed, r.Added)
	for _, n := range r.Notes {
		g.printf("left out: %s\n", n)
	}
	if len(r.NextStart) > 0 {
		g.printf("with the next start only: %s\n", strings.Join(r.NextStart, ", "))
	}
	return nil
}

func newHealthCommand(g *global) *cobra.Command {
	return &cobra.Command{
		Use:   "healthcheck",
		Short: "Say whether the supervisor is healthy, for Docker's HEALTHCHECK",
		Long: `healthcheck ends with 0 when smbd answers and no mount has failed, and with 1
otherwise. A remote that is away is not the container's fault.`,
		Example: "  sshfs-bridge healthcheck",
		Args:    args(cobra.NoArgs),
		RunE:    func(c *cobra.Command, _ []string) error { return runHealth(c.Context(), g) },
	}
}

// runHealth ends with 0 or 1 only: Docker keeps the other codes for itself.
func runHealth(ctx context.Context, g *global) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	h, err := g.client().Health(ctx)
	if err != nil {
		return &codeError{code: exitError, err: err}
	}
	if g.json {
		if err := g.printJSON(h); err != nil {
			return err
		}
	} else {
		if h.OK {
			g.printf("healthy\n")
		}
		for _, r := range h.Reasons {
			g.printf("%s\n", r)
		}
	}
	if !h.OK {
		return &codeError{code: exitError}
	}
	return nil
}

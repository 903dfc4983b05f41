package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"sshfs-bridge/bridge/api"
)

func newListCommand(g *global) *cobra.Command {
	return &cobra.Command{
		Use:     "list",
		Aliases: []string{"ls"},
		Short:   "List the mounts",
		Example: "  sshfs-bridge list\n  sshfs-bridge list --json",
		Args:    args(cobra.NoArgs),
		RunE:    func(c *cobra.Command, _ []string) error { return runList(c.Context(), g) },
	}
}

func runList(ctx context.Context, g *global) error {
	mounts, err := g.client().Mounts(ctx)
	if err != nil {
		return err
	}
	if g.json {
		return g.printJSON(api.MountList{Mounts: append([]api.MountStatus{}, mounts...)})
	}
	if len(mounts) == 0 {
		g.notef("no mounts: add one with `sshfs-bridge mount [USER@]HOST[:PATH]`\n")
		return nil
	}
	rows := [][]string{{"NAME", "STATE", "SINCE", "REMOTE", "SOURCE", "AT"}}
	for _, m := range mounts {
		at := m.URL
		if at == "" {
			at = m.Mountpoint
		}
		rows = append(rows, []string{m.Name, string(m.State), ago(m.Since, time.Now()), m.Remote, m.Source, at})
	}
	return table(g.stdout, rows)
}

func newURLCommand(g *global) *cobra.Command {
	return &cobra.Command{
		Use:               "url [NAME]",
		Short:             "Print the address of a mount for Finder, or of all",
		Example:           "  sshfs-bridge url media\n  open \"$(docker exec sshfs-bridge sshfs-bridge url media)\"",
		Args:              args(cobra.MaximumNArgs(1)),
		ValidArgsFunction: g.mountNames,
		RunE:              func(c *cobra.Command, names []string) error { return runURL(c.Context(), g, names) },
	}
}

// mountURL is what `url --json` prints of a mount.
type mountURL struct {
	Name string `json:"name"`
	URL  string `json:"url"`
}

func runURL(ctx context.Context, g *global, names []string) error {
	st, err := g.client().Status(ctx)
	if err != nil {
		return err
	}
	var urls []mountURL
	for _, m := range st.Mounts {
		if m.URL != "" && (len(names) == 0 || names[0] == m.Name) {
			urls = append(urls, mountURL{m.Name, m.URL})
		}
	}
	switch {
	case len(names) == 0 && st.HubURL != "":
		urls = append(urls, mountURL{"SSHFS Share", st.HubURL})
	case len(names) == 1 && len(urls) == 0:
		if m, err := g.client().MountStatus(ctx, names[0]); err != nil {
			return err
		} else if m.URL == "" {
			return fmt.Errorf("%s has no share of its own: it is mounted at %s", m.Name, m.Mountpoint)
		}
	}
	if g.json {
		return g.printJSON(append([]mountURL{}, urls...))
	}
	for _, u := range urls {
		g.printf("%s\n", u.URL)
	}
	return nil
}

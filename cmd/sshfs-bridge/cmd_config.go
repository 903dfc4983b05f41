package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"sshfs-bridge/bridge"
	"sshfs-bridge/bridge/api"
	"sshfs-bridge/smbconf"
)

func newConfigCommand(g *global) *cobra.Command {
	c := &cobra.Command{
		Use:   "config",
		Short: "Check and show the configuration, and the smb.conf that follows from it",
		Args:  args(cobra.NoArgs),
		RunE:  func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(newConfigCheckCommand(g), newConfigShowCommand(g), newConfigSMBCommand(g))
	return c
}

func newConfigCheckCommand(g *global) *cobra.Command {
	var o configOptions
	c := &cobra.Command{
		Use:   "check [FILE]",
		Short: "Check a configuration file and the environment",
		Long: `check reads the configuration as serve does and prints every problem at once,
each with its file, line and key.

EXIT STATUS
  0  nothing is wrong
  3  the configuration has problems`,
		Example: "  sshfs-bridge config check\n  sshfs-bridge config check ./bridge.yaml --json",
		Args:    args(cobra.MaximumNArgs(1)),
		RunE: func(_ *cobra.Command, files []string) error {
			if len(files) > 0 {
				o.path = files[0]
			}
			conf, err := o.load()
			if err != nil {
				return err
			}
			if g.json {
				return g.printJSON(checkResult{OK: true, Files: append([]string{}, conf.Files...), Mounts: len(conf.Mounts)})
			}
			if len(conf.Files) == 0 {
				g.printf("no configuration file; %d mounts of the environment, nothing is wrong\n", len(conf.Mounts))
				return nil
			}
			g.printf("%s: %d mounts, nothing is wrong\n", conf.Files[0], len(conf.Mounts))
			return nil
		},
	}
	o.addFlags(c.Flags())
	return c
}

// checkResult is what `config check --json` prints when nothing is wrong.
type checkResult struct {
	OK     bool     `json:"ok"`
	Files  []string `json:"files"`
	Mounts int      `json:"mounts"`
}

func newConfigShowCommand(g *global) *cobra.Command {
	var o configOptions
	c := &cobra.Command{
		Use:     "show",
		Short:   "Show the settings in force: file, environment, flags and defaults",
		Example: "  sshfs-bridge config show\n  sshfs-bridge config show --json",
		Args:    args(cobra.NoArgs),
		RunE: func(*cobra.Command, []string) error {
			conf, err := o.load()
			if err != nil {
				return err
			}
			if g.json {
				return g.printJSON(shownConfig(&conf))
			}
			data, err := conf.YAML()
			if err != nil {
				return err
			}
			g.printf("%s", data)
			return nil
		},
	}
	o.addFlags(c.Flags())
	return c
}

// shownConfig is what `config show --json` prints.
func shownConfig(c *bridge.Config) any {
	type mount struct {
		api.MountSpec
		Source string `json:"source"`
		File   string `json:"file,omitempty"`
		Line   int    `json:"line,omitempty"`
	}
	settings := map[string]any{}
	for _, s := range c.Settings() {
		settings[s.Key] = s.Value
	}
	mounts := []mount{}
	for _, m := range c.Mounts {
		mounts = append(mounts, mount{m.MountSpec, m.Source, m.File, m.Line})
	}
	return map[string]any{"settings": settings, "mounts": mounts, "files": append([]string{}, c.Files...)}
}

func newConfigSMBCommand(g *global) *cobra.Command {
	var o configOptions
	var explain bool
	var forVersion string
	c := &cobra.Command{
		Use:   "smb",
		Short: "Print the smb.conf that follows from the configuration",
		Long: `smb prints the smb.conf that serve would write for the mounts of the
configuration and the smbd that is installed, each setting with its reason and where
that comes from. Mounts that were added by command are in the running supervisor's file.`,
		Example: "  sshfs-bridge config smb\n  sshfs-bridge config smb --explain=false\n  sshfs-bridge config smb | testparm -s /dev/stdin",
		Args:    args(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			return runConfigSMB(c.Context(), g, &o, forVersion, explain)
		},
	}
	o.addFlags(c.Flags())
	c.Flags().BoolVar(&explain, "explain", true, "with the reason of each setting and its source")
	c.Flags().StringVar(&forVersion, "samba", "", "for this release of Samba instead of the installed one")
	return c
}

func runConfigSMB(ctx context.Context, g *global, o *configOptions, forVersion string, explain bool) error {
	conf, err := o.load()
	if err != nil {
		return err
	}
	var v smbconf.Version
	if forVersion != "" {
		if v, err = smbconf.ParseVersion(forVersion); err != nil {
			return &usageError{fmt.Errorf("--samba: %w", err)}
		}
	} else if v, err = smbconf.DetectVersion(ctx, conf.SMB.Program); err != nil {
		return fmt.Errorf("%w (or give the release: --samba 4.22)", err)
	}
	sc, err := conf.SMBConf(v, conf.Mounts)
	if err != nil {
		return err
	}
	render := sc.Render
	if explain {
		render = sc.RenderCommented
	}
	data, err := render()
	if err != nil {
		return err
	}
	if g.json {
		return g.printJSON(map[string]string{"samba": v.String(), "smb_conf": string(data)})
	}
	g.printf("%s", data)
	return nil
}

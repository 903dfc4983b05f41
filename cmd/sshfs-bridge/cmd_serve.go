package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"sshfs-bridge/bridge"
)

// configOptions are the flags of commands that read the configuration.
type configOptions struct {
	path string
	dirs struct{ ssh, state, run, hub string }
	smb  struct {
		ports     []int
		published int
		off       bool
	}
	log struct{ level, format string }
}

func (o *configOptions) addFlags(f *pflag.FlagSet) {
	f.StringVarP(&o.path, "config", "c", "", "configuration file (default $"+bridge.ConfigEnv+" or "+bridge.DefaultConfigPath+", where it exists)")
	f.StringVar(&o.dirs.ssh, "ssh-dir", "", "what ~/.ssh means: config, keys, known_hosts")
	f.StringVar(&o.dirs.state, "state-dir", "", "directory for what must last")
	f.StringVar(&o.dirs.run, "run-dir", "", "directory for mount points, smb.conf and sockets")
	f.StringVar(&o.dirs.hub, "hub", "", "directory that shows every mount")
	f.IntSliceVar(&o.smb.ports, "smb-port", nil, "port that smbd listens on (may be repeated)")
	f.IntVar(&o.smb.published, "published-port", 0, "port that the Mac connects to, for the URLs")
	f.BoolVar(&o.smb.off, "no-smb", false, "mount only, without smbd")
	f.StringVar(&o.log.level, "log-level", "", "debug, info, warn or error")
	f.StringVar(&o.log.format, "log-format", "", "text or json")
}

// load reads the configuration.
func (o *configOptions) load() (bridge.Config, error) {
	var bad error
	c, err := bridge.LoadConfig(bridge.Sources{Path: o.path, Environ: os.Environ(), Override: func(c *bridge.Config) {
		bad = o.override(c)
	}})
	if bad != nil {
		return c, &usageError{bad}
	}
	return c, err
}

// override puts the flags in place of settings.
func (o *configOptions) override(c *bridge.Config) error {
	for _, s := range []struct {
		flag, key string
		v         []string
	}{
		{"ssh-dir", "ssh_dir", text(o.dirs.ssh)}, {"state-dir", "state_dir", text(o.dirs.state)},
		{"run-dir", "run_dir", text(o.dirs.run)}, {"hub", "hub", text(o.dirs.hub)},
		{"smb-port", "smb.ports", numbers(o.smb.ports)}, {"published-port", "smb.published_port", numbers(nonZero(o.smb.published))},
		{"log-level", "log_level", text(o.log.level)}, {"log-format", "log_format", text(o.log.format)},
	} {
		if len(s.v) == 0 {
			continue
		}
		if err := c.Set(s.key, s.v...); err != nil {
			return fmt.Errorf("--%s: %w", s.flag, err)
		}
	}
	if o.smb.off {
		c.SMB.Enabled = false
	}
	return nil
}

func text(s string) []string {
	if s == "" {
		return nil
	}
	return []string{s}
}

func nonZero(n int) []int {
	if n == 0 {
		return nil
	}
	return []int{n}
}

func numbers(ns []int) []string {
	var out []string
	for _, n := range ns {
		out = append(out, fmt.Sprint(n))
	}
	return out
}

// newLogger logs as the configuration says, from level on.
func newLogger(w io.Writer, c *bridge.Config, level slog.Leveler) *slog.Logger {
	o := &slog.HandlerOptions{Level: level}
	if c.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(w, o))
	}
	return slog.New(slog.NewTextHandler(w, o))
}

func newServeCommand(g *global) *cobra.Command {
	var o configOptions
	c := &cobra.Command{
		Use:   "serve",
		Short: "Run the supervisor: mounts, smbd and the control socket",
		Long: `serve mounts what the configuration, the environment and earlier mount
commands ask for, shares it with this machine, and keeps both running until it
is stopped. It is the entry point of the container.

SIGTERM and SIGINT stop it, after what was written has landed. SIGHUP reads the
configuration again: mounts that did not change are untouched, and a
configuration with problems is refused.`,
		Example: `  sshfs-bridge serve
  sshfs-bridge serve --config ./bridge.yaml
  SSHFS_BRIDGE_REMOTE=alice@nas:/srv/media sshfs-bridge serve`,
		Args: args(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error { return runServe(c.Context(), g, &o) },
	}
	o.addFlags(c.Flags())
	return c
}

func runServe(ctx context.Context, g *global, o *configOptions) error {
	c, err := o.load()
	if err != nil {
		return err
	}
	level := &slog.LevelVar{}
	level.Set(c.LogLevel)
	// Whoever reads the log must not end us by going away. Not signal.Ignore, which
	// the children would inherit.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	log := newLogSink(g.stderr)
	defer log.Close()
	s, err := bridge.New(bridge.Options{
		Config: c, Reload: o.load, Logger: newLogger(log, &c, level), Level: level, Version: buildVersion(), ReapOrphans: true,
		ServiceManager: bridge.ServiceManagerFromEnv(),
		Tell:           func(text string) { g.printf("%s\n", text) },
	})
	if err != nil {
		return err
	}
	if err := s.Run(ctx); err != nil && !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

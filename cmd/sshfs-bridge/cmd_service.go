package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"sshfs-bridge/bridge"
)

func newServiceCommand(g *global) *cobra.Command {
	c := &cobra.Command{
		Use:   "service",
		Short: "Run the supervisor as a systemd service of this Linux host",
		Long: `service installs a systemd unit that runs ` + "`sshfs-bridge serve`" + ` at every boot, and
controls it. In a container there is none: Docker restarts the container.`,
		Args: noCommand,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(newServiceInstallCommand(g), newServiceStatusCommand(g))
	for _, sub := range []struct {
		name, short, long, done string
		do                      func(*bridge.Service) error
	}{
		{"uninstall", "Stop the service and remove its unit", "uninstall stops the service and removes its unit. Mounts that were added by\ncommand, accepted host keys and settings stay where they are.", "uninstalled", (*bridge.Service).Uninstall},
		{"start", "Start the service", "start returns when the supervisor is ready; mounts come up as their servers do.", "started", (*bridge.Service).Start},
		{"stop", "Stop the service", "stop returns when what was written has landed and every mount is gone.", "stopped", (*bridge.Service).Stop},
	} {
		c.AddCommand(&cobra.Command{
			Use: sub.name, Short: sub.short, Long: sub.long, Example: "  sudo sshfs-bridge service " + sub.name,
			Args: args(cobra.NoArgs),
			RunE: func(*cobra.Command, []string) error {
				s, err := newService("")
				if err != nil {
					return err
				}
				if err := sub.do(s); err != nil {
					return err
				}
				return g.serviceDone(sub.done, "")
			},
		})
	}
	return c
}

func newServiceInstallCommand(g *global) *cobra.Command {
	var config string
	var printOnly, start bool
	c := &cobra.Command{
		Use:   "install",
		Short: "Install the unit, and start it at every boot",
		Long: `install writes a systemd unit for this very program and enables it. The unit
tells systemd when it is ready and that it lives, and gives up every right that
mounting does not need. Where the configuration does not say whose ~/.ssh and
files are meant, they are those of whoever called sudo.`,
		Example: "  sudo sshfs-bridge service install --start\n  sshfs-bridge service install --print",
		Args:    args(cobra.NoArgs),
		RunE: func(*cobra.Command, []string) error {
			return runServiceInstall(g, config, printOnly, start)
		},
	}
	c.Flags().StringVarP(&config, "config", "c", "", "configuration file for the service (default "+bridge.DefaultConfigPath+", where it exists)")
	c.Flags().BoolVar(&printOnly, "print", false, "print the unit and change nothing")
	c.Flags().BoolVar(&start, "start", false, "start it now, too")
	return c
}

func runServiceInstall(g *global, config string, printOnly, start bool) error {
	if config != "" {
		abs, err := filepath.Abs(config)
		if err != nil {
			return err
		}
		config = abs
	}
	// The service would only say the same, later and elsewhere. Its
	// environment is not this one.
	if _, err := bridge.LoadConfig(bridge.Sources{Path: config}); err != nil {
		return err
	}
	if printOnly {
		o, err := serviceOptions(config)
		if err != nil {
			return err
		}
		unit, err := bridge.ServiceUnit(o)
		if err != nil {
			return err
		}
		g.printf("%s", unit)
		return nil
	}
	s, err := newService(config)
	if err != nil {
		return err
	}
	path, err := s.Install()
	if err != nil {
		return err
	}
	if start {
		if err := s.Start(); err != nil {
			return err
		}
		return g.serviceDone("started", path)
	}
	return g.serviceDone("installed", path)
}

func newServiceStatusCommand(g *global) *cobra.Command {
	return &cobra.Command{
		Use:   "status",
		Short: "Say whether the service is installed and runs",
		Long: `status says how the service is; ` + "`sshfs-bridge status`" + ` says how the mounts are.

EXIT STATUS
  0  it runs
  5  it does not`,
		Example: "  sshfs-bridge service status --json",
		Args:    args(cobra.NoArgs),
		RunE: func(*cobra.Command, []string) error {
			s, err := newService("")
			if err != nil {
				return err
			}
			state, err := s.State()
			if err != nil {
				return err
			}
			if err := g.serviceDone(string(state), ""); err != nil {
				return err
			}
			if state != bridge.ServiceRunning {
				return &codeError{code: exitDegraded}
			}
			return nil
		},
	}
}

// serviceDone prints how the service is now.
func (g *global) serviceDone(state, path string) error {
	if g.json {
		out := map[string]string{"state": state}
		if path != "" {
			out["unit"] = path
		}
		return g.printJSON(out)
	}
	g.printf("the service is %s", state)
	if path != "" {
		g.printf(" (%s)", path)
	}
	g.printf("\n")
	return nil
}

func newService(config string) (*bridge.Service, error) {
	o, err := serviceOptions(config)
	if err != nil {
		return nil, err
	}
	return bridge.NewService(o)
}

func serviceOptions(config string) (bridge.ServiceOptions, error) {
	exe, err := os.Executable()
	if err != nil {
		return bridge.ServiceOptions{}, fmt.Errorf("find this program: %w", err)
	}
	o := bridge.ServiceOptions{Exe: exe, Config: config}
	if u := os.Getenv("SUDO_USER"); u != "root" {
		o.User = u
	}
	return o, nil
}

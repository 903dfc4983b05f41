package main

import (
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
	"slices"
	"sync"

	"github.com/spf13/cobra"

	"sshfs-bridge/bridge/api"
	"sshfs-bridge/bridge/client"
)

// version is set by the linker for releases.
var version = ""

// global is what all commands share.
type global struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	socket         string
	json           bool
	warned         bool

	noting sync.Mutex // serialises notes
}

// client is a client of the supervisor.
func (g *global) client() *client.Client {
	mine := buildVersion().Version
	return &client.Client{Socket: g.socket, Version: mine, OnVersion: func(v string) {
		if v != mine && !g.warned {
			g.warned = true
			g.notef("sshfs-bridge: the supervisor is version %s, this program %s: restart it\n", v, mine)
		}
	}}
}

func newRootCommand(g *global) *cobra.Command {
	root := &cobra.Command{
		Use:   "sshfs-bridge",
		Short: "Remote SSH servers as fast volumes in the macOS Finder",
		Long: `sshfs-bridge mounts directories of SSH servers and shares them over SMB with
this machine only, so that Finder shows them as ordinary volumes.

EXIT STATUS
  0  done
  1  an error that is none of the following
  2  the command line, or what it asks for, makes no sense
  3  the configuration has problems
  4  no supervisor answers
  5  a mount is not up, or not everything is as it should be
  6  this user may not do that`,
		Example: `  sshfs-bridge serve
  sshfs-bridge mount alice@nas.example.com:/srv/media
  sshfs-bridge status
  sshfs-bridge umount media`,
		SilenceUsage:      true,
		SilenceErrors:     true,
		DisableAutoGenTag: true,

		SuggestionsMinimumDistance: 2,

		Args: noCommand,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return &usageError{fmt.Errorf("%w (see %s --help)", err, c.CommandPath())}
	})
	root.PersistentFlags().StringVar(&g.socket, "socket", "", "control socket of the supervisor (default $"+api.SocketEnv+" or "+api.DefaultSocket+")")
	root.PersistentFlags().BoolVar(&g.json, "json", false, "print JSON, errors too")
	root.CompletionOptions.HiddenDefaultCmd = false
	root.AddGroup(
		&cobra.Group{ID: "run", Title: "Run it:"},
		&cobra.Group{ID: "mounts", Title: "Mounts:"},
		&cobra.Group{ID: "look", Title: "See what is:"},
		&cobra.Group{ID: "other", Title: "More:"},
	)
	root.SetHelpCommandGroupID("other")
	root.SetCompletionCommandGroupID("other")
	root.AddCommand(
		inGroup("run", newServeCommand(g), newDemoCommand(g), newServiceCommand(g))...,
	)
	root.AddCommand(inGroup("mounts", newMountCommand(g), newUmountCommand(g), newLoginCommand(g), newHostKeyCommand(g), newRefreshCommand(g))...)
	root.AddCommand(inGroup("look", newListCommand(g), newStatusCommand(g), newURLCommand(g), newLogsCommand(g), newEventsCommand(g), newDoctorCommand(g))...)
	root.AddCommand(inGroup("other", newConfigCommand(g), newPasswordCommand(g), newReloadCommand(g), newHealthCommand(g), newVersionCommand(g))...)
	root.AddCommand(dropinCommands(g)...)
	root.AddCommand(newWorkerCommand(), newToucherCommand(), newSMBDExecCommand(), newManCommand(g))
	for _, c := range root.Commands() {
		if c.HasSubCommands() {
			// An argument here is a subcommand that does not exist.
			c.Args = noCommand
		}
	}
	return root
}

func inGroup(id string, cmds ...*cobra.Command) []*cobra.Command {
	for _, c := range cmds {
		c.GroupID = id
	}
	return cmds
}

// noCommand refuses an unknown command, with what it may have meant.
func noCommand(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	err := fmt.Errorf("unknown command %q", args[0])
	if near := c.SuggestionsFor(args[0]); len(near) > 0 {
		err = fmt.Errorf("%w: did you mean %q?", err, near[0])
	}
	return &usageError{fmt.Errorf("%w (see %s --help)", err, c.CommandPath())}
}

// args wraps cobra's checks of the arguments, so that they count as usage.
func args(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(c *cobra.Command, a []string) error {
		if check(c, a) == nil {
			return nil
		}
		wrong := "too many arguments"
		if check(c, append(slices.Clone(a), "one more")) == nil {
			wrong = "an argument is missing"
		}
		return &usageError{fmt.Errorf("%s\nusage: %s", wrong, c.UseLine())}
	}
}

// mountNames completes the names of mounts.
func (g *global) mountNames(c *cobra.Command, have []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(have) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	mounts, err := g.client().Mounts(c.Context())
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	names := make([]string, len(mounts))
	for i, m := range mounts {
		names[i] = m.Name + "\t" + m.Remote
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

// buildVersion says what program this is.
func buildVersion() api.Version {
	v := api.Version{Version: version, GoVersion: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		v.Version = "unknown"
		return v
	}
	if v.Version == "" {
		v.Version = info.Main.Version
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			v.Commit = s.Value
		}
	}
	if v.Version == "" || v.Version == "(devel)" {
		v.Version = "devel"
	}
	return v
}

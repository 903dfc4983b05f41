package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"sshfs-bridge/bridge/dropin"
	"sshfs-bridge/bridge/smbd"
	"sshfs-bridge/bridge/toucher"
	"sshfs-bridge/bridge/worker"
)

// newWorkerCommand serves one mount; the supervisor starts it.
func newWorkerCommand() *cobra.Command {
	return &cobra.Command{
		Use:    "worker",
		Short:  "Serve one mount (started by the supervisor)",
		Hidden: true,
		Args:   args(cobra.NoArgs),
		RunE:   func(c *cobra.Command, _ []string) error { return worker.Main(c.Context()) },
	}
}

// newToucherCommand wakes who watches a mount; the supervisor starts it.
func newToucherCommand() *cobra.Command {
	return &cobra.Command{
		Use:    "toucher",
		Short:  "Wake who watches a mount (started by the supervisor)",
		Hidden: true,
		Args:   args(cobra.NoArgs),
		RunE:   func(*cobra.Command, []string) error { return toucher.Main() },
	}
}

// newSMBDExecCommand becomes smbd, in a namespace of its own.
func newSMBDExecCommand() *cobra.Command {
	return &cobra.Command{
		Use:                "smbd-exec",
		Short:              "Become smbd (started by the supervisor)",
		Hidden:             true,
		DisableFlagParsing: true,
		RunE:               func(_ *cobra.Command, args []string) error { return smbd.ExecMain(args) },
	}
}

// dropinCommands are the drop-ins as commands: `sshfs-bridge sshfs ...` is
// what `sshfs ...` is when the program is called by that name.
func dropinCommands(g *global) []*cobra.Command {
	names := dropin.Names()
	var cmds []*cobra.Command
	for _, d := range []struct{ name, short string }{
		{"sshfs", "sshfs(1)'s own command line, with or without a supervisor"},
		{"fusermount", "fusermount(1) -u, for mounts of the drop-in"},
		{"fusermount3", "fusermount3(1) -u, for mounts of the drop-in"},
	} {
		f := names[d.name]
		cmds = append(cmds, &cobra.Command{
			Use:                d.name + " [ARGUMENT]...",
			Short:              d.short,
			GroupID:            "mounts",
			Hidden:             d.name == "fusermount3",
			DisableFlagParsing: true,
			RunE: func(c *cobra.Command, args []string) error {
				o := dropin.Options{Stdin: g.stdin, Stdout: g.stdout, Stderr: g.stderr, Version: buildVersion().Version}
				if code := f(c.Context(), args, o); code != 0 {
					return &codeError{code: code}
				}
				return nil
			},
		})
		if f == nil {
			panic(fmt.Sprintf("no drop-in is called %s", d.name)) // a fault of this file
		}
	}
	return cmds
}

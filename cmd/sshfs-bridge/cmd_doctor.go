package main

import (
	"context"
	"errors"
	"strings"

	"github.com/spf13/cobra"

	"sshfs-bridge/bridge"
)

func newDoctorCommand(g *global) *cobra.Command {
	var o configOptions
	var speed bool
	c := &cobra.Command{
		Use:   "doctor [REMOTE|NAME]...",
		Short: "Check what the machine and the remotes offer, and say what to do",
		Long: `doctor checks /dev/fuse, the capabilities, the directories, smbd, its ports, the
configuration, the supervisor, and for each mount, and each that is named, whether the
server can be reached, its host key, the login, the SFTP service and the folder. It
changes nothing.

With --speed it measures, for the remotes or mounts that are named, how much one
SSH channel carries and how much several do, and says which limit holds: the
channel's window, the link or the server, or this machine's processor. It reads
/dev/zero there, some seconds for each.

EXIT STATUS
  0  nothing is wrong
  5  something is, with what to do`,
		Example: "  sshfs-bridge doctor\n  sshfs-bridge doctor alice@nas.example.com\n  sshfs-bridge doctor --speed media\n  sshfs-bridge doctor --json",
		Args:    args(cobra.ArbitraryArgs),
		RunE:    func(c *cobra.Command, remotes []string) error { return runDoctor(c.Context(), g, &o, remotes, speed) },
	}
	o.addFlags(c.Flags())
	c.Flags().BoolVar(&speed, "speed", false, "measure the throughput of what is named")
	return c
}

func runDoctor(ctx context.Context, g *global, o *configOptions, remotes []string, speed bool) error {
	if speed && len(remotes) == 0 {
		return &usageError{errors.New("--speed needs the name of a mount, or a remote")}
	}
	conf, err := o.load()
	do := bridge.DiagnoseOptions{Config: conf, ConfigError: err, Client: g.client(), Remotes: remotes, Speed: speed}
	if !g.json {
		do.Progress = func(what string) { g.notef("%s ...\n", what) }
	}
	findings := bridge.Diagnose(ctx, do)
	bad := false
	for _, f := range findings {
		bad = bad || f.Verdict == bridge.VerdictFail
	}
	if g.json {
		if err := g.printJSON(map[string]any{"ok": !bad, "findings": findings}); err != nil {
			return err
		}
	} else {
		rows := make([][]string, 0, len(findings))
		for _, f := range findings {
			rows = append(rows, []string{string(f.Verdict), f.Check, strings.ReplaceAll(f.Finding, "\n", " ")})
			if f.Remedy != "" {
				rows = append(rows, []string{"", "", "  " + f.Remedy})
			}
		}
		if err := table(g.stdout, rows); err != nil {
			return err
		}
	}
	if bad {
		return &codeError{code: exitDegraded}
	}
	return nil
}

package main

import (
	"fmt"
	"os"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

// newManCommand writes what a package installs beside the program.
func newManCommand(g *global) *cobra.Command {
	return &cobra.Command{
		Use:   "man DIR",
		Short: "Write the man pages and shell completions into a directory",
		Long: `man writes DIR/man1/*.1 and DIR/completion/sshfs-bridge.{bash,zsh,fish}. The same
program writes the same bytes wherever it runs; the pages' date is
$SOURCE_DATE_EPOCH, else that of the program's commit.`,
		Example: "  sshfs-bridge man /usr/local/share/man",
		Hidden:  true,
		Args:    args(cobra.ExactArgs(1)),
		RunE:    func(c *cobra.Command, a []string) error { return writeManual(g, c.Root(), a[0]) },
	}
}

func writeManual(g *global, root *cobra.Command, dir string) error {
	date, err := manualDate(os.Getenv("SOURCE_DATE_EPOCH"))
	if err != nil {
		return err
	}
	pages, completion := dir+"/man1", dir+"/completion"
	for _, d := range []string{pages, completion} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			return err
		}
	}
	header := &doc.GenManHeader{Title: "SSHFS-BRIDGE", Section: "1", Manual: "sshfs-bridge", Source: "sshfs-bridge " + buildVersion().Version, Date: &date}
	if err := doc.GenManTree(root, header, pages); err != nil {
		return fmt.Errorf("write the man pages: %w", err)
	}
	for _, shell := range []struct {
		name  string
		write func(file string) error
	}{
		{"bash", func(f string) error { return root.GenBashCompletionFileV2(f, true) }},
		{"zsh", root.GenZshCompletionFile},
		{"fish", func(f string) error { return root.GenFishCompletionFile(f, true) }},
	} {
		if err := shell.write(completion + "/sshfs-bridge." + shell.name); err != nil {
			return fmt.Errorf("write the completion for %s: %w", shell.name, err)
		}
	}
	g.notef("written to %s\n", dir)
	return nil
}

// manualDate is the date of the pages: never today's, so that they can be
// reproduced.
func manualDate(epoch string) (time.Time, error) {
	if epoch != "" {
		n, err := strconv.ParseInt(epoch, 10, 64)
		if err != nil {
			return time.Time{}, &usageError{fmt.Errorf("SOURCE_DATE_EPOCH: %q is not a number of seconds", epoch)}
		}
		return time.Unix(n, 0).UTC(), nil
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if t, err := time.Parse(time.RFC3339, s.Value); s.Key == "vcs.time" && err == nil {
				return t.UTC(), nil
			}
		}
	}
	return time.Date(2026, time.January, 1, 0, 0, 0, 0, time.UTC), nil
}

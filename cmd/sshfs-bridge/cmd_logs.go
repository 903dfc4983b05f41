package main

import (
	"context"
	"fmt"
	"sort"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"sshfs-bridge/bridge/api"
	"sshfs-bridge/bridge/client"
)

func newLogsCommand(g *global) *cobra.Command {
	var o client.LogOptions
	c := &cobra.Command{
		Use:   "logs [NAME]",
		Short: "Show the log of the supervisor, the workers and smbd",
		Example: `  sshfs-bridge logs
  sshfs-bridge logs -f media
  sshfs-bridge logs --level warn --json`,
		Args:              args(cobra.MaximumNArgs(1)),
		ValidArgsFunction: g.mountNames,
		RunE: func(c *cobra.Command, names []string) error {
			if len(names) > 0 {
				o.Mount = names[0]
			}
			return stopped(c.Context(), g.client().Logs(c.Context(), o, g.printRecord))
		},
	}
	f := c.Flags()
	f.BoolVarP(&o.Follow, "follow", "f", false, "go on with what comes")
	f.StringVar(&o.Level, "level", "", "this level and above: debug, info, warn, error")
	f.IntVarP(&o.Lines, "lines", "n", 0, "the last N only (default all that are kept)")
	return c
}

// stopped makes the end by Ctrl-C an orderly one.
func stopped(ctx context.Context, err error) error {
	if ctx.Err() == nil {
		return err
	}
	return nil
}

func (g *global) printRecord(r api.LogRecord) error {
	if g.json {
		return g.printLine(r)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s %-5s", r.Time.Local().Format(time.DateTime), r.Level)
	if r.Mount != "" {
		fmt.Fprintf(&b, " %s:", r.Mount)
	}
	fmt.Fprintf(&b, " %s", r.Message)
	keys := make([]string, 0, len(r.Attrs))
	for k := range r.Attrs {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	for _, k := range keys {
		v := fmt.Sprint(r.Attrs[k])
		if v == "" || strings.ContainsAny(v, " \t\n\"=") {
			v = fmt.Sprintf("%q", v)
		}
		fmt.Fprintf(&b, " %s=%s", k, v)
	}
	_, err := fmt.Fprintln(g.stdout, b.String())
	return err
}

func newEventsCommand(g *global) *cobra.Command {
	var follow bool
	c := &cobra.Command{
		Use:   "events [NAME]",
		Short: "Show what happens, as it happens",
		Long: `events prints each change of state as it happens, until it is stopped. With
--json each line is one event.`,
		Example:           "  sshfs-bridge events\n  sshfs-bridge events media --json",
		Args:              args(cobra.MaximumNArgs(1)),
		ValidArgsFunction: g.mountNames,
		RunE: func(c *cobra.Command, names []string) error {
			mount := ""
			if len(names) > 0 {
				mount = names[0]
			}
			return stopped(c.Context(), g.client().Events(c.Context(), mount, g.printEvent))
		},
	}
	c.Flags().BoolVarP(&follow, "follow", "f", true, "go on with what comes (it always does)")
	return c
}

func (g *global) printEvent(e api.Event) error {
	if g.json {
		return g.printLine(e)
	}
	parts := []string{e.Time.Local().Format(time.DateTime), string(e.Kind)}
	if e.Mount != "" {
		parts = append(parts, e.Mount)
	}
	if e.State != "" {
		parts = append(parts, string(e.Previous)+" -> "+string(e.State))
	}
	if e.Question != nil && e.Question.Prompt != "" {
		parts = append(parts, e.Question.Prompt)
	}
	for _, s := range []string{e.Message, e.Cause} {
		if s != "" {
			parts = append(parts, s)
		}
	}
	_, err := fmt.Fprintln(g.stdout, strings.Join(parts, "  "))
	return err
}

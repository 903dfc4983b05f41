package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"sshfs-bridge/bridge/api"
)

type statusOptions struct {
	watch bool
	every time.Duration
}

func newStatusCommand(g *global) *cobra.Command {
	var o statusOptions
	c := &cobra.Command{
		Use:   "status [NAME]",
		Short: "Show how everything is",
		Long: `status shows smbd and every mount, and what to do where something is wrong:

  STATE     up, idle, degraded, needs-login, ... (see docs/cli.md)
  SINCE     how long it has been in that state
  RTT       round-trip time to the server
  READING   what programs read during the last second, WRITING what they wrote
  HITS      reads that memory answered
  WAITING   operations without an answer yet, and since when the first one waits
  PENDING   written and not yet acknowledged by the server
  KEPT      file data in memory

EXIT STATUS
  0  everything is as it should be
  4  no supervisor answers
  5  smbd does not answer, or a mount is neither up nor idle`,
		Example:           "  sshfs-bridge status\n  sshfs-bridge status media --json\n  sshfs-bridge status --watch",
		Args:              args(cobra.MaximumNArgs(1)),
		ValidArgsFunction: g.mountNames,
		RunE:              func(c *cobra.Command, names []string) error { return runStatus(c.Context(), g, o, names) },
	}
	c.Flags().BoolVarP(&o.watch, "watch", "w", false, "show it again and again, in place")
	c.Flags().DurationVar(&o.every, "interval", time.Second, "pause between two looks with --watch")
	return c
}

func runStatus(ctx context.Context, g *global, o statusOptions, names []string) error {
	if !o.watch {
		st, err := g.status(ctx, names)
		if err != nil {
			return err
		}
		if g.json {
			err = g.printJSON(st)
		} else {
			err = showStatus(g.stdout, st, time.Now(), colourful(g.stdout))
		}
		if err == nil && st.Degraded() {
			err = &codeError{code: exitDegraded}
		}
		return err
	}
	return g.watchStatus(ctx, o, names)
}

// status is the whole, or with one mount only.
func (g *global) status(ctx context.Context, names []string) (api.Status, error) {
	st, err := g.client().Status(ctx)
	if err != nil || len(names) == 0 {
		return st, err
	}
	m, err := g.client().MountStatus(ctx, names[0])
	st.Mounts = []api.MountStatus{m}
	return st, err
}

// showStatus writes the status for people, as of now.
func showStatus(w io.Writer, st api.Status, now time.Time, colours bool) error {
	fmt.Fprintf(w, "supervisor  up %s, pid %d, version %s\n", ago(st.Since, now), st.PID, st.Version)
	fmt.Fprintf(w, "smbd        %s%s\n", smbLine(st.SMB, now), cause(st.SMB.Cause))
	if len(st.SMB.Refused) > 0 {
		fmt.Fprintf(w, "refused     %s: clients that smb.hosts_allow does not let in\n", strings.Join(st.SMB.Refused, ", "))
	}
	for _, p := range st.Problems {
		if p == st.SMB.Cause { // told in the line above
			continue
		}
		fmt.Fprintf(w, "problem     %s\n", p)
	}
	if len(st.Mounts) == 0 {
		fmt.Fprintf(w, "mounts      none: add one with `sshfs-bridge mount [USER@]HOST[:PATH]`\n")
		return nil
	}
	paint := painter(colours)
	rows := [][]string{{"\nNAME", paint("STATE", plain), "SINCE", "RTT", "READING", "WRITING", "HITS", "WAITING", "PENDING", "KEPT", "RESTARTS", "REMOTE"}}
	for _, m := range st.Mounts {
		row := []string{m.Name, paint(string(m.State), stateColour(m.State)), ago(m.Since, now)}
		rows = append(rows, append(append(row, traffic(m.Traffic)...), fmt.Sprint(m.Restarts), m.Remote))
	}
	if err := table(w, rows); err != nil {
		return err
	}
	for _, m := range st.Mounts {
		for _, l := range advice(m, now) {
			fmt.Fprintf(w, "%s: %s\n", m.Name, l)
		}
	}
	return nil
}

func smbLine(s api.SMBStatus, now time.Time) string {
	ports := strings.Trim(strings.ReplaceAll(fmt.Sprint(s.Ports), " ", ", "), "[]")
	if s.State == "off" {
		return "off"
	}
	line := fmt.Sprintf("%s %s, port %s, published as %s:%d, login %s", s.State, ago(s.Since, now), ports, s.PublishedHost, s.PublishedPort, s.Auth)
	if s.Restarts > 0 {
		line += fmt.Sprintf(", %d restarts", s.Restarts)
	}
	return line
}

func cause(c string) string {
	if c == "" {
		return ""
	}
	return ": " + c
}

// traffic are the columns of what a worker counted, as of now.
func traffic(t *api.TrafficStats) []string {
	if t == nil { // the worker is being started, or does not answer
		return []string{"-", "-", "-", "-", "-", "-", "-"}
	}
	hits := "-"
	if n := t.CacheHits + t.CacheMisses; n > 0 {
		hits = fmt.Sprintf("%d%%", 100*t.CacheHits/n)
	}
	rtt := "-"
	if t.RTTSeconds > 0 {
		rtt = seconds(t.RTTSeconds).Round(10 * time.Microsecond).String()
	}
	waiting := "-"
	if t.Waiting > 0 {
		waiting = fmt.Sprint(t.Waiting)
		if oldest := seconds(t.OldestWaitSeconds); oldest >= time.Second {
			waiting += " (" + short(oldest) + ")"
		}
	}
	return []string{rtt, rate(t.ReadRate), rate(t.WriteRate), hits, waiting, size(t.PendingBytes), size(t.CacheBytes)}
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// rate is bytes a second for people, "-" where nothing moves.
func rate(n float64) string {
	if n < 1 {
		return "-"
	}
	return size(uint64(n)) + "/s"
}

// lastErrorFor is how long an error that is over is still told.
const lastErrorFor = time.Hour

// advice says why a mount is not up and what to do.
func advice(m api.MountStatus, now time.Time) []string {
	var out []string
	if m.Cause != "" {
		out = append(out, m.Cause)
	}
	switch {
	case m.State == api.StateNeedsLogin:
		out = append(out, "run `sshfs-bridge login "+m.Name+"` on a terminal")
	case m.State == api.StateDown:
		out = append(out, "when that is mended, run `sshfs-bridge login "+m.Name+"`")
	case m.NextAttempt != nil:
		out = append(out, fmt.Sprintf("attempt %d in %s", m.Attempts+1, short(m.NextAttempt.Sub(now))))
	}
	if t := m.Traffic; t != nil && t.OldestWaitSeconds >= 5 {
		out = append(out, fmt.Sprintf("an operation has been waiting for %s", short(seconds(t.OldestWaitSeconds))))
	}
	if at := m.LastErrorAt; m.Cause == "" && at != nil && now.Sub(*at) < lastErrorFor {
		out = append(out, fmt.Sprintf("last error, %s ago: %s", ago(*at, now), m.LastError))
	}
	return out
}

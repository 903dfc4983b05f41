package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

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
		Long: `status shows smbd and every mount: state, since when, round-trip time, traffic,
and what to do where something is wrong.

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
	st, err := g.status(ctx, names)
	if err != nil {
		return err
	}
	if !o.watch {
		if err := g.showStatus(g.stdout, st, nil, 0); err != nil {
			return err
		}
		if st.Degraded() {
			return &codeError{code: exitDegraded}
		}
		return nil
	}
	tick := time.NewTicker(max(o.every, 100*time.Millisecond))
	defer tick.Stop()
	var before *api.Status
	for lines := 0; ; {
		var b bytes.Buffer
		if err := g.showStatus(&b, st, before, o.every); err != nil {
			return err
		}
		if !g.json && lines > 0 && isTerminal(g.stdout) {
			g.printf("\x1b[%dA\x1b[J", lines)
		}
		g.printf("%s", b.String())
		lines = bytes.Count(b.Bytes(), []byte("\n"))
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
		last := st
		before = &last
		if st, err = g.status(ctx, names); err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
	}
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

func (g *global) showStatus(w io.Writer, st api.Status, before *api.Status, every time.Duration) error {
	if g.json {
		return g.printJSON(st)
	}
	now := time.Now()
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
	rows := [][]string{{"\nNAME", "STATE", "SINCE", "RTT", "READ", "WRITTEN", "PENDING", "CACHE", "RESTARTS", "REMOTE"}}
	for _, m := range st.Mounts {
		rows = append(rows, append([]string{m.Name, string(m.State), ago(m.Since, now)}, append(traffic(m, before, every), fmt.Sprint(m.Restarts), m.Remote)...))
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

// traffic are the columns of a mount's counters: totals, or what went through
// since the last look.
func traffic(m api.MountStatus, before *api.Status, every time.Duration) []string {
	t := m.Traffic
	if t == nil {
		return []string{"-", "-", "-", "-", "-"}
	}
	read, written := size(t.ReadBytes), size(t.WriteBytes)
	if before != nil && every > 0 {
		for _, b := range before.Mounts {
			if b.Name == m.Name && b.Traffic != nil && t.ReadBytes >= b.Traffic.ReadBytes && t.WriteBytes >= b.Traffic.WriteBytes {
				read = rate(t.ReadBytes-b.Traffic.ReadBytes, every)
				written = rate(t.WriteBytes-b.Traffic.WriteBytes, every)
			}
		}
	}
	hits := "-"
	if n := t.CacheHits + t.CacheMisses; n > 0 {
		hits = fmt.Sprintf("%d%%", 100*t.CacheHits/n)
	}
	rtt := "-"
	if t.RTTSeconds > 0 {
		rtt = time.Duration(t.RTTSeconds * float64(time.Second)).Round(10 * time.Microsecond).String()
	}
	return []string{rtt, read, written, size(t.PendingBytes), hits}
}

func rate(n uint64, every time.Duration) string {
	return size(uint64(float64(n)/every.Seconds())) + "/s"
}

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
	return out
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

package bench

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// targets are what we want to reach (the unit is the work's), by work and
// round-trip time in ms. At 0 ms the target is to be ahead of every rival.
var targets = map[string]map[float64]float64{
	"read":      {20: 250, 100: 150},
	"write":     {20: 200, 100: 100},
	"walk":      {20: 6000, 100: 2000},
	"create":    {20: 24, 100: 4.8},
	"untar":     {20: 24},
	"smallread": {20: 200, 100: 60},
	"random":    {20: 48},
	"copy":      {20: 500},
	"get":       {20: 1},
	"list":      {20: 1},
	"mget":      {20: 3},
	"mput":      {20: 9},
}

// tables are the results in Markdown, as docs/performance.md has them: one table a
// round-trip time, a line a work, a column a system, then what we are beside each
// rival (more than 1: we are faster) and beside the target.
func (r *report) tables() string {
	var b strings.Builder
	h := r.Host
	fmt.Fprintf(&b, "### Measured %s: %s\n\n", r.Date.UTC().Format("2006-01-02 15:04 MST"), r.Kind)
	item := func(format string, args ...any) { fmt.Fprintf(&b, "- "+format+"\n", args...) }
	item("%d x %s, %d MB, Linux %s", h.CPUs, h.CPU, h.MemoryMB, h.Kernel)
	item("scale %v, median of %d, at most %v each (~: cut short, and measured once)", r.Settings.Scale, r.Rounds, r.Settings.Limit)
	if r.Settings.Warm {
		item("the server has its files in memory")
	}
	for _, s := range r.systems {
		item("%s: %s", s, r.Programs[s])
	}
	if len(r.Absent) > 0 {
		item("left out, as not installed or not asked for: %s", strings.Join(r.Absent, ", "))
	}
	for _, l := range r.Loads {
		item("%s", l)
	}
	for _, l := range r.Links {
		item("%s", l)
	}
	for _, f := range r.failures() {
		first, _, _ := strings.Cut(f, "\n")
		item("failed: %s", first)
	}
	for _, rtt := range r.Settings.RTTs {
		b.WriteString("\n" + r.table(rtt) + "\n" + r.cost(rtt))
	}
	return b.String()
}

// cost is what the processes that serve used: processor time for one file, read or
// megabyte (for the whole work, where that is what is timed), what ours is beside
// each rival's (less than 1: we use less; more than sshfs's is named), and the largest
// memory in any of them.
func (r *report) cost(rtt float64) string {
	var b strings.Builder
	fmt.Fprintf(&b, "| %v ms, processor time of what serves | unit |", rtt)
	var served []string
	for _, s := range r.systems {
		if s != local {
			served = append(served, s)
			fmt.Fprintf(&b, " %s |", s)
		}
	}
	rivals := r.rivals()
	for _, s := range rivals {
		fmt.Fprintf(&b, " us / %s |", s)
	}
	b.WriteString("\n|---|---|" + strings.Repeat("---:|", len(served)+len(rivals)) + "\n")
	peak := map[string]float64{}
	for _, name := range r.works(rtt) {
		title, unit := r.title(rtt, name)
		fmt.Fprintf(&b, "| %s | %s |", title, costUnit(unit))
		for _, s := range served {
			c := r.find(rtt, name, s)
			if c == nil || len(c.CPU) == 0 {
				b.WriteString(" |")
				continue
			}
			fmt.Fprintf(&b, " %s |", figure(c.cost()))
			peak[s] = max(peak[s], c.PeakMiB)
		}
		for _, s := range rivals {
			text := ""
			if ours, rival := r.find(rtt, name, us), r.find(rtt, name, s); ours != nil && rival != nil && rival.cost() > 0 {
				v := ours.cost() / rival.cost()
				if text = figure(v); s == sshfs && v > 1 {
					text += " (more)"
				}
			}
			fmt.Fprintf(&b, " %s |", text)
		}
		b.WriteString("\n")
	}
	b.WriteString("| largest memory of all | MiB |")
	for _, s := range served {
		fmt.Fprintf(&b, " %.0f |", peak[s])
	}
	return b.String() + strings.Repeat(" |", len(rivals)) + "\n"
}

// costUnit is the unit of what a work costs, whose rate has that unit.
func costUnit(unit string) string {
	if unit == seconds {
		return seconds
	}
	return "ms/" + strings.TrimSuffix(strings.TrimSuffix(unit, "/s"), "s")
}

func (c *cellReport) cost() float64 {
	if c.Unit == seconds {
		return median(c.CPU)
	}
	return median(c.Cost)
}

func (r *report) table(rtt float64) string {
	var b strings.Builder
	fmt.Fprintf(&b, "| %v ms | unit |", rtt)
	for _, s := range r.systems {
		fmt.Fprintf(&b, " %s |", s)
	}
	rivals := r.rivals()
	for _, s := range rivals {
		fmt.Fprintf(&b, " us / %s |", s)
	}
	b.WriteString(" target |\n|---|---|" + strings.Repeat("---:|", len(r.systems)+len(rivals)+1) + "\n")
	for _, name := range r.works(rtt) {
		ours := r.find(rtt, name, us)
		title, unit := r.title(rtt, name)
		fmt.Fprintf(&b, "| %s | %s |", title, unit)
		for _, s := range r.systems {
			fmt.Fprintf(&b, " %s |", r.find(rtt, name, s).text())
		}
		for _, s := range rivals {
			text := ""
			if v, ok := ratio(ours, r.find(rtt, name, s)); ok {
				text = figure(v)
			}
			fmt.Fprintf(&b, " %s |", text)
		}
		fmt.Fprintf(&b, " %s |\n", r.target(name, rtt))
	}
	return b.String()
}

// rivals are the systems that we are compared with.
func (r *report) rivals() (names []string) {
	for _, s := range r.systems {
		if s != us && s != local {
			names = append(names, s)
		}
	}
	return names
}

func (r *report) works(rtt float64) (names []string) {
	for _, c := range r.Cells {
		if c.RTT == rtt && !slices.Contains(names, c.Work) {
			names = append(names, c.Work)
		}
	}
	return names
}

func (r *report) title(rtt float64, work string) (title, unit string) {
	for _, c := range r.Cells {
		if c.RTT == rtt && c.Work == work {
			return c.Title, c.Unit
		}
	}
	return "", ""
}

func (c *cellReport) text() string {
	switch {
	case c == nil:
		return ""
	case len(c.Values) == 0:
		return "failed"
	case c.Partial:
		return "~" + figure(c.Median)
	}
	return figure(c.Median)
}

// ratio is how many times as fast as a rival we are; ok: both have a figure.
func ratio(ours, rival *cellReport) (v float64, ok bool) {
	if ours == nil || rival == nil || len(ours.Values) == 0 || len(rival.Values) == 0 {
		return 0, false
	}
	if ours.Unit == seconds {
		return rival.Median / ours.Median, true
	}
	return ours.Median / rival.Median, true
}

// target is what we want of a work, and whether we are short of it.
func (r *report) target(work string, rtt float64) string {
	ours := r.find(rtt, work, us)
	if ours == nil || len(ours.Values) == 0 {
		return ""
	}
	want, ok := targets[work][rtt]
	text, met := "", true
	switch {
	case rtt == 0:
		text = "ahead"
		for _, s := range r.rivals() {
			v, ok := ratio(ours, r.find(rtt, work, s))
			met = met && (!ok || v > 1)
		}
	case !ok:
	case ours.Unit == seconds:
		text, met = "<= "+figure(want), ours.Median <= want
	default:
		text, met = ">= "+figure(want), ours.Median >= want
	}
	if !met {
		text += " (short)"
	}
	return text
}

// figure shows three digits.
func figure(v float64) string {
	switch {
	case v >= 100:
		return strconv.FormatFloat(v, 'f', 0, 64)
	case v >= 10:
		return strconv.FormatFloat(v, 'f', 1, 64)
	}
	return strconv.FormatFloat(v, 'f', 2, 64)
}

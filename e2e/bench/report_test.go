package bench

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// report is what one run of the program measured; its JSON is the file below out/.
type report struct {
	Kind     string            `json:"kind"`
	Date     time.Time         `json:"date"`
	Host     hostInfo          `json:"host"`
	Settings settings          `json:"settings"`
	Rounds   int               `json:"rounds"`
	Programs map[string]string `json:"programs"`
	Absent   []string          `json:"not_installed"`
	Loads    []loadInfo        `json:"load"`
	Links    []linkInfo        `json:"link"`
	Cells    []*cellReport     `json:"cells"`
	systems  []string
}

type hostInfo struct {
	CPU      string `json:"cpu"`
	CPUs     int    `json:"cpus"`
	MemoryMB int64  `json:"memory_mb"`
	Kernel   string `json:"kernel"`
}

// loadInfo is how busy the machine was at a moment when we did nothing.
type loadInfo struct {
	When string  `json:"when"`
	Avg1 float64 `json:"load_avg_1"`
	// Busy is the part of all processors that others used for a second.
	Busy float64 `json:"busy"`
}

// linkInfo is what a bare round trip through the proxy took, with nothing but an
// echo behind it: what the harness itself adds to the time that was asked for.
type linkInfo struct {
	RTT    float64 `json:"rtt_ms"`
	Median float64 `json:"median_ms"`
	P90    float64 `json:"p90_ms"`
}

// cellReport has one value a run. Values are rates, or seconds where the unit is s.
type cellReport struct {
	RTT     float64   `json:"rtt_ms"`
	Work    string    `json:"work"`
	Title   string    `json:"title"`
	Unit    string    `json:"unit"`
	System  string    `json:"system"`
	Values  []float64 `json:"values"`
	Median  float64   `json:"median"`
	Partial bool      `json:"partial"` // the time was up first; the rate is that of the part done
	CPU     []float64 `json:"cpu_seconds"`
	// Cost is CPU for one of the unit, in milliseconds: works that were cut short
	// can be compared.
	Cost    []float64 `json:"cpu_ms_per_unit"`
	PeakMiB float64   `json:"peak_rss_mib"`
	Errors  []string  `json:"errors,omitempty"`
}

func newReport(kind string, set settings, found []system, absent []string) *report {
	r := &report{Kind: kind, Date: time.Now().Truncate(time.Second), Host: thisHost(), Settings: set, Programs: map[string]string{}, Absent: absent}
	for _, s := range found {
		r.Programs[s.name] = s.version
		r.systems = append(r.systems, s.name)
	}
	return r
}

func thisHost() hostInfo {
	h := hostInfo{CPUs: runtime.NumCPU()}
	info, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(info)) {
		if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == "model name" {
			h.CPU = strings.TrimSpace(value)
			break
		}
	}
	var u unix.Utsname
	if unix.Uname(&u) == nil {
		h.Kernel = unix.ByteSliceToString(u.Release[:])
	}
	var s unix.Sysinfo_t
	if unix.Sysinfo(&s) == nil {
		h.MemoryMB = int64(s.Totalram) * int64(s.Unit) >> 20
	}
	return h
}

// noteLoad looks how busy the machine is.
func (r *report) noteLoad(when string) {
	l := loadInfo{When: when}
	avg, _ := os.ReadFile("/proc/loadavg")
	if f := strings.Fields(string(avg)); len(f) > 0 {
		l.Avg1, _ = strconv.ParseFloat(f[0], 64)
	}
	busy, all := cpuTimes()
	<-time.After(time.Second) // real time: over which the load is measured
	busy2, all2 := cpuTimes()
	l.Busy = math.Round(100*(busy2-busy)/max(1, all2-all)) / 100
	r.Loads = append(r.Loads, l)
	r.progress("%s", l)
}

func (l loadInfo) String() string {
	return fmt.Sprintf("load %s: average %.2f, %.0f %% busy with other things", l.When, l.Avg1, 100*l.Busy)
}

// noteLink takes in round trips of the link.
func (r *report) noteLink(rtt float64, took []time.Duration) {
	if len(took) == 0 {
		return
	}
	slices.Sort(took)
	ms := func(d time.Duration) float64 { return math.Round(100*d.Seconds()*1000) / 100 }
	l := linkInfo{rtt, ms(took[len(took)/2]), ms(took[len(took)*9/10])}
	r.Links = append(r.Links, l)
	r.progress("%s", l)
}

func (l linkInfo) String() string {
	return fmt.Sprintf("link of %v ms: a bare round trip takes %.2f ms, one in ten %.2f or more", l.RTT, l.Median, l.P90)
}

// cpuTimes are the busy and the whole processor time since boot, in ticks.
func cpuTimes() (busy, all float64) {
	data, _ := os.ReadFile("/proc/stat")
	first, _, _ := strings.Cut(string(data), "\n")
	for i, f := range strings.Fields(first) {
		v, err := strconv.ParseFloat(f, 64)
		if err != nil || i > 8 {
			continue // "cpu"; guest times are part of the others
		}
		if all += v; i != 4 && i != 5 { // idle, iowait
			busy += v
		}
	}
	return busy, all
}

// add puts a measurement into its cell.
func (r *report) add(rtt float64, w work, system string, m measurement) {
	c := r.find(rtt, w.name, system)
	if c == nil {
		size := strconv.Itoa(r.Settings.large() >> 20)
		c = &cellReport{RTT: rtt, Work: w.name, Title: strings.ReplaceAll(w.title, "%", size+" "), Unit: w.unit, System: system}
		r.Cells = append(r.Cells, c)
	}
	if m.err != nil {
		c.Errors = append(c.Errors, m.err.Error())
		return
	}
	value := m.rate()
	if w.unit == seconds {
		value = m.elapsed.Seconds()
	}
	c.Values = append(c.Values, value)
	c.Median = median(c.Values)
	c.CPU = append(c.CPU, m.cpu.Seconds())
	c.Cost = append(c.Cost, 1000*m.cpu.Seconds()/max(m.amount, 1e-9))
	c.PeakMiB = max(c.PeakMiB, math.Round(float64(m.peak)/(1<<20)))
	c.Partial = c.Partial || m.partial
}

// seconds is the unit of works whose time itself is the figure.
const seconds = "s"

func (r *report) find(rtt float64, work, system string) *cellReport {
	for _, c := range r.Cells {
		if c.RTT == rtt && c.Work == work && c.System == system {
			return c
		}
	}
	return nil
}

func (r *report) progress(format string, args ...any) {
	fmt.Fprintf(os.Stderr, format+"\n", args...)
}

// failures are the cells without a figure in some run.
func (r *report) failures() (all []string) {
	for _, c := range r.Cells {
		for _, e := range c.Errors {
			all = append(all, fmt.Sprintf("%s on %s at %v ms: %s", c.Work, c.System, c.RTT, e))
		}
	}
	return all
}

// finish prints the tables, writes the file, and returns its name.
func (r *report) finish(tb testing.TB) (path string) {
	tb.Helper()
	fmt.Printf("\n%s\n", r.tables())
	if r.Settings.out == "" {
		return ""
	}
	data, err := json.MarshalIndent(r, "", "  ")
	must(tb, err)
	must(tb, os.MkdirAll(r.Settings.out, 0o755))
	path = filepath.Join(r.Settings.out, "bench-"+r.Kind+"-"+r.Date.Format("20060102-150405")+".json")
	must(tb, os.WriteFile(path, append(data, '\n'), 0o644))
	fmt.Println(path)
	return path
}

func median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	s := slices.Sorted(slices.Values(values))
	if n := len(s); n%2 == 0 {
		return (s[n/2-1] + s[n/2]) / 2
	}
	return s[len(s)/2]
}

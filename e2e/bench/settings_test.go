package bench

import (
	"math"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

// settings say what is measured. Each has an environment variable:
//
//	BENCH_RTT      round-trip times in ms, such as 0,20,100
//	BENCH_RUNS     measurements of each cell; one that its limit cut short is not repeated
//	BENCH_LIMIT    seconds that one measurement may take
//	BENCH_MINUTES  no further round begins that would end later; 0: no such bound
//	BENCH_SETTLE   seconds between a mount and its work
//	BENCH_SCALE    sizes and numbers of files, as a part of the full ones
//	BENCH_SYSTEMS  names of systems; empty: all that are installed
//	BENCH_WORKS    names of works; empty: all
//	BENCH_SERVER   warm: the server has its files in memory, so that its disk has no part
//	BENCH_OUT      directory of the JSON file; empty: none is written
//	BENCH_BINARY   the program to measure; empty: it is built
type settings struct {
	RTTs    []float64     `json:"rtt_ms"`
	Runs    int           `json:"runs"`
	Limit   time.Duration `json:"limit_ns"`
	Whole   time.Duration `json:"whole_ns"`
	Settle  time.Duration `json:"settle_ns"`
	Scale   float64       `json:"scale"`
	Systems []string      `json:"systems,omitempty"`
	Works   []string      `json:"works,omitempty"`
	Warm    bool          `json:"server_warm"`
	out     string
	keep    bool // one mount for all works, and no dropping of caches: nothing is cold
}

// Sizes of the full run.
const (
	fullLarge  = 128 << 20
	fullLeaves = 30 // files in each of the 100 directories of the tree
	treeFan    = 10
	fullMany   = 300 // small files that are read, or got through SMB
	fullNew    = 100 // small files that are written, unpacked, or put
	fullRandom = 100
	smallSize  = 4096
)

func (s settings) large() int  { return max(1<<20, int(s.Scale*fullLarge)) &^ (1<<20 - 1) }
func (s settings) many() int   { return s.count(fullMany) }
func (s settings) fresh() int  { return s.count(fullNew) }
func (s settings) random() int { return s.count(fullRandom) }
func (s settings) leaves() int { return s.count(fullLeaves) }

// fan is how many directories a directory of the tree has: 111 in all at 10.
func (s settings) fan() int { return max(2, int(math.Round(treeFan*math.Sqrt(min(1, s.Scale))))) }

func (s settings) count(full int) int { return max(3, int(math.Round(s.Scale*float64(full)))) }

// tiny are the settings of the tests: a few seconds in all, and everybody's caches
// stay.
func tiny() settings {
	return settings{RTTs: []float64{2}, Runs: 1, Limit: 20 * time.Second, Scale: 0.01, keep: true}
}

// fullSettings are those of a benchmark, as the environment wants them.
func fullSettings(tb testing.TB, defaults settings) settings {
	tb.Helper()
	s := defaults
	s.Runs, s.Settle, s.Scale, s.out = 3, 2*time.Second, 1, os.Getenv("BENCH_OUT")
	number := func(name, text string) float64 {
		v, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
		if err != nil || v < 0 {
			tb.Fatalf("%s=%q: want a number", name, text)
		}
		return v
	}
	if v := os.Getenv("BENCH_RTT"); v != "" {
		s.RTTs = nil
		for part := range strings.SplitSeq(v, ",") {
			s.RTTs = append(s.RTTs, number("BENCH_RTT", part))
		}
	}
	if v := os.Getenv("BENCH_RUNS"); v != "" {
		s.Runs = max(1, int(number("BENCH_RUNS", v)))
	}
	if v := os.Getenv("BENCH_LIMIT"); v != "" {
		s.Limit = time.Duration(number("BENCH_LIMIT", v) * float64(time.Second))
	}
	if v := os.Getenv("BENCH_MINUTES"); v != "" {
		s.Whole = time.Duration(number("BENCH_MINUTES", v) * float64(time.Minute))
	}
	if v := os.Getenv("BENCH_SETTLE"); v != "" {
		s.Settle = time.Duration(number("BENCH_SETTLE", v) * float64(time.Second))
	}
	if v := os.Getenv("BENCH_SCALE"); v != "" {
		s.Scale = number("BENCH_SCALE", v)
	}
	s.Warm = os.Getenv("BENCH_SERVER") == "warm"
	names := func(name string) []string {
		return strings.FieldsFunc(os.Getenv(name), func(r rune) bool { return r == ',' })
	}
	s.Systems, s.Works = names("BENCH_SYSTEMS"), names("BENCH_WORKS")
	return s
}

package bench

import (
	"context"
	"encoding/json"
	"os"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"sshfs-bridge/e2e/testenv"
)

// BenchmarkMounts is `make bench`. Run it with -benchtime 1x.
func BenchmarkMounts(b *testing.B) {
	testenv.Require(b, "root", "fuse", "sshd")
	set := fullSettings(b, settings{RTTs: []float64{0, 20, 100}, Limit: 4 * time.Second, Whole: 15 * time.Minute})
	r := measureAll(b, "mounts", set, mountWorks(), mountSystems(bridgeBinary(b)))
	r.finish(b)
	b.ReportMetric(0, "ns/op") // the tables are the result
}

// The benchmark works, on every line.
func TestMountsTiny(t *testing.T) {
	testenv.Require(t, "root", "fuse", "sshd", "sshfs")
	set := tiny()
	set.Systems = []string{local, sshfs, us} // rclone takes its time
	r := measureAll(t, "mounts", set, mountWorks(), mountSystems(bridgeBinary(t)))
	for _, f := range r.failures() {
		t.Error(f)
	}
	for _, w := range mountWorks() {
		for _, s := range set.Systems {
			if c := r.find(set.RTTs[0], w.name, s); c == nil || c.Median <= 0 || c.Partial || s != local && c.CPU[0] <= 0 {
				t.Errorf("%s on %s: %+v", w.name, s, c)
			}
		}
	}
	t.Logf("\n%s", r.tables())
}

// One work on every system as `make bench` has it: each figure with a mount of its own
// and no caches, and all of it in the file.
func TestMountsCold(t *testing.T) {
	testenv.Require(t, "root", "fuse", "sshd", "sshfs", "rclone")
	set := tiny()
	set.keep, set.Runs, set.Works, set.out = false, 2, []string{"write"}, t.TempDir()
	systems, opened := mountSystems(bridgeBinary(t)), map[string]int{}
	for i, s := range systems {
		systems[i].open = func(ctx context.Context, l *link) (*mount, error) {
			opened[s.name]++
			return s.open(ctx, l)
		}
	}
	drops := cacheDrops(t)
	r := measureAll(t, "mounts", set, mountWorks(), systems)
	if got, want := cacheDrops(t)-drops, set.Runs*len(systems); got < want {
		t.Errorf("the caches were dropped %d times for %d measurements", got, want)
	}
	for _, f := range r.failures() {
		t.Error(f)
	}
	for _, s := range systems {
		if c := r.find(set.RTTs[0], "write", s.name); c == nil || len(c.Values) != set.Runs || opened[s.name] != set.Runs {
			t.Errorf("%s, mounted %d times: %+v", s.name, opened[s.name], c)
		}
	}
	data, err := os.ReadFile(r.finish(t))
	must(t, err)
	var read report
	must(t, json.Unmarshal(data, &read))
	if read.systems = r.systems; read.tables() != r.tables() || !reflect.DeepEqual(read.Cells, r.Cells) {
		t.Errorf("the file holds\n%s", read.tables())
	}
}

// cacheDrops is how often somebody has dropped this machine's caches.
func cacheDrops(tb testing.TB) int {
	tb.Helper()
	data, err := os.ReadFile("/proc/vmstat")
	must(tb, err)
	_, rest, _ := strings.Cut(string(data), "\ndrop_pagecache ")
	number, _, _ := strings.Cut(rest, "\n")
	drops, err := strconv.Atoi(number)
	must(tb, err)
	return drops
}

// The plan: rounds, as many as there is time for, and no second measurement of what
// its limit cut short.
func TestRounds(t *testing.T) {
	testenv.Require(t, "root", "sshd")
	for _, c := range []struct {
		whole  time.Duration
		rounds int
	}{{0, 2}, {time.Nanosecond, 1}} {
		measured := map[string]int{}
		set := tiny()
		set.Runs, set.Whole, set.Systems = 2, c.whole, []string{local}
		counted := func(name string, partial bool) work {
			return work{name: name, unit: "files/s", do: func(c *cell) (float64, error) {
				measured[name]++
				c.partial = partial
				return 1, nil
			}}
		}
		r := measureAll(t, "test", set, []work{counted("whole", false), counted("cut", true)}, mountSystems("sshfs-bridge"))
		if r.Rounds != c.rounds || measured["whole"] != c.rounds || measured["cut"] != 1 {
			t.Errorf("with %v: %d rounds, want %d; measured: %v", c.whole, r.Rounds, c.rounds, measured)
		}
	}
}

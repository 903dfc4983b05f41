package bench

import (
	"errors"
	"strings"
	"testing"
	"time"
)

func TestMedian(t *testing.T) {
	for _, c := range []struct {
		values []float64
		want   float64
	}{{nil, 0}, {[]float64{3}, 3}, {[]float64{5, 1, 3}, 3}, {[]float64{4, 1, 3, 2}, 2.5}} {
		if got := median(c.values); got != c.want {
			t.Errorf("median(%v) = %v, want %v", c.values, got, c.want)
		}
	}
}

// A line says what each system reached, what was cut short or failed, and whether we
// reach the target; where less is better, the ratio is the other way round.
//
// Nothing of it but headings, lists and tables, so that it can be pasted as it is.
func TestTable(t *testing.T) {
	set := settings{RTTs: []float64{20}, Runs: 3, Scale: 1}
	r := newReport("test", set, []system{{name: local}, {name: sshfs}, {name: us}}, nil)
	took := func(amount float64, d time.Duration) measurement {
		return measurement{amount: amount, elapsed: d, cpu: 40 * time.Millisecond, peak: 14 << 20}
	}
	read := work{name: "read", title: "read %MB", unit: "MB/s"}
	for _, rate := range []float64{100, 300, 200} {
		m := took(rate, time.Second)
		m.cpu = time.Duration(2 * rate * float64(time.Millisecond))
		r.add(20, read, us, m)
	}
	partial := took(20, 2*time.Second)
	partial.partial, partial.cpu = true, 80*time.Millisecond
	r.add(20, read, sshfs, partial)
	get := work{name: "get", title: "get", unit: seconds}
	r.add(20, get, sshfs, took(1, 6*time.Second))
	r.add(20, get, us, took(1, 500*time.Millisecond))
	r.add(20, get, local, measurement{err: errors.New("no such thing")})
	want := `| 20 ms | unit | local | sshfs | sshfs-bridge | us / sshfs | target |
|---|---|---:|---:|---:|---:|---:|
| read 128 MB | MB/s |  | ~10.0 | 200 | 20.0 | >= 250 (short) |
| get | s | failed | 6.00 | 0.50 | 12.0 | <= 1.00 |
`
	if got := r.table(20); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	costs := `| 20 ms, processor time of what serves | unit | sshfs | sshfs-bridge | us / sshfs |
|---|---|---:|---:|---:|
| read 128 MB | ms/MB | 4.00 | 2.00 | 0.50 |
| get | s | 0.04 | 0.04 | 1.00 |
| largest memory of all | MiB | 14 | 14 | |
`
	if got := r.cost(20); got != costs {
		t.Errorf("got\n%s\nwant\n%s", got, costs)
	}
	if got := r.tables(); !strings.Contains(got, "\n- failed: get on local at 20 ms: no such thing\n") {
		t.Errorf("no failure in\n%s", got)
	}
	for line := range strings.Lines(r.tables()) {
		if !strings.HasPrefix(line, "### ") && !strings.HasPrefix(line, "- ") && !strings.HasPrefix(line, "|") && line != "\n" {
			t.Errorf("a line that is no Markdown of ours: %q", line)
		}
	}
	if f := r.failures(); len(f) != 1 || !strings.Contains(f[0], "no such thing") {
		t.Errorf("failures: %q", f)
	}
}

// Without a delay, and in processor time, we are measured against the others alone.
func TestTable_besideRivals(t *testing.T) {
	r := newReport("test", settings{RTTs: []float64{0}, Runs: 1, Scale: 1}, []system{{name: sshfs}, {name: rcln}, {name: us}}, nil)
	for _, c := range []struct {
		work  work
		rates [3]float64 // of sshfs, rclone and us
	}{{work{name: "read", title: "read", unit: "MB/s"}, [3]float64{10, 20, 21}}, {work{name: "walk", title: "walk", unit: "files/s"}, [3]float64{10, 20, 20}}} {
		for i, s := range []string{sshfs, rcln, us} {
			r.add(0, c.work, s, measurement{amount: c.rates[i], elapsed: time.Second, cpu: 40 * time.Millisecond, peak: 14 << 20})
		}
	}
	r.find(0, "read", us).Cost[0] *= 4
	want := `| 0 ms | unit | sshfs | rclone | sshfs-bridge | us / sshfs | us / rclone | target |
|---|---|---:|---:|---:|---:|---:|---:|
| read | MB/s | 10.0 | 20.0 | 21.0 | 2.10 | 1.05 | ahead |
| walk | files/s | 10.0 | 20.0 | 20.0 | 2.00 | 1.00 | ahead (short) |
`
	if got := r.table(0); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	costs := `| 0 ms, processor time of what serves | unit | sshfs | rclone | sshfs-bridge | us / sshfs | us / rclone |
|---|---|---:|---:|---:|---:|---:|
| read | ms/MB | 4.00 | 2.00 | 7.62 | 1.90 (more) | 3.81 |
| walk | ms/file | 4.00 | 2.00 | 2.00 | 0.50 | 1.00 |
| largest memory of all | MiB | 14 | 14 | 14 | | |
`
	if got := r.cost(0); got != costs {
		t.Errorf("got\n%s\nwant\n%s", got, costs)
	}
}

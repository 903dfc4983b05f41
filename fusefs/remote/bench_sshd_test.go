package remote_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sshfs-bridge/e2e/testenv"
	"sshfs-bridge/fusefs/remote"
)

// client is one of those that BenchmarkSSHD compares, logged in. All names are the
// server's.
type client interface {
	// read fetches a file and keeps nothing; write stores size bytes as a new file,
	// which the server has when it returns.
	read(b *testing.B, name string, size int)
	write(b *testing.B, name string, size int)
	// readAll fetches all files of a directory, each whole.
	readAll(b *testing.B, dir string, names []string)
	// list gives the number of entries of a directory.
	list(b *testing.B, dir string) int
}

// work is what a client is given to do, and in what its speed is told.
type work struct {
	name, unit string
	files      []string // what it does one after the other on a link, for the table
	prepare    func(b *testing.B, x *real)
	// do does it once, and says how much it was.
	do func(b *testing.B, x *real, c client, who string, rtt time.Duration) float64
}

const (
	benchSize    = 128 << 20
	benchSmall   = 1000
	benchEntries = 10_000
)

func works() []work {
	return []work{
		{"read", "MB/s", []string{"read 128 MB, first file", "read 128 MB, the next"}, func(b *testing.B, x *real) {
			b.Helper()
			check(b, os.WriteFile(x.file("in"), random(1, benchSize), 0o644))
		}, func(b *testing.B, x *real, c client, _ string, _ time.Duration) float64 {
			b.Helper()
			c.read(b, x.file("in"), benchSize)
			return benchSize / 1e6
		}},
		{"write", "MB/s", []string{"write 128 MB and fsync, first file", "write 128 MB and fsync, the next"}, func(*testing.B, *real) {}, func(b *testing.B, x *real, c client, _ string, _ time.Duration) float64 {
			b.Helper()
			c.write(b, x.file("out"), benchSize)
			return benchSize / 1e6
		}},
		{"small", "files/s", []string{"read 1000 small files"}, func(b *testing.B, x *real) { b.Helper(); makeFiles(b, x, benchSmall, 4096) }, smallFiles},
		{"list", "entries/s", []string{"list 10,000 entries"}, func(b *testing.B, x *real) { b.Helper(); makeFiles(b, x, benchEntries, 0) }, func(b *testing.B, x *real, c client, _ string, _ time.Duration) float64 {
			b.Helper()
			if n := c.list(b, x.file("d")); n != benchEntries {
				b.Fatalf("%d entries", n)
			}
			return benchEntries
		}},
	}
}

func fileName(i int) string { return fmt.Sprintf("file-%05d", i) }

func makeFiles(b *testing.B, x *real, n, size int) {
	b.Helper()
	check(b, os.Mkdir(x.file("d"), 0o755))
	for i := range n {
		check(b, os.WriteFile(filepath.Join(x.file("d"), fileName(i)), random(uint64(i), size), 0o644))
	}
}

// smallFiles reads a thousand files. OpenSSH's sftp, which does one step at a time,
// reads as many of them as take some ten seconds.
func smallFiles(b *testing.B, x *real, c client, who string, rtt time.Duration) float64 {
	b.Helper()
	n := benchSmall
	if who == "openssh" && rtt > 0 {
		n = min(n, int(2*time.Second/rtt))
	}
	names := make([]string, n)
	for i := range names {
		names[i] = fileName(i)
	}
	c.readAll(b, x.file("d"), names)
	return float64(n)
}

// BenchmarkSSHD has three clients do the same work with a real sshd, over a way with a
// delay: OpenSSH's sftp, pkg/sftp's client, and us, two seconds after each has
// logged in. It ends with the table of docs/performance.md.
func BenchmarkSSHD(b *testing.B) {
	var table strings.Builder
	for _, rtt := range []time.Duration{0, 20 * time.Millisecond, 100 * time.Millisecond} {
		for _, w := range works() {
			speeds := make(map[string][]float64)
			for _, who := range []struct {
				name string
				dial func(b *testing.B, x *real) client
			}{{"openssh", dialOpenSSH}, {"pkgsftp", dialPkgSFTP}, {"us", dialUs}} {
				b.Run(fmt.Sprintf("%s/rtt=%v/%s", w.name, rtt, who.name), func(b *testing.B) {
					x := newRealAway(b, testenv.SSHDOptions{}, remote.Options{}, rtt)
					w.prepare(b, x)
					c := who.dial(b, x)
					<-time.After(2 * time.Second) // real time: the link is to be as old as a user's, its round trip known
					for b.Loop() {
						var speed []float64
						for range w.files {
							start := time.Now()
							amount := w.do(b, x, c, who.name, rtt)
							speed = append(speed, amount/time.Since(start).Seconds())
						}
						speeds[who.name] = speed
					}
					b.ReportMetric(0, "ns/op")
					b.ReportMetric(speeds[who.name][0], w.unit)
				})
			}
			if len(speeds) == 3 {
				w.rows(&table, rtt, speeds)
			}
		}
	}
	fmt.Printf("\n| round trip | work | `sftp` | pkg/sftp | us | times | aim |\n|---|---|---:|---:|---:|---|---|\n%s\n", table.String())
}

// aims are what this layer shall read and write, in MB/s, by round trip.
var aims = map[time.Duration]float64{20 * time.Millisecond: 350, 100 * time.Millisecond: 200}

// rows writes the work's rows of the table: speeds, how many times as fast as the others
// we are, and what is wanted.
func (w work) rows(table *strings.Builder, rtt time.Duration, speeds map[string][]float64) {
	for i, file := range w.files {
		sftp, pkg, us := speeds["openssh"][i], speeds["pkgsftp"][i], speeds["us"][i]
		aim := ""
		if want, ok := aims[rtt]; ok && w.unit == "MB/s" {
			aim = fmt.Sprintf("%.0f", want)
			if us < want {
				aim += " (short)"
			}
		}
		fmt.Fprintf(table, "| %d ms | %s, %s | %s | %s | %s | %s, %s | %s |\n",
			rtt.Milliseconds(), file, w.unit, figure(sftp), figure(pkg), figure(us), figure(us/sftp), figure(us/pkg), aim)
	}
}

// figure is a number with what can be believed of it.
func figure(v float64) string {
	if v >= 100 {
		return fmt.Sprintf("%.0f", v)
	}
	return fmt.Sprintf("%.2g", v)
}

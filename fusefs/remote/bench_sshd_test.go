package remote_test

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
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
		{"read", "MB/s", func(b *testing.B, x *real) {
			b.Helper()
			check(b, os.WriteFile(x.file("in"), random(1, benchSize), 0o644))
		}, func(b *testing.B, x *real, c client, _ string, _ time.Duration) float64 {
			b.Helper()
			c.read(b, x.file("in"), benchSize)
			return benchSize / 1e6
		}},
		{"write", "MB/s", func(*testing.B, *real) {}, func(b *testing.B, x *real, c client, _ string, _ time.Duration) float64 {
			b.Helper()
			c.write(b, x.file("out"), benchSize)
			return benchSize / 1e6
		}},
		{"small", "files/s", func(b *testing.B, x *real) { b.Helper(); makeFiles(b, x, benchSmall, 4096) }, smallFiles},
		{"list", "entries/s", func(b *testing.B, x *real) { b.Helper(); makeFiles(b, x, benchEntries, 0) }, func(b *testing.B, x *real, c client, _ string, _ time.Duration) float64 {
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
// logged in. Ours tells how many times as fast it is as the others.
func BenchmarkSSHD(b *testing.B) {
	for _, rtt := range []time.Duration{0, 20 * time.Millisecond, 100 * time.Millisecond} {
		for _, w := range works() {
			speeds := make(map[string]float64)
			for _, who := range []struct {
				name string
				dial func(b *testing.B, x *real) client
			}{{"openssh", dialOpenSSH}, {"pkgsftp", dialPkgSFTP}, {"us", dialUs}} {
				b.Run(fmt.Sprintf("%s/rtt=%v/%s", w.name, rtt, who.name), func(b *testing.B) {
					x := newRealAway(b, testenv.SSHDOptions{}, remote.Options{}, rtt)
					w.prepare(b, x)
					c := who.dial(b, x)
					<-time.After(2 * time.Second) // real time: the link is to be as old as a user's, its round trip known
					var all []float64
					for b.Loop() {
						start := time.Now()
						amount := w.do(b, x, c, who.name, rtt)
						all = append(all, amount/time.Since(start).Seconds())
					}
					slices.Sort(all)
					speed := all[len(all)/2]
					speeds[who.name] = speed
					b.ReportMetric(0, "ns/op")
					b.ReportMetric(speed, w.unit)
					if who.name != "us" {
						return
					}
					for name, other := range speeds {
						if name != "us" {
							b.ReportMetric(speed/cmp.Or(other, 1), "x-"+name)
						}
					}
				})
			}
		}
	}
}

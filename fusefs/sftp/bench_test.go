package sftp_test

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	pkgsftp "github.com/pkg/sftp"

	"sshfs-bridge/fusefs/sftp"
)

// The benchmarks run against OpenSSH's sftp-server on pipes, a process of its
// own: the allocations are the client's alone. pkg/sftp's client runs beside ours.

const benchFile = 64 << 20

func benchClient(b *testing.B) (*sftp.Client, string) {
	b.Helper()
	return newClient(b, server{connect: benchConnect()})
}

// benchConnect is sftp-server on pipes, or with BRIDGE_BENCH_SSH a real sshd.
func benchConnect() func(testing.TB, string) io.ReadWriteCloser {
	if os.Getenv("BRIDGE_BENCH_SSH") != "" {
		return connectSSH
	}
	return connectOpenSSH
}

func benchPkgClient(b *testing.B) (*pkgsftp.Client, string) {
	b.Helper()
	dir := b.TempDir()
	conn := benchConnect()(b, dir)
	c, err := pkgsftp.NewClientPipe(conn, conn, pkgsftp.UseConcurrentWrites(true), pkgsftp.MaxPacketUnchecked(255*1024))
	must(b, err)
	b.Cleanup(func() { c.Close() })
	return c, dir
}

// window keeps n requests in flight until all are answered.
func window[T any](b *testing.B, total, n int, start func(i int) *sftp.Call[T]) {
	b.Helper()
	ctx := context.Background()
	flight := make([]*sftp.Call[T], 0, n)
	for i := range total {
		if len(flight) == n {
			if _, err := flight[0].Wait(ctx); err != nil {
				b.Fatal(err)
			}
			flight = append(flight[:0], flight[1:]...)
		}
		flight = append(flight, start(i))
	}
	for _, call := range flight {
		if _, err := call.Wait(ctx); err != nil {
			b.Fatal(err)
		}
	}
}

// cpu reports the client's processor time for an iteration, which a busy machine
// blurs less than the time on the clock. Call it before the loop, and the result
// after.
func cpu(b *testing.B) func() {
	b.Helper()
	used := func() time.Duration {
		var u syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
			b.Fatal(err)
		}
		return time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	before := used()
	return func() { b.ReportMetric(float64((used()-before).Microseconds())/float64(b.N), "cpu-µs/op") }
}

// perRequest reports allocations a request, when an iteration makes many.
func perRequest(b *testing.B, requests int, f func()) {
	b.Helper()
	allocs := testing.AllocsPerRun(3, f)
	b.ReportMetric(allocs/float64(requests), "allocs/request")
}

func BenchmarkRead(b *testing.B) {
	b.Run("client=ours", func(b *testing.B) {
		c, dir := benchClient(b)
		must(b, os.WriteFile(filepath.Join(dir, "f"), randomBytes(benchFile), 0o600))
		h, err := c.Open(b.Context(), "f", sftp.FlagRead, sftp.Attrs{})
		must(b, err)
		step := int(c.Limits().MaxRead)
		const inFlight = 16
		bufs := make([][]byte, inFlight)
		for i := range bufs {
			bufs[i] = make([]byte, step)
		}
		requests := (benchFile + step - 1) / step
		work := func() {
			window(b, requests, inFlight, func(i int) *sftp.Call[int] { return c.StartRead(h, uint64(i*step), bufs[i%inFlight]) })
		}
		b.SetBytes(benchFile)
		report := cpu(b)
		for b.Loop() {
			work()
		}
		report()
		perRequest(b, requests, work)
	})
	b.Run("client=pkg", func(b *testing.B) {
		c, dir := benchPkgClient(b)
		must(b, os.WriteFile(filepath.Join(dir, "f"), randomBytes(benchFile), 0o600))
		buf := make([]byte, benchFile)
		f, err := c.Open(filepath.Join(dir, "f"))
		must(b, err)
		b.SetBytes(benchFile)
		report := cpu(b)
		for b.Loop() {
			if n, err := f.ReadAt(buf, 0); n != benchFile {
				b.Fatal(n, err)
			}
		}
		report()
		f.Close()
	})
}

func BenchmarkWrite(b *testing.B) {
	data := randomBytes(benchFile)
	for _, direct := range []bool{false, true} {
		b.Run(fmt.Sprintf("client=ours/direct=%v", direct), func(b *testing.B) {
			c, _ := benchClient(b)
			h, err := c.Open(b.Context(), "f", sftp.FlagWrite|sftp.FlagCreate, sftp.Attrs{})
			must(b, err)
			step := int(c.Limits().MaxWrite)
			start := c.StartWrite
			if direct {
				start = c.StartWriteDirect
			}
			requests := (benchFile + step - 1) / step
			work := func() {
				window(b, requests, 16, func(i int) *sftp.Call[struct{}] {
					return start(h, uint64(i*step), data[i*step:min((i+1)*step, benchFile)])
				})
			}
			b.SetBytes(benchFile)
			report := cpu(b)
			for b.Loop() {
				work()
			}
			report()
			perRequest(b, requests, work)
		})
	}
	b.Run("client=pkg", func(b *testing.B) {
		c, dir := benchPkgClient(b)
		f, err := c.Create(filepath.Join(dir, "f"))
		must(b, err)
		b.SetBytes(benchFile)
		report := cpu(b)
		for b.Loop() {
			if n, err := f.WriteAt(data, 0); n != benchFile {
				b.Fatal(n, err)
			}
		}
		report()
		f.Close()
	})
}

func BenchmarkStat(b *testing.B) {
	b.Run("client=ours/one-by-one", func(b *testing.B) {
		c, _ := benchClient(b)
		b.ReportAllocs()
		defer cpu(b)()
		for b.Loop() {
			if _, err := c.Stat(context.Background(), "."); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("client=ours/64-in-flight", func(b *testing.B) {
		c, _ := benchClient(b)
		b.ReportAllocs()
		defer cpu(b)()
		window(b, b.N, 64, func(int) *sftp.Call[sftp.Attrs] { return c.StartStat(".") })
	})
	b.Run("client=pkg/one-by-one", func(b *testing.B) {
		c, _ := benchPkgClient(b)
		b.ReportAllocs()
		defer cpu(b)()
		for b.Loop() {
			if _, err := c.Stat("."); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkReadDir(b *testing.B) {
	for _, n := range []int{20, 1000} {
		fill := func(dir string) {
			for i := range n {
				must(b, os.WriteFile(filepath.Join(dir, fmt.Sprintf("file number %d", i)), nil, 0o600))
			}
		}
		b.Run(fmt.Sprintf("entries=%d/client=ours", n), func(b *testing.B) {
			c, dir := benchClient(b)
			fill(dir)
			b.ReportAllocs()
			defer cpu(b)()
			for b.Loop() {
				if names, err := c.ReadDir(context.Background(), "."); err != nil || len(names) != n {
					b.Fatal(len(names), err)
				}
			}
		})
		b.Run(fmt.Sprintf("entries=%d/client=pkg", n), func(b *testing.B) {
			c, dir := benchPkgClient(b)
			fill(dir)
			b.ReportAllocs()
			defer cpu(b)()
			for b.Loop() {
				if names, err := c.ReadDir(dir); err != nil || len(names) != n {
					b.Fatal(len(names), err)
				}
			}
		})
	}
}

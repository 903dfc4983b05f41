package fusefs

import (
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sshfs-bridge/fusefs/vfs"
)

// BenchmarkMount measures a mount over a link with a delay and with windows as an
// SSH channel has them. Each run is a fresh mount, so what it reads is cold.
func BenchmarkMount(b *testing.B) {
	dir := b.TempDir()
	old := time.Now().Add(-time.Hour)
	must(b, os.WriteFile(dir+"/large", randomBytes(128<<20), 0o644))
	for d := range 111 {
		must(b, os.MkdirAll(fmt.Sprintf("%s/tree/a%d/b%d", dir, d%10, d), 0o755))
		for i := range 27 {
			must(b, os.WriteFile(fmt.Sprintf("%s/tree/a%d/b%d/f%d", dir, d%10, d, i), []byte("content"), 0o644))
		}
	}
	must(b, os.Mkdir(dir+"/many", 0o755))
	for i := range 300 {
		name := fmt.Sprintf("%s/many/f%03d", dir, i)
		must(b, os.WriteFile(name, randomBytes(4096), 0o644))
		must(b, os.Chtimes(name, old, old))
	}
	must(b, os.Chtimes(dir+"/large", old, old))
	for _, work := range []struct {
		name string
		unit string
		do   func(b *testing.B, m *mount) float64
	}{
		{"SequentialRead", "MB/s", benchRead},
		{"SequentialWrite", "MB/s", benchWrite},
		{"Walk", "files/s", benchWalk},
		{"CreateSmall", "files/s", benchCreate},
		{"ReadSmallInOrder", "files/s", benchReadSmall},
		{"RandomRead", "reads/s", benchRandom},
		{"Duplicate", "MB/s", benchCopy},
	} {
		for _, rtt := range []time.Duration{0, 20 * time.Millisecond, 100 * time.Millisecond} {
			b.Run(fmt.Sprintf("%s/rtt=%v", work.name, rtt), func(b *testing.B) {
				sum := 0.0
				for range b.N {
					b.StopTimer()
					m := mountDir(b, serveSpec{Dir: dir, Delay: rtt / 2, Settle: -1, Window: 2 << 20, Options: fixed(vfs.CacheDefault)})
					_, err := os.ReadDir(m.mnt)
					must(b, err)
					b.StartTimer()
					start := time.Now()
					amount := work.do(b, m)
					sum += amount / time.Since(start).Seconds()
				}
				b.ReportMetric(sum/float64(b.N), work.unit)
			})
		}
	}
}

func benchRead(b *testing.B, m *mount) float64 {
	f, err := os.Open(m.path("large"))
	must(b, err)
	defer f.Close()
	n, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{f}, make([]byte, 1<<20))
	must(b, err)
	return float64(n) / 1e6
}

func benchWrite(b *testing.B, m *mount) float64 {
	f, err := os.Create(m.path("written"))
	must(b, err)
	buf := randomBytes(1 << 20)
	for range 128 {
		_, err := f.Write(buf)
		must(b, err)
	}
	must(b, f.Sync())
	must(b, f.Close())
	return 128 * (1 << 20) / 1e6
}

func benchWalk(b *testing.B, m *mount) float64 {
	n := 0.0
	must(b, filepath.WalkDir(m.path("tree"), func(_ string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			n++
			_, err = d.Info()
		}
		return err
	}))
	return n
}

func benchCreate(b *testing.B, m *mount) float64 {
	must(b, os.MkdirAll(m.path("new"), 0o755))
	dir, err := os.MkdirTemp(m.path("new"), "d")
	must(b, err)
	data := randomBytes(4096)
	for i := range 50 {
		must(b, os.WriteFile(fmt.Sprintf("%s/f%d", dir, i), data, 0o644))
	}
	return 50
}

func benchReadSmall(b *testing.B, m *mount) float64 {
	entries, err := os.ReadDir(m.path("many"))
	must(b, err)
	for _, e := range entries {
		readFile(b, m.path("many/"+e.Name()))
	}
	return float64(len(entries))
}

func benchRandom(b *testing.B, m *mount) float64 {
	f, err := os.Open(m.path("large"))
	must(b, err)
	defer f.Close()
	must(b, unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_RANDOM))
	buf := make([]byte, 4096)
	for range 50 {
		_, err := f.ReadAt(buf, rand.Int64N(127<<20))
		must(b, err)
	}
	return 50
}

func benchCopy(b *testing.B, m *mount) float64 {
	in, err := os.Open(m.path("large"))
	must(b, err)
	defer in.Close()
	out, err := os.Create(m.path("copy"))
	must(b, err)
	total := 0
	for total < 128<<20 {
		n, err := unix.CopyFileRange(int(in.Fd()), nil, int(out.Fd()), nil, 128<<20-total, 0)
		must(b, err)
		total += n
	}
	must(b, out.Close())
	return float64(total) / 1e6
}

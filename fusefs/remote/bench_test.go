package remote_test

import (
	"fmt"
	"testing"
	"time"

	"sshfs-bridge/e2e/testenv"
	"sshfs-bridge/fusefs/remote"
)

// BenchmarkSeq reads and writes one large file over a link with a delay, whose
// channels have the windows of SSH. channels=1 is what scp and sftp have.
func BenchmarkSeq(b *testing.B) {
	const size = 128 << 20
	data := random(1, size)
	for _, rtt := range []time.Duration{0, 20 * time.Millisecond, 100 * time.Millisecond} {
		for _, channels := range []int{1, 0} {
			o := remote.Options{MaxChannels: channels * 2}
			if channels == 1 {
				o.MaxConnections = 1
			}
			so := testenv.CountOptions{Delay: rtt / 2, Settle: -1, Window: 2 << 20}
			name := fmt.Sprintf("rtt=%v/channels=%d", rtt, channels)
			b.Run("read/"+name, func(b *testing.B) {
				g := newRig(b, so, o)
				g.put("f", data)
				b.SetBytes(size)
				for b.Loop() {
					f := g.open("f", forRead)
					if _, err := readAll(b.Context(), f, size, 1<<20, 64); err != nil {
						b.Fatal(err)
					}
					f.Close(b.Context())
				}
				s := g.Status()
				b.ReportMetric(float64(s.Channels), "channels")
				b.ReportMetric(float64(s.Connections), "connections")
			})
			b.Run("write/"+name, func(b *testing.B) {
				g := newRig(b, so, o)
				b.SetBytes(size)
				for b.Loop() {
					f := g.open("f", forWrite)
					if err := writeAll(b.Context(), f, data, 1<<20); err != nil {
						b.Fatal(err)
					}
					if _, err := f.Close(b.Context()); err != nil {
						b.Fatal(err)
					}
				}
				s := g.Status()
				b.ReportMetric(float64(s.Channels), "channels")
				b.ReportMetric(float64(s.Connections), "connections")
			})
		}
	}
}

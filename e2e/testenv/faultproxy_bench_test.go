package testenv

import (
	"io"
	"net"
	"slices"
	"testing"
	"time"
)

// BenchmarkFaultProxy_roundTrip shows what a round trip through the proxy takes
// besides the delay that was set: 64 bytes, one at a time.
func BenchmarkFaultProxy_roundTrip(b *testing.B) {
	for _, delay := range []time.Duration{0, 10 * time.Millisecond} {
		b.Run("delay="+delay.String(), func(b *testing.B) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				b.Fatal(err)
			}
			defer l.Close()
			go func() {
				for {
					c, err := l.Accept()
					if err != nil {
						return
					}
					go func() {
						defer c.Close()
						_, _ = io.Copy(c, c) // ends with the connection
					}()
				}
			}()
			p := NewFaultProxy(b, l.Addr().String())
			p.SetDelay(delay)
			c, err := net.Dial("tcp", p.Addr())
			if err != nil {
				b.Fatal(err)
			}
			defer c.Close()
			buf := make([]byte, 64)
			var took []time.Duration
			for b.Loop() {
				start := time.Now()
				if _, err := c.Write(buf); err != nil {
					b.Fatal(err)
				}
				if _, err := io.ReadFull(c, buf); err != nil {
					b.Fatal(err)
				}
				took = append(took, time.Since(start)-2*delay)
			}
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)/2].Microseconds()), "us-over/median")
			b.ReportMetric(float64(took[len(took)*9/10].Microseconds()), "us-over/p90")
		})
	}
}

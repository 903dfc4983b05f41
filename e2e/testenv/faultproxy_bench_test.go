package testenv

import (
	"slices"
	"testing"
	"time"
)

// BenchmarkFaultProxy_roundTrip shows what a round trip through the proxy takes
// besides the delay that was set.
func BenchmarkFaultProxy_roundTrip(b *testing.B) {
	for _, delay := range []time.Duration{0, 10 * time.Millisecond} {
		b.Run("delay="+delay.String(), func(b *testing.B) {
			p := NewFaultProxy(b, StartEcho(b))
			p.SetDelay(delay)
			took := RoundTrips(b, p.Addr(), max(b.N, 10))
			slices.Sort(took)
			over := func(i int) float64 { return float64((took[i] - 2*delay).Microseconds()) }
			b.ReportMetric(over(len(took)/2), "us-over/median")
			b.ReportMetric(over(len(took)*9/10), "us-over/p90")
		})
	}
}

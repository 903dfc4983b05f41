package bench

import (
	"testing"
	"time"

	"sshfs-bridge/e2e/testenv"
)

// BenchmarkShares is `make bench-smb`. Run it with -benchtime 1x.
func BenchmarkShares(b *testing.B) {
	testenv.Require(b, "root", "fuse", "sshd", "smbd", "smbclient")
	// smbclient cannot stop half-way.
	set := fullSettings(b, settings{RTTs: []float64{20}, Limit: time.Minute, Whole: 5 * time.Minute})
	r := measureAll(b, "shares", set, shareWorks(), shareSystems(bridgeBinary(b)))
	r.finish(b)
	b.ReportMetric(0, "ns/op") // the tables are the result
}

func TestSharesTiny(t *testing.T) {
	testenv.Require(t, "root", "fuse", "sshd", "sshfs", "smbd", "smbclient")
	works := shareWorks()
	r := measureAll(t, "shares", tiny(), works, shareSystems(bridgeBinary(t)))
	for _, f := range r.failures() {
		t.Error(f)
	}
	for _, w := range works {
		for _, s := range []string{priorArt, us} {
			if c := r.find(tiny().RTTs[0], w.name, s); c == nil || c.Median <= 0 {
				t.Errorf("%s on %s: %+v", w.name, s, c)
			}
		}
	}
	t.Logf("\n%s", r.tables())
}

package bench

import (
	"testing"

	"sshfs-bridge/e2e/testenv"
)

// BenchmarkMounts is `make bench`. Run it with -benchtime 1x.
func BenchmarkMounts(b *testing.B) {
	testenv.Require(b, "root", "fuse", "sshd")
	r := measureAll(b, "mounts", fullSettings(b, []float64{0, 20, 100}), mountWorks(), mountSystems(bridgeBinary(b)))
	r.finish(b)
	b.ReportMetric(0, "ns/op") // the tables are the result
}

// The benchmark works, for every system that is there, on every line.
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
			if c := r.find(set.RTTs[0], w.name, s); c == nil || c.Median <= 0 || c.Partial {
				t.Errorf("%s on %s: %+v", w.name, s, c)
			}
		}
	}
	t.Logf("\n%s", r.tables())
}

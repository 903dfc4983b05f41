package worker

import (
	"runtime"
	"runtime/metrics"
	"testing"
	"time"

	"sshfs-bridge/e2e/testenv"
)

func TestGarbagePercent(t *testing.T) {
	for live, want := range map[uint64]int{0: 100, 10 << 20: 100, 32 << 20: 100, 64 << 20: 50, 128 << 20: 25, 4 << 30: 12} {
		if got := garbagePercent(live); got != want {
			t.Errorf("%d MiB in use: %d %%, want %d", live>>20, got, want)
		}
	}
}

// The more is in use, the less garbage beside it, and as before when it is gone.
func TestBoundGarbage(t *testing.T) {
	percent := func() uint64 {
		s := []metrics.Sample{{Name: "/gc/gogc:percent"}}
		metrics.Read(s)
		return s[0].Value.Uint64()
	}
	before := percent()
	boundGarbage()
	data := make([]byte, 64<<20)
	testenv.Eventually(t, 10*time.Second, "less garbage is allowed", func() bool {
		runtime.GC()
		return percent() <= 50
	})
	runtime.KeepAlive(data)
	testenv.Eventually(t, 10*time.Second, "as much as before is allowed", func() bool {
		runtime.GC()
		return percent() == before
	})
}

package worker

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"sshfs-bridge/e2e/testenv"
)

// What others change on the server is seen when what is known of it has the age that
// the mount sets, by whoever looks then, and not at once.
func TestCacheSeconds(t *testing.T) {
	testenv.Require(t, "root", "fuse", "sshd")
	sshd := testenv.StartSSHD(t, testenv.SSHDOptions{})
	write(t, filepath.Join(sshd.Home, "f"), "short")
	spec := specFor(sshd, "")
	spec.Mount.CacheSeconds = 4
	m := start(t, StartOptions{Spec: spec}).up()
	size := func() int64 {
		info, err := os.Stat(filepath.Join(m.at, "f"))
		if err != nil {
			t.Fatal(err)
		}
		return info.Size()
	}
	if n := size(); n != 5 {
		t.Fatalf("%d bytes at first", n)
	}
	known := time.Now()
	write(t, filepath.Join(sshd.Home, "f"), "rather long")
	if n := size(); n != 5 {
		t.Errorf("%d bytes at once: the server is asked each time", n)
	}
	for asked := time.Now(); size() != 11; asked = time.Now() {
		// The kernel counts in ticks.
		if asked.Sub(known) > 4*time.Second+50*time.Millisecond {
			t.Fatalf("what was known %v before is still shown", asked.Sub(known))
		}
		time.Sleep(20 * time.Millisecond) // real time: until what is known is old
	}
}

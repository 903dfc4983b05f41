package remote_test

import (
	"bytes"
	"os"
	"testing"
	"time"

	"sshfs-bridge/e2e/testenv"
	"sshfs-bridge/fusefs/remote"
)

// TestOldSession has a server keep a session that we have given up, and carry out
// afterwards what it had not yet received of it. The writes that were sent again
// come a second time, to the same places with the same bytes: the file changes only
// where it was written anew in between, as docs/semantics.md says.
func TestOldSession(t *testing.T) {
	const mib = 1 << 20
	o := quick()
	o.MaxConnections = 1
	x := newReal(t, testenv.SSHDOptions{}, o)
	first, second, third := random(1, 3*mib), random(2, mib), random(3, mib)
	f, _, err := x.Open(t.Context(), "f", forWrite, 0o644)
	check(t, err)
	check(t, writeAll(t.Context(), f, first, 256<<10))
	_, err = f.Flush(t.Context())
	check(t, err)

	x.proxy.Stall(testenv.ToServer)
	check(t, f.WriteAt(t.Context(), second, mib))
	testenv.Eventually(t, 10*time.Second, "the writes are on their way", func() bool { return x.proxy.Held(testenv.ToServer) > mib })
	reappear := x.proxy.Vanish()
	x.proxy.Resume(testenv.ToServer)
	_, err = f.Flush(t.Context())
	check(t, err)
	want := append(append(bytes.Clone(first[:mib]), second...), first[2*mib:]...)
	onServer := func() []byte {
		got, err := os.ReadFile(x.file("f"))
		check(t, err)
		return got
	}
	same(t, "sent again", onServer(), want)
	if s := x.Status(); s.State != remote.StateUp || s.Counters.Reconnects != 1 || s.Counters.Resent == 0 {
		t.Errorf("nothing was lost: %+v", s)
	}

	check(t, f.WriteAt(t.Context(), third, mib+mib/2))
	_, err = f.Close(t.Context())
	check(t, err)
	copy(want[mib+mib/2:], third)
	same(t, "written anew", onServer(), want)

	reappear()
	copy(want[mib:], second)
	testenv.Eventually(t, 10*time.Second, "the old session's writes come a second time, and nothing else", func() bool {
		return bytes.Equal(onServer(), want)
	})
}

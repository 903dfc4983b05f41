//go:build soak

package remote_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"sync"
	"testing"
	"time"

	"sshfs-bridge/e2e/testenv"
	"sshfs-bridge/fusefs/remote"
)

// TestSoak copies files for ten minutes (BRIDGE_SOAK, a duration, says otherwise)
// while the link resets, falls silent, loses its server and slows down at random.
// Every copy must be right; nothing may be lost.
func TestSoak(t *testing.T) {
	span := 10 * time.Minute
	if s := os.Getenv("BRIDGE_SOAK"); s != "" {
		var err error
		if span, err = time.ParseDuration(s); err != nil {
			t.Fatal(err)
		}
	}
	x := newRealAway(t, testenv.SSHDOptions{}, remote.Options{KeepaliveInterval: time.Second}, 4*time.Millisecond)
	const size, writers = 24 << 20, 3
	data := random(1, size)
	check(t, os.WriteFile(x.file("in"), data, 0o644))
	ctx, cancel := context.WithTimeout(t.Context(), span)
	defer cancel()
	var wg sync.WaitGroup
	copies := make([]int, writers)
	for w := range writers {
		wg.Go(func() {
			for ctx.Err() == nil {
				name := fmt.Sprint("out", w)
				// Without a link nothing is opened; what is open must go on.
				began := false
				if err := x.copyFile(t.Context(), "in", name, func(int64) { began = true }); err != nil {
					if began {
						t.Errorf("copy %d of writer %d: %v", copies[w], w, err)
					}
					time.Sleep(50 * time.Millisecond)
					continue
				}
				got, err := os.ReadFile(x.file(name))
				if err != nil {
					t.Error(err)
				}
				same(t, name, got, data)
				copies[w]++
			}
		})
	}
	faults := []func(){
		x.proxy.Reset,
		x.proxy.HalfOpen,
		func() { x.proxy.StallBoth(); time.Sleep(rand.N(8 * time.Second)); x.proxy.ResumeBoth() },
		func() { x.proxy.SetDelay(rand.N(30 * time.Millisecond)) },
		x.sshd.KillSessions,
		x.sshd.Restart,
	}
	for ctx.Err() == nil {
		time.Sleep(rand.N(3 * time.Second))
		faults[rand.IntN(len(faults))]()
	}
	wg.Wait()
	s := x.Status()
	t.Logf("%v copies, %d reconnects, %d files opened again, %d writes sent again", copies, s.Counters.Reconnects, s.Counters.Resumed, s.Counters.Resent)
	if s.PendingBytes != 0 || s.OpenFiles != 0 {
		t.Errorf("left over: %+v", s)
	}
}

package remote_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"sshfs-bridge/e2e/testenv"
	"sshfs-bridge/fusefs/remote"
)

func TestWindow_boundsWhatIsHeld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := quick()
		o.WindowBytes = 4 << 20
		o.KeepaliveInterval, o.DataTimeout = time.Minute, time.Minute
		g := newRig(t, testenv.CountOptions{}, o)
		a, b := g.open("a", forWrite), g.open("b", forWrite)
		g.server.Stall()
		data := random(1, 1<<20)
		written := 0
		for _, f := range []*remote.File{a, b} {
			ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
			var err error
			for off := int64(0); err == nil; off += int64(len(data)) {
				if err = f.WriteAt(ctx, data, off); err == nil {
					written += len(data)
				}
			}
			cancel()
			if !errors.Is(err, remote.ErrTimeout) {
				t.Errorf("a full window gave %v", err)
			}
		}
		if s := g.Status(); s.PendingBytes > int64(o.WindowBytes) || written > o.WindowBytes {
			t.Errorf("%d bytes are held, %d were taken, the window is %d", s.PendingBytes, written, o.WindowBytes)
		}
		g.server.Resume()
		for _, f := range []*remote.File{a, b} {
			if _, err := f.Close(t.Context()); err != nil {
				t.Error(err)
			}
		}
		if s := g.Status(); s.PendingBytes != 0 {
			t.Errorf("%d bytes are held at the end", s.PendingBytes)
		}
	})
}

func TestRates_areKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := quick()
		o.ReadRate, o.WriteRate, o.RequestRate = 4<<20, 4<<20, 100
		g := newRig(t, testenv.CountOptions{}, o)
		data := random(1, 2<<20)
		took := func(f func()) time.Duration {
			start := time.Now()
			f()
			return time.Since(start)
		}
		if d := took(func() {
			f := g.open("f", forWrite)
			check(t, writeAll(t.Context(), f, data, 64<<10))
			f.Close(t.Context())
		}); d < 350*time.Millisecond {
			t.Errorf("2 MiB were written in %v at 4 MiB a second", d)
		}
		if d := took(func() {
			f := g.open("f", forRead)
			_, err := readAll(t.Context(), f, len(data), 64<<10, 4)
			check(t, err)
			f.Close(t.Context())
		}); d < 350*time.Millisecond {
			t.Errorf("2 MiB were read in %v at 4 MiB a second", d)
		}
		if d := took(func() {
			for range 50 {
				_, err := g.Lstat(t.Context(), "f")
				check(t, err)
			}
		}); d < 300*time.Millisecond {
			t.Errorf("50 requests took %v at 100 a second", d)
		}
	})
}

package remote_test

import (
	"context"
	"errors"
	"io"
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

// narrowDialer makes connections on which each channel sends so many bytes a second.
type narrowDialer struct {
	*rigDialer
	rate int
}

func (d narrowDialer) Dial(ctx context.Context, interactive bool) (remote.Conn, error) {
	c, err := d.rigDialer.Dial(ctx, interactive)
	if err != nil {
		return nil, err
	}
	return narrowConn{c, d.rate}, nil
}

type narrowConn struct {
	remote.Conn
	rate int
}

func (c narrowConn) OpenSFTP(ctx context.Context) (io.ReadWriteCloser, error) {
	s, err := c.Conn.OpenSFTP(ctx)
	return narrowStream{s, c.rate}, err
}

type narrowStream struct {
	io.ReadWriteCloser
	rate int
}

func (s narrowStream) Write(p []byte) (int, error) {
	time.Sleep(time.Duration(len(p)) * time.Second / time.Duration(s.rate))
	return s.ReadWriteCloser.Write(p)
}

// TestWindow_aCloseIsNeverLong copies files over slow links. Once a link is known, a
// close there has about a second of data to wait for, or two packets; and even the very
// first one ends before a Finder gives up, which is after 35 seconds.
func TestWindow_aCloseIsNeverLong(t *testing.T) {
	for name, rate := range map[string]int{"1 Mbit/s": 128 << 10, "5 Mbit/s": 640 << 10, "20 Mbit/s": 2560 << 10} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				far := testenv.CountOptions{Delay: 25 * time.Millisecond, Settle: -1}
				o := remote.Options{MaxChannels: 2, MaxConnections: 1}
				g := unconnectedBy(t, far, o, func(d *rigDialer) remote.Dialer { return narrowDialer{d, rate} })
				check(t, g.Connect(t.Context(), false))
				write := func(n int) (all, end time.Duration) {
					start := time.Now()
					f := g.open("f", forWrite)
					check(t, writeAll(t.Context(), f, make([]byte, n), 128<<10))
					last := time.Now()
					_, err := f.Close(t.Context())
					check(t, err)
					return time.Since(start), time.Since(last)
				}
				if _, end := write(4 << 20); end > 30*time.Second {
					t.Errorf("the first close took %v", end)
				}
				const size = 16 << 20
				all, end := write(size)
				if end > 3*time.Second {
					t.Errorf("a close took %v", end)
				}
				link := size * time.Second / time.Duration(rate)
				if all > link+link/20 {
					t.Errorf("the file took %v on a link that needs %v", all, link)
				}
				t.Logf("close %v, file %v of %v", end, all, link)
			})
		})
	}
}

package remote_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sshfs-bridge/e2e/testenv"
	"sshfs-bridge/fusefs/remote"
	"sshfs-bridge/fusefs/sshdial"
)

// real is a Remote over a real sshd behind a proxy with faults.
type real struct {
	*remote.Remote
	t     testing.TB
	sshd  *testenv.SSHD
	proxy *testenv.FaultProxy
	dials atomic.Int64
}

type routeDialer struct {
	route *sshdial.Route
	dials *atomic.Int64
}

func (d routeDialer) Dial(ctx context.Context, _ bool) (remote.Conn, error) {
	d.dials.Add(1)
	c, err := d.route.Dial(ctx, nil)
	if err != nil {
		return nil, err
	}
	return c, nil
}

func newReal(t testing.TB, so testenv.SSHDOptions, o remote.Options) *real {
	t.Helper()
	return newRealAway(t, so, o, 0)
}

// newRealAway is newReal with a server that is a round trip of rtt away.
func newRealAway(t testing.TB, so testenv.SSHDOptions, o remote.Options, rtt time.Duration) *real {
	t.Helper()
	testenv.Require(t, "root", "sshd")
	testenv.NoLeaks(t)
	x := &real{t: t, sshd: testenv.StartSSHD(t, so)}
	x.proxy = testenv.NewFaultProxy(t, x.sshd.Addr)
	x.proxy.SetDelay(rtt / 2)
	route, err := sshdial.Resolve(sshdial.Target{Host: x.sshd.Alias}, sshdial.Options{
		SSHDir: x.sshd.SSHDir, DialContext: x.dialProxy,
	})
	if err != nil {
		t.Fatal(err)
	}
	o.Dialer = routeDialer{route, &x.dials}
	o.Root = x.sshd.HomeSeen
	if testing.Verbose() {
		o.Logger = slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	x.Remote = remote.New(o)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		x.Close(ctx)
	})
	if err := x.Connect(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	return x
}

func (x *real) dialProxy(ctx context.Context, network, _ string) (net.Conn, error) {
	var d net.Dialer
	return d.DialContext(ctx, network, x.proxy.Addr())
}

func (x *real) file(name string) string { return filepath.Join(x.sshd.Home, name) }

// copyFile copies a file of the server to another one through this machine.
func (x *real) copyFile(ctx context.Context, from, to string, progress func(off int64)) error {
	in, a, err := x.Open(ctx, from, forRead, 0)
	if err != nil {
		return err
	}
	defer in.Close(ctx)
	out, _, err := x.Open(ctx, to, forWrite, 0o644)
	if err != nil {
		return err
	}
	if progress != nil {
		progress(0)
	}
	buf := make([]byte, 1<<20)
	for off := int64(0); off < int64(a.Size); {
		n, err := in.ReadAt(ctx, buf, off)
		if err != nil && !errors.Is(err, io.EOF) {
			return fmt.Errorf("read at %d: %w", off, err)
		}
		if err := out.WriteAt(ctx, buf[:n], off); err != nil {
			return fmt.Errorf("write at %d: %w", off, err)
		}
		off += int64(n)
		if progress != nil {
			progress(off)
		}
	}
	_, err = out.Close(ctx)
	return err
}

// disturbed copies a file and disturbs that once a quarter is done.
func (x *real) disturbed(size int, disturb func()) {
	x.t.Helper()
	data := random(1, size)
	if err := os.WriteFile(x.file("in"), data, 0o644); err != nil {
		x.t.Fatal(err)
	}
	var once sync.Once
	hit := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		<-hit
		disturb()
	})
	err := x.copyFile(x.t.Context(), "in", "out", func(off int64) {
		if off > int64(size/4) {
			once.Do(func() { close(hit) })
		}
	})
	once.Do(func() { close(hit) })
	wg.Wait()
	if err != nil {
		x.t.Fatal(err)
	}
	got, err := os.ReadFile(x.file("out"))
	if err != nil {
		x.t.Fatal(err)
	}
	same(x.t, "copy", got, data)
}

func TestSSHD_killedAndRestarted(t *testing.T) {
	x := newReal(t, testenv.SSHDOptions{}, quick())
	x.disturbed(realBulk, func() {
		x.sshd.Stop()
		time.Sleep(300 * time.Millisecond) // real time: for which the server is away
		x.sshd.Start()
	})
	if s := x.Status(); s.Counters.Reconnects == 0 || s.Counters.Resumed == 0 {
		t.Errorf("nothing was disturbed: %+v", s.Counters)
	}
}

// TestSSHD_resets resets the connection in the middle of ten pieces of a copy, five
// times while they are read, five times while they are written.
func TestSSHD_resets(t *testing.T) {
	x := newReal(t, testenv.SSHDOptions{}, quick())
	ctx, data := t.Context(), random(1, realBulk)
	check(t, os.WriteFile(x.file("in"), data, 0o644))
	in, _, err := x.Open(ctx, "in", forRead, 0)
	check(t, err)
	out, _, err := x.Open(ctx, "out", forWrite, 0o644)
	check(t, err)
	const piece, resets = 1 << 20, 10
	step := len(data) / piece / resets
	r := rand.New(rand.NewPCG(1, 2))
	buf := make([]byte, piece)
	for i := 0; i*piece < len(data); i++ {
		n := i/step + 1 // the reset that is due in this piece, counted from one
		due := i%step == step/2 && n <= resets
		dir := testenv.Direction(n % 2)
		if due && dir == testenv.ToClient {
			x.proxy.ResetAfter(dir, r.Int64N(piece))
		}
		_, err := in.ReadAt(ctx, buf, int64(i*piece))
		check(t, err)
		if due && dir == testenv.ToServer {
			x.proxy.ResetAfter(dir, r.Int64N(piece))
		}
		check(t, out.WriteAt(ctx, buf, int64(i*piece)))
		if due {
			testenv.Eventually(t, 20*time.Second, fmt.Sprint("connection made again after reset ", n), func() bool {
				return x.Status().Counters.Reconnects >= uint64(n)
			})
		}
	}
	_, err = out.Close(ctx)
	check(t, err)
	in.Close(ctx)
	got, err := os.ReadFile(x.file("out"))
	check(t, err)
	same(t, "copy", got, data)
	if s := x.Status(); s.Counters.Reconnects != resets || s.Counters.Resumed < resets {
		t.Errorf("%d resets: %+v", resets, s.Counters)
	}
}

func TestSSHD_halfOpen(t *testing.T) {
	x := newReal(t, testenv.SSHDOptions{}, quick())
	x.disturbed(realBulk, x.proxy.HalfOpen)
	if s := x.Status(); s.Counters.Reconnects == 0 || s.Counters.Resumed == 0 {
		t.Errorf("nothing was disturbed: %+v", s.Counters)
	}
}

// TestSSHD_silence is silence for longer than it takes to notice it and to give up
// one attempt to connect. The times that users have, and how long an open file waits
// at most, are shown in a bubble's time, by TestFault_thirtySecondsOfSilence, and
// here where BRIDGE_SOAK is set.
func TestSSHD_silence(t *testing.T) {
	span, pause := 2500*time.Millisecond, 10*time.Millisecond
	o := remote.Options{
		PathTimeout: 500 * time.Millisecond, DataTimeout: 20 * time.Second, DialTimeout: 1500 * time.Millisecond,
		LossGrace: 150 * time.Millisecond, KeepaliveInterval: 300 * time.Millisecond,
		BackoffMin: 25 * time.Millisecond, BackoffMax: 200 * time.Millisecond,
	}
	if os.Getenv("BRIDGE_SOAK") != "" {
		span, pause, o = 30*time.Second, 100*time.Millisecond, remote.Options{}
	}
	x := newReal(t, testenv.SSHDOptions{}, o)
	x.disturbed(realBulk, func() { x.silence(span, pause) })
	if s := x.Status(); s.Counters.Reconnects == 0 || s.Counters.Resumed == 0 {
		t.Errorf("nothing was disturbed: %+v", s.Counters)
	}
}

// silence lets nothing through for a time, in which no operation on a path may
// succeed, or look as if the server had answered.
func (x *real) silence(span, pause time.Duration) {
	x.proxy.StallBoth()
	silent := time.Now()
	for time.Since(silent) < span {
		start := time.Now()
		if _, err := x.Lstat(x.t.Context(), "in"); err == nil || isAnswer(err) {
			x.t.Errorf("while silent: %v", err)
		}
		if d := time.Since(start); d > 7*time.Second {
			x.t.Errorf("an operation on a path took %v", d)
		}
		time.Sleep(pause) // real time: between two looks
	}
	x.proxy.ResumeBoth()
}

func TestSSHD_hostKeyChanged(t *testing.T) {
	x := newReal(t, testenv.SSHDOptions{}, quick())
	x.sshd.Stop()
	x.sshd.NewHostKeys()
	x.sshd.Start()
	testenv.Eventually(t, 10*time.Second, "state down", func() bool { return x.Status().State == remote.StateDown })
	dials := x.dials.Load()
	time.Sleep(500 * time.Millisecond) // real time: of many back-offs, in which nothing may happen
	if n := x.dials.Load(); n != dials {
		t.Errorf("%d dials after the refusal", n-dials)
	}
	var host *sshdial.HostKeyError
	if s := x.Status(); !errors.As(s.Cause, &host) || !host.Changed {
		t.Errorf("cause: %v", s.Cause)
	}
	x.sshd.TrustHostKeys()
}

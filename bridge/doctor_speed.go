package bridge

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"sshfs-bridge/fusefs/remote"
	"sshfs-bridge/fusefs/sshdial"
)

const (
	// speedWarmUp lets windows open and channels come; speedTime is measured.
	speedWarmUp, speedTime = time.Second, 2 * time.Second
	// speedReaders ask for speedPiece each, at the same time: far more than any
	// link holds.
	speedReaders, speedPiece = 16, 1 << 20
	// sshWindow is what an SSH channel of ours may have on its way.
	sshWindow = 2 << 20
)

// speed is what was measured on the way to one server.
type speed struct {
	rtt          time.Duration
	one, striped float64 // bytes a second, by one channel and by all
	busy         float64 // processors of this machine in use while striped
	processors   int
}

// checkSpeed measures by reading /dev/zero, which costs the server no disk and
// leaves nothing behind. It needs a route that asks nobody.
func checkSpeed(ctx context.Context, check string, route *sshdial.Route) []Finding {
	s, err := measureSpeed(ctx, route)
	switch {
	case errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission):
		return []Finding{{check, VerdictNote, "the throughput cannot be measured: the server shows no /dev/zero (an account that is shut into a directory)", ""}}
	case err != nil:
		return []Finding{{check, VerdictFail, "the throughput was not measured: " + err.Error(), ""}}
	}
	return s.findings(check)
}

func measureSpeed(ctx context.Context, route *sshdial.Route) (s speed, err error) {
	s.processors = runtime.NumCPU()
	if s.one, _, s.rtt, err = throughput(ctx, route, 1); err != nil {
		return s, err
	}
	s.striped, s.busy, _, err = throughput(ctx, route, 0)
	return s, err
}

// routeDialer makes connections that nobody is asked for.
type routeDialer struct{ route *sshdial.Route }

func (d routeDialer) Dial(ctx context.Context, _ bool) (remote.Conn, error) {
	conn, err := d.route.Dial(ctx, nil)
	if err != nil {
		return nil, err
	}
	return conn, nil
}

// throughput reads for a while by at most so many channels, 0 being as a mount
// does, and tells bytes a second, processors in use and the round-trip time.
func throughput(ctx context.Context, route *sshdial.Route, channels int) (bytes, busy float64, rtt time.Duration, err error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	o := remote.Options{Dialer: routeDialer{route}, Root: "/dev", MaxChannels: channels}
	if channels > 0 {
		o.MaxConnections = 1
	}
	r := remote.New(o)
	defer func() {
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		if e := r.Close(end); err == nil {
			err = e
		}
	}()
	if err := r.Connect(ctx, false); err != nil {
		return 0, 0, 0, err
	}
	f, _, err := r.Open(ctx, "zero", remote.OpenFlags{Read: true}, 0)
	if err != nil {
		return 0, 0, 0, err
	}
	defer func() { _, _ = f.Close(ctx) }() // nothing was written
	var (
		group   sync.WaitGroup
		next    atomic.Int64 // the piece to read
		got     atomic.Int64
		problem = make(chan error, speedReaders)
	)
	reading, stop := context.WithCancel(ctx)
	for range speedReaders {
		group.Go(func() {
			buf := make([]byte, speedPiece)
			for reading.Err() == nil {
				n, err := f.ReadAt(reading, buf, next.Add(1)*speedPiece)
				if err != nil && reading.Err() == nil {
					if errors.Is(err, io.EOF) { // not what /dev/zero is elsewhere
						err = fs.ErrNotExist
					}
					problem <- err
					return
				}
				got.Add(int64(n))
			}
		})
	}
	defer group.Wait()
	defer stop()
	if err := pauseUnless(ctx, speedWarmUp, problem); err != nil {
		return 0, 0, 0, err
	}
	begin, before, cpu := time.Now(), got.Load(), processorTime()
	if err := pauseUnless(ctx, speedTime, problem); err != nil {
		return 0, 0, 0, err
	}
	took := time.Since(begin)
	return float64(got.Load()-before) / took.Seconds(), (processorTime() - cpu).Seconds() / took.Seconds(), r.Status().RTT, nil
}

func pauseUnless(ctx context.Context, d time.Duration, problem <-chan error) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case err := <-problem:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// processorTime is what this process has used.
func processorTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// findings say what was measured and which limit holds.
func (s speed) findings(check string) []Finding {
	const mega = 1e6
	window := sshWindow / max(s.rtt, time.Microsecond).Seconds()
	one := fmt.Sprintf("one channel carries %.1f MB/s", s.one/mega)
	if s.one > window*0.6 && s.one < s.striped*0.9 {
		one += fmt.Sprintf(": its window, 2 MiB in %v, lets no more through than %.1f MB/s", s.rtt.Round(100*time.Microsecond), window/mega)
	}
	all := fmt.Sprintf("several carry %.1f MB/s, which is what a mount reads; the limit is ", s.striped/mega)
	remedy := ""
	switch {
	case s.busy > 0.85*float64(s.processors) || s.busy > 0.9 && s.processors == 1:
		all += "this machine's processor, which decrypts"
		remedy = "a faster cipher helps where the processor has AES: Ciphers aes128-gcm@openssh.com"
	case s.striped < s.one*1.2:
		all += "the link or the server: more channels bring nothing"
	default:
		all += "the link or the server"
	}
	return []Finding{{check, VerdictOK, one, ""}, {check, VerdictOK, all, remedy}}
}

package testenv

import (
	"encoding/binary"
	"io"
	"net"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// A proxy that wakes up late is a longer link than the one that was asked for, and
// by half a millisecond a round trip with the runtime's timers on a machine that
// idles. So bytes count from when the kernel received them, and leave by a timer
// of the kernel's (timerfd_create(2)), the last moments of which are waited for by
// looking at the clock.

const (
	// nearlyDue is what is left to such a timer: until then a change of the settings
	// must be able to end the wait.
	nearlyDue = 3 * time.Millisecond
	// wakeTime is about what it takes to wake up.
	wakeTime = 80 * time.Microsecond
	// oldestArrival bounds what is believed of the time of a receipt.
	oldestArrival = 100 * time.Millisecond
)

// pacer waits until a moment, exactly. The zero value, and one whose timer cannot
// be had, waits as the runtime does. One goroutine uses it.
type pacer struct{ timer *os.File }

func newPacer() pacer {
	fd, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		return pacer{}
	}
	return pacer{os.NewFile(uintptr(fd), "timerfd")}
}

func (w pacer) close() {
	if w.timer != nil {
		w.timer.Close()
	}
}

// until waits; spin says that being exact is worth the processor's time.
func (w pacer) until(at time.Time, spin bool) {
	early := time.Duration(0)
	if spin {
		early = wakeTime
	}
	if left := time.Until(at) - early; left > 0 && !w.sleep(left) {
		<-time.After(left)
	}
	for spin && time.Now().Before(at) {
		continue
	}
}

func (w pacer) sleep(d time.Duration) bool {
	if w.timer == nil {
		return false
	}
	raw, err := w.timer.SyscallConn()
	if err != nil {
		return false
	}
	set := unix.ItimerSpec{Value: unix.NsecToTimespec(int64(d))}
	var serr error
	if err := raw.Control(func(fd uintptr) { serr = unix.TimerfdSettime(int(fd), 0, &set, nil) }); err != nil || serr != nil {
		return false
	}
	var expired [8]byte
	_, err = w.timer.Read(expired[:])
	return err == nil
}

// arrivals reads from a connection, and tells when the kernel received what it read.
type arrivals struct {
	conn net.Conn
	raw  syscall.RawConn // nil where the kernel does not tell
	oob  [64]byte
}

func newArrivals(conn net.Conn) *arrivals {
	a := &arrivals{conn: conn}
	sc, ok := conn.(syscall.Conn)
	if !ok {
		return a
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return a
	}
	var serr error
	if err := raw.Control(func(fd uintptr) {
		serr = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1)
	}); err == nil && serr == nil {
		a.raw = raw
	}
	return a
}

// Read is as io.Reader's, with the time of the newest byte.
func (a *arrivals) Read(buf []byte) (int, time.Time, error) {
	if a.raw == nil {
		n, err := a.conn.Read(buf)
		return n, time.Now(), err
	}
	var n, oobn int
	var rerr error
	err := a.raw.Read(func(fd uintptr) bool {
		for {
			n, oobn, _, _, rerr = unix.Recvmsg(int(fd), buf, a.oob[:], 0)
			if rerr != unix.EINTR {
				return rerr != unix.EAGAIN
			}
		}
	})
	now := time.Now()
	switch {
	case err != nil:
		return 0, now, err
	case rerr != nil:
		return 0, now, os.NewSyscallError("recvmsg", rerr)
	case n == 0:
		return 0, now, io.EOF
	}
	return n, received(a.oob[:oobn], now), nil
}

// received is the time in a control message, as the monotonic clock has it.
func received(oob []byte, now time.Time) time.Time {
	messages, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return now
	}
	for _, m := range messages {
		if m.Header.Level != unix.SOL_SOCKET || m.Header.Type != unix.SCM_TIMESTAMPNS || len(m.Data) < 16 {
			continue
		}
		at := time.Unix(int64(binary.NativeEndian.Uint64(m.Data)), int64(binary.NativeEndian.Uint64(m.Data[8:])))
		if age := now.Round(0).Sub(at); age > 0 && age < oldestArrival {
			return now.Add(-age)
		}
	}
	return now
}

package sshdial

import (
	"net"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestTune(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		t.Fatal("not TCP")
	}
	for _, c := range []struct {
		h    hop
		want time.Duration
	}{{hop{tcpKeepAlive: true}, defaultUserTimeout}, {hop{aliveInterval: 5 * time.Second, aliveCount: 2}, 10 * time.Second}} {
		if err := c.h.tune(tcp); err != nil {
			t.Fatal(err)
		}
		raw, err := tcp.SyscallConn()
		if err != nil {
			t.Fatal(err)
		}
		if err := raw.Control(func(fd uintptr) {
			ms, err := unix.GetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT)
			alive, aerr := unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_KEEPALIVE)
			if err != nil || aerr != nil || time.Duration(ms)*time.Millisecond != c.want || (alive == 1) != c.h.tcpKeepAlive {
				t.Errorf("TCP_USER_TIMEOUT %d ms, keepalive %d: %v, %v", ms, alive, err, aerr)
			}
		}); err != nil {
			t.Fatal(err)
		}
	}
}

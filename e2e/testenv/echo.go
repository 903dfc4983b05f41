package testenv

import (
	"io"
	"net"
	"testing"
	"time"
)

// StartEcho starts a TCP server on loopback that sends back what it gets, and gives
// its address. It ends with the test, its connections with their clients.
func StartEcho(t testing.TB) string {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				_, _ = io.Copy(c, c) // ends with the connection
				c.Close()
			}()
		}
	}()
	return l.Addr().String()
}

// RoundTrips sends a few bytes n times to an echo and back, one after another, and
// gives what each took.
func RoundTrips(t testing.TB, addr string, n int) []time.Duration {
	t.Helper()
	c, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 64)
	took := make([]time.Duration, n)
	for i := range took {
		start := time.Now()
		if _, err := c.Write(buf); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(c, buf); err != nil {
			t.Fatal(err)
		}
		took[i] = time.Since(start)
	}
	return took
}

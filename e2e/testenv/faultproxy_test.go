package testenv

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"time"
)

func proxied(t *testing.T) (*FaultProxy, net.Conn) {
	t.Helper()
	NoLeaks(t)
	p := NewFaultProxy(t, StartEcho(t))
	return p, dialProxy(t, p)
}

func dialProxy(t *testing.T, p *FaultProxy) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", p.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// trip sends bytes there and back.
func trip(t *testing.T, c net.Conn, b []byte) []byte {
	t.Helper()
	go c.Write(b)
	got := make([]byte, len(b))
	c.SetReadDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.ReadFull(c, got); err != nil {
		t.Fatal(err)
	}
	return got
}

// silent checks that nothing comes back for a moment.
func silent(t *testing.T, c net.Conn) {
	t.Helper()
	c.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	if n, err := c.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("read %d, %v", n, err)
	}
}

func TestProxyDelay(t *testing.T) {
	p, c := proxied(t)
	data := bytes.Repeat([]byte("0123456789abcdef"), 1<<16)
	if !bytes.Equal(trip(t, c, data), data) {
		t.Fatal("bytes differ")
	}
	p.SetDelay(20 * time.Millisecond)
	start := time.Now()
	if !bytes.Equal(trip(t, c, data), data) {
		t.Fatal("bytes differ")
	}
	if d := time.Since(start); d < 40*time.Millisecond {
		t.Errorf("a round trip of 40 ms took %v", d)
	}
	if p.Bytes(ToServer) != 2*int64(len(data)) || p.Bytes(ToClient) != p.Bytes(ToServer) {
		t.Errorf("bytes: %d, %d", p.Bytes(ToServer), p.Bytes(ToClient))
	}
}

func TestProxyRate(t *testing.T) {
	p, c := proxied(t)
	p.SetRate(ToServer, 2<<20)
	start := time.Now()
	trip(t, c, make([]byte, 512<<10))
	if d := time.Since(start); d < 200*time.Millisecond || d > 3*time.Second {
		t.Errorf("512 KiB at 2 MiB/s took %v", d)
	}
}

func TestProxyStall(t *testing.T) {
	p, c := proxied(t)
	p.Stall(ToClient)
	c.Write([]byte("x"))
	silent(t, c)
	p.Resume(ToClient)
	if string(trip(t, c, []byte("y"))) != "x" {
		t.Error("the stalled byte is lost")
	}
}

func TestProxyReset(t *testing.T) {
	p, c := proxied(t)
	trip(t, c, []byte("x"))
	p.Reset()
	c.SetReadDeadline(time.Now().Add(5 * time.Second))
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("read: %v", err)
	}
	c = dialProxy(t, p)
	trip(t, c, []byte("x"))
	p.ResetAfter(ToClient, 1000)
	go c.Write(make([]byte, 5000))
	c.SetReadDeadline(time.Now().Add(5 * time.Second))
	if n, err := io.Copy(io.Discard, c); n > 1000 || !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("read %d, %v", n, err)
	}
}

func TestProxyHalfOpen(t *testing.T) {
	p, c := proxied(t)
	trip(t, c, []byte("x"))
	p.HalfOpen()
	for range 3 {
		if _, err := c.Write([]byte("x")); err != nil {
			t.Fatal(err)
		}
	}
	silent(t, c)
	trip(t, dialProxy(t, p), []byte("x"))
	p.Blackout(true)
	c = dialProxy(t, p)
	c.Write([]byte("x"))
	silent(t, c)
}

func TestProxyRefuse(t *testing.T) {
	p, c := proxied(t)
	trip(t, c, []byte("x"))
	p.Refuse()
	if _, err := net.Dial("tcp", p.Addr()); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("dial: %v", err)
	}
	trip(t, c, []byte("x"))
	p.Accept(t)
	trip(t, dialProxy(t, p), []byte("x"))
}

func TestProxyCorrupt(t *testing.T) {
	p, c := proxied(t)
	p.Corrupt(ToServer, 5)
	want := make([]byte, 10)
	want[5] = 0x10
	if got := trip(t, c, make([]byte, 10)); !bytes.Equal(got, want) {
		t.Errorf("got %v", got)
	}
	if got := trip(t, c, make([]byte, 10)); !bytes.Equal(got, make([]byte, 10)) {
		t.Errorf("got %v afterwards", got)
	}
}

func TestProxyPassesTheEnd(t *testing.T) {
	p, c := proxied(t)
	c.Write([]byte("last"))
	c.(*net.TCPConn).CloseWrite()
	c.SetReadDeadline(time.Now().Add(5 * time.Second))
	if b, err := io.ReadAll(c); string(b) != "last" || err != nil {
		t.Errorf("read %q, %v", b, err)
	}
	c.Close()
	Eventually(t, 5*time.Second, "the connection is gone", func() bool { return p.Connections() == 0 })
}

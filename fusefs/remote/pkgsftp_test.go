package remote_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pkg/sftp"

	"sshfs-bridge/e2e/testenv"
	"sshfs-bridge/fusefs/remote"
	sftpc "sshfs-bridge/fusefs/sftp"
)

// otherServer serves a directory with pkg/sftp's server, which does several
// requests of a session at a time and answers them in any order.
type otherServer struct {
	dir       string
	withFsync bool // it offers that extension

	mu    sync.Mutex
	conns []*otherConn
	wg    sync.WaitGroup
}

func (s *otherServer) Dial(context.Context, bool) (remote.Conn, error) {
	c := &otherConn{s: s, done: make(chan struct{})}
	s.mu.Lock()
	s.conns = append(s.conns, c)
	s.mu.Unlock()
	return c, nil
}

func (s *otherServer) kill() {
	s.mu.Lock()
	conns := s.conns
	s.conns = nil
	s.mu.Unlock()
	for _, c := range conns {
		c.Close()
	}
}

type otherConn struct {
	s    *otherServer
	once sync.Once
	done chan struct{}

	mu    sync.Mutex
	pipes []net.Conn
}

func (c *otherConn) OpenSFTP(context.Context) (io.ReadWriteCloser, error) {
	select {
	case <-c.done:
		return nil, io.ErrClosedPipe
	default:
	}
	mine, theirs := net.Pipe()
	server, err := sftp.NewServer(theirs, sftp.WithServerWorkingDirectory(c.s.dir))
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	c.pipes = append(c.pipes, mine, theirs)
	c.mu.Unlock()
	c.s.wg.Go(func() {
		server.Serve()
		server.Close()
		theirs.Close()
	})
	if c.s.withFsync {
		return &likeOpenSSH{Conn: mine}, nil
	}
	return mine, nil
}

func (c *otherConn) Ping(context.Context) (time.Duration, error) { return time.Millisecond, nil }
func (c *otherConn) KeepsOrder() bool                            { return false }
func (c *otherConn) Done() <-chan struct{}                       { return c.done }
func (c *otherConn) Err() error                                  { return nil }

func (c *otherConn) Close() error {
	c.once.Do(func() {
		close(c.done)
		c.mu.Lock()
		defer c.mu.Unlock()
		for _, p := range c.pipes {
			p.Close()
		}
	})
	return nil
}

// likeOpenSSH offers fsync@openssh.com with a server that has no such thing.
type likeOpenSSH struct {
	net.Conn
	version []byte // the first frame, as far as it is not read; nil before
}

func (c *likeOpenSSH) Read(p []byte) (int, error) {
	if c.version == nil {
		head := make([]byte, 4)
		if _, err := io.ReadFull(c.Conn, head); err != nil {
			return 0, err
		}
		frame := make([]byte, binary.BigEndian.Uint32(head))
		if _, err := io.ReadFull(c.Conn, frame); err != nil {
			return 0, err
		}
		for _, field := range []string{sftpc.ExtFsync, "1"} {
			frame = append(binary.BigEndian.AppendUint32(frame, uint32(len(field))), field...)
		}
		c.version = append(binary.BigEndian.AppendUint32(nil, uint32(len(frame))), frame...)
	}
	if len(c.version) > 0 {
		n := copy(p, c.version)
		c.version = c.version[n:]
		return n, nil
	}
	return c.Conn.Read(p)
}

// TestOtherServer_orderIsKept writes, changes sizes and times, on a server that
// does not keep the order of requests by itself, whatever extensions it offers.
func TestOtherServer_orderIsKept(t *testing.T) {
	t.Run("as it is", func(t *testing.T) { orderIsKept(t, false) })
	t.Run("with fsync", func(t *testing.T) { orderIsKept(t, true) })
}

func orderIsKept(t *testing.T, withFsync bool) {
	testenv.NoLeaks(t)
	s := &otherServer{dir: t.TempDir(), withFsync: withFsync}
	o := quick()
	o.Dialer = s
	r := remote.New(o)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		r.Close(ctx)
		s.kill()
		s.wg.Wait()
	})
	check(t, r.Connect(t.Context(), false))
	for i := range 12 {
		name := fmt.Sprint("f", i)
		want := random(uint64(i), 300_000+i*1000)
		f, _, err := r.Open(t.Context(), name, remote.OpenFlags{Write: true, Create: true, Truncate: true}, 0o644)
		check(t, err)
		check(t, writeAll(t.Context(), f, bytes.Repeat([]byte{1}, 400_000), 50_000))
		check(t, f.Setstat(t.Context(), remote.Attrs{Valid: sftpc.AttrSize, Size: 1000}))
		check(t, writeAll(t.Context(), f, want, 30_000))
		if i%5 == 2 {
			s.kill()
		}
		check(t, f.Setstat(t.Context(), remote.Attrs{Valid: sftpc.AttrTimes, Mtime: 1e9, Atime: 1e9}))
		a, err := f.Close(t.Context())
		check(t, err)
		if a.Valid != 0 && (a.Size != uint64(len(want)) || a.Mtime != 1e9) {
			t.Errorf("close gave %+v", a)
		}
		got, err := os.ReadFile(filepath.Join(s.dir, name))
		check(t, err)
		same(t, name, got, want)
		st, err := os.Stat(filepath.Join(s.dir, name))
		check(t, err)
		if st.ModTime().Unix() != 1e9 {
			t.Errorf("mtime of %s is %v", name, st.ModTime())
		}
		g, _, err := r.Open(t.Context(), name, forRead, 0)
		check(t, err)
		read, err := readAll(t.Context(), g, len(want), 100_000, 4)
		check(t, err)
		same(t, "read", read, want)
		g.Close(t.Context())
	}
}

// TestOtherServer_waits: what must keep its order waits for the answers before it, one
// after the other, where the server is not known to keep the order.
func TestOtherServer_waits(t *testing.T) {
	for unordered, want := range map[bool]int{false: 2, true: 5} {
		synctest.Test(t, func(t *testing.T) {
			g := newRig(t, testenv.CountOptions{Delay: 5 * time.Millisecond, Unordered: unordered}, quick())
			rounds := g.server.Rounds(func() {
				f := g.open("f", forWrite)
				check(t, f.WriteAt(t.Context(), []byte("data"), 0))
				check(t, f.Setstat(t.Context(), remote.Attrs{Valid: sftpc.AttrTimes, Mtime: 1e9, Atime: 1e9}))
				_, err := f.Close(t.Context())
				check(t, err)
			})
			if rounds.Depth != want {
				t.Errorf("%d round trips, want %d (%v)", rounds.Depth, want, rounds.Requests)
			}
		})
	}
}

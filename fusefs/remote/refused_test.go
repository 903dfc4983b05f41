package remote_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"sshfs-bridge/e2e/testenv"
	"sshfs-bridge/fusefs/remote"
	"sshfs-bridge/fusefs/sftp"
	"sshfs-bridge/fusefs/sshdial"
)

// TestReopen_refusedForAWhile has a server that is back and does not open files yet: its
// account's home is not mounted, or too many files are open. Nothing changed, so
// both the reader and the writer go on.
func TestReopen_refusedForAWhile(t *testing.T) {
	for name, status := range map[string]uint32{"failure": sftp.StatusFailure, "permission denied": sftp.StatusPermissionDenied} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := newRig(t, testenv.CountOptions{}, quick())
				data := random(1, 4<<20)
				g.put("in", data)
				reader, writer := g.open("in", forRead), g.open("out", forWrite)
				check(t, writeAll(t.Context(), writer, data[:1<<20], 1<<20))
				g.server.Inject(testenv.Fault{Kind: testenv.FaultStatus, Op: "open", Status: status, Times: 4})
				g.server.Break()
				check(t, writer.WriteAt(t.Context(), data[1<<20:], 1<<20))
				got, err := readAll(t.Context(), reader, len(data), 1<<20, 4)
				check(t, err)
				same(t, "read", got, data)
				_, err = writer.Close(t.Context())
				check(t, err)
				same(t, "written", g.onServer("out"), data)
				reader.Close(t.Context())
			})
		})
	}
}

// TestReopen_refusedForLong ends when an operation's patience does, which is not yet
// the end of the file.
func TestReopen_refusedForLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, testenv.CountOptions{}, quick())
		g.put("f", random(1, 1000))
		f := g.open("f", forRead)
		_, allow := g.server.Inject(testenv.Fault{Kind: testenv.FaultStatus, Op: "open", Status: sftp.StatusPermissionDenied})
		g.server.Break()
		start := time.Now()
		_, err := f.ReadAt(t.Context(), make([]byte, 1000), 0)
		if !errors.Is(err, remote.ErrTimeout) || isAnswer(err) {
			t.Errorf("read: %v", err)
		}
		if d := time.Since(start); d < 30*time.Second || d > 35*time.Second {
			t.Errorf("it took %v", d)
		}
		allow()
		_, err = f.ReadAt(t.Context(), make([]byte, 1000), 0)
		check(t, err)
		f.Close(t.Context())
	})
}

// A server that ends the session at each attempt to open the file again does not keep
// its reader for ever, nor the link of everybody else.
func TestReopen_endsTheSessionEachTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, testenv.CountOptions{Delay: 25 * time.Millisecond}, quick())
		g.put("f", []byte("data"))
		f := g.open("f", forRead)
		_, remove := g.server.Inject(testenv.Fault{Kind: testenv.FaultEOF, Op: "open", Path: "f"})
		g.server.Break()
		start := time.Now()
		_, err := f.ReadAt(t.Context(), make([]byte, 4), 0)
		if d := time.Since(start); err == nil || d > time.Minute {
			t.Errorf("%v after %v", err, d)
		}
		remove()
		f.Close(t.Context())
	})
}

// A server that has no SFTP is not asked again; one that had it, and cannot start it at the
// moment of a reconnect, is.
func TestReconnect_sftpCannotBeStartedForAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var none atomic.Bool
		g := unconnectedBy(t, testenv.CountOptions{}, quick(), func(d *rigDialer) remote.Dialer {
			return dialFunc(func(ctx context.Context, interactive bool) (remote.Conn, error) {
				if none.Load() {
					return nil, fmt.Errorf("start session: %w", sshdial.ErrNoSFTP)
				}
				return d.Dial(ctx, interactive)
			})
		})
		none.Store(true)
		if err := g.Connect(t.Context(), false); !errors.Is(err, sshdial.ErrNoSFTP) {
			t.Fatalf("connect: %v", err)
		}
		g.eventually(remote.StateDown)
		none.Store(false)
		check(t, g.Connect(t.Context(), false))
		none.Store(true)
		g.server.Break()
		g.eventually(remote.StateDegraded)
		time.Sleep(10 * time.Second)
		none.Store(false)
		g.eventually(remote.StateUp)
	})
}

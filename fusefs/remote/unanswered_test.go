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

// thawing makes the server speak again before it dials it.
type thawing struct{ *rigDialer }

func (d thawing) Dial(ctx context.Context, interactive bool) (remote.Conn, error) {
	d.server.Resume()
	return d.rigDialer.Dial(ctx, interactive)
}

// TestFault_serverFreezesAtARequest has one request on an open file freeze the whole
// server each time, until the connection is given up and made again. Who waits for it is
// told after DataTimeout without an answer, however many connections that are.
func TestFault_serverFreezesAtARequest(t *testing.T) {
	for op, use := range map[string]func(ctx context.Context, f *remote.File) error{
		"fsync": func(ctx context.Context, f *remote.File) error { _, err := f.Sync(ctx); return err },
		"write": func(ctx context.Context, f *remote.File) error {
			check(t, f.WriteAt(ctx, []byte("data"), 0))
			_, err := f.Flush(ctx)
			return err
		},
		"read": func(ctx context.Context, f *remote.File) error {
			_, err := f.ReadAt(ctx, make([]byte, 4), 0)
			return err
		},
	} {
		t.Run(op, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var g *rig
				so := testenv.CountOptions{Delay: time.Millisecond, OnRequest: func(got, _ string) {
					if got == op {
						g.server.Stall()
					}
				}}
				g = unconnectedBy(t, so, remote.Options{}, func(d *rigDialer) remote.Dialer { return thawing{d} })
				check(t, g.Connect(t.Context(), false))
				g.put("f", []byte("some"))
				f := g.open("f", remote.OpenFlags{Read: true, Write: true})
				start := time.Now()
				if err := use(t.Context(), f); !errors.Is(err, remote.ErrTimeout) {
					t.Errorf("after %v: %v", time.Since(start), err)
				}
				if d := time.Since(start); d < 30*time.Second || d > 50*time.Second {
					t.Errorf("it took %v, on %d connections", d, g.Counters().Dials)
				}
			})
		})
	}
}

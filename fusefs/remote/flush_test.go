package remote_test

import (
	"testing"
	"testing/synctest"

	"sshfs-bridge/e2e/testenv"
	"sshfs-bridge/fusefs/remote"
)

// TestFlush_alwaysShowsTheFile loses the connection at each request of a close: who
// is told that it worked is told how large the file is.
func TestFlush_alwaysShowsTheFile(t *testing.T) {
	for _, op := range []string{"open", "write", "fsetstat", "fstat", "close"} {
		for when, kind := range map[string]testenv.FaultKind{"before": testenv.FaultBreakBefore, "after": testenv.FaultBreakAfter} {
			for _, end := range []string{"flush", "close"} {
				t.Run(op+" lost "+when+" at "+end, func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						g := newRig(t, testenv.CountOptions{}, quick())
						g.server.Inject(testenv.Fault{Kind: kind, Op: op, Times: 1})
						f := g.open("f", forWrite)
						want := random(1, 700_000)
						check(t, writeAll(t.Context(), f, want, 100_000))
						check(t, f.Setstat(t.Context(), remote.Attrs{Valid: 8, Atime: 5, Mtime: 5}))
						a, err := remote.Attrs{}, error(nil)
						if end == "flush" {
							a, err = f.Flush(t.Context())
							defer f.Close(t.Context())
						} else {
							a, err = f.Close(t.Context())
						}
						if err != nil || a.Size != uint64(len(want)) || a.Mtime != 5 {
							t.Errorf("gave %+v, %v", a, err)
						}
						same(t, "on the server", g.onServer("f"), want)
					})
				})
			}
		}
	}
}

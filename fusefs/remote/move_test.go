package remote_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sshfs-bridge/e2e/testenv"
	"sshfs-bridge/fusefs/remote"
)

// TestMove_writesStayInTheirFile loses the answer to a rename or remove of a file that
// is being written. What has its name afterwards looks as it could look itself, and
// none of its writes may go there: they go on where the file is, if it has a name.
func TestMove_writesStayInTheirFile(t *testing.T) {
	replace := func(ctx context.Context, g *rig) error { return g.Rename(ctx, "other", "f") }
	for name, c := range map[string]struct {
		op    string
		fault testenv.FaultKind
		move  func(ctx context.Context, g *rig) error
		known bool   // what became of it is found out in time
		away  bool   // somebody else makes another file of the name
		goes  string // where the file is then
	}{
		"replaced, the connection is lost": {"posix-rename", testenv.FaultBreakAfter, replace, true, false, ""},
		"replaced, the answer never comes": {"posix-rename", testenv.FaultNoReply, replace, false, false, ""},
		"removed, the answer never comes": {"remove", testenv.FaultNoReply, func(ctx context.Context, g *rig) error {
			return g.Remove(ctx, "f")
		}, false, true, ""},
		"renamed, the answer never comes": {"posix-rename", testenv.FaultNoReply, func(ctx context.Context, g *rig) error {
			return g.Rename(ctx, "f", "g")
		}, false, true, "g"},
		"not renamed, as it never came": {"posix-rename", testenv.FaultSwallow, func(ctx context.Context, g *rig) error {
			return g.Rename(ctx, "f", "g")
		}, false, false, "f"},
		"not replaced, as it never came": {"posix-rename", testenv.FaultSwallow, replace, false, false, "f"},
		"not removed, as it never came": {"remove", testenv.FaultSwallow, func(ctx context.Context, g *rig) error {
			return g.Remove(ctx, "f")
		}, false, false, "f"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := newRig(t, testenv.CountOptions{Delay: 5 * time.Millisecond}, quick())
				other := random(1, 100_000)
				g.put("other", other)
				f := g.open("f", forWrite)
				want := random(2, len(other))
				check(t, f.WriteAt(t.Context(), want, 0))
				time.Sleep(time.Second)
				g.server.Inject(testenv.Fault{Kind: c.fault, Op: c.op, Times: 1})
				var group sync.WaitGroup
				group.Go(func() {
					if err := c.move(t.Context(), g); c.known != (err == nil) {
						t.Error(err)
					}
				})
				time.Sleep(20 * time.Millisecond)
				check(t, f.WriteAt(t.Context(), []byte("mine"), 10))
				group.Wait()
				time.Sleep(3 * time.Second) // it is looked for behind
				if c.away {
					g.put("f", other)
				}
				if c.goes == "f" { // once it was seen by its handle it is known
					_, err := f.Flush(t.Context())
					check(t, err)
				}
				g.server.Break()
				_ = f.WriteAt(t.Context(), []byte("mine"), 20) // it may have been told by now
				_, err := f.Close(t.Context())
				if c.goes == "" && !errors.Is(err, remote.ErrChanged) || c.goes != "" && err != nil {
					t.Errorf("close: %v", err)
				}
				if c.goes != "" {
					copy(want[10:], "mine")
					copy(want[20:], "mine")
					same(t, "the file", g.onServer(c.goes), want)
				}
				if c.goes != "f" {
					same(t, "the other file", g.onServer("f"), other)
				}
			})
		})
	}
}

// TestMove_fileGoesOnUnderItsNewName loses the answer to a rename of a file that is being
// written, and with it the file's handle.
func TestMove_fileGoesOnUnderItsNewName(t *testing.T) {
	for name, c := range map[string]struct{ from, to, file, after string }{
		"the file":         {"d/f", "d/g", "d/f", "d/g"},
		"its directory":    {"d", "e", "d/f", "e/f"},
		"over another one": {"d/f", "d/old", "d/f", "d/old"},
	} {
		for when, kind := range map[string]testenv.FaultKind{"before": testenv.FaultBreakBefore, "after": testenv.FaultBreakAfter} {
			t.Run(name+", lost "+when, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					g := newRig(t, testenv.CountOptions{Delay: 5 * time.Millisecond}, quick())
					check(t, os.Mkdir(filepath.Join(g.dir, "d"), 0o755))
					g.put("d/old", nil)
					f := g.open(c.file, forWrite)
					want := random(1, 300_000)
					check(t, f.WriteAt(t.Context(), want[:100_000], 0))
					time.Sleep(time.Second)
					g.server.Inject(testenv.Fault{Kind: kind, Op: "posix-rename", Times: 1})
					var group sync.WaitGroup
					group.Go(func() { check(t, g.Rename(t.Context(), c.from, c.to)) })
					time.Sleep(5 * time.Millisecond)
					check(t, f.WriteAt(t.Context(), want[100_000:], 100_000))
					_, err := f.Close(t.Context())
					check(t, err)
					group.Wait()
					same(t, "the file", g.onServer(c.after), want)
				})
			})
		}
	}
}

// TestMove_whileItIsStriped replaces a file while it is opened on further channels.
func TestMove_whileItIsStriped(t *testing.T) {
	for pause := 20 * time.Millisecond; pause < 100*time.Millisecond; pause += 20 * time.Millisecond {
		synctest.Test(t, func(t *testing.T) {
			g := newRig(t, testenv.CountOptions{Delay: 50 * time.Millisecond, Settle: -1, Window: 2 << 20}, quick())
			other := random(1, 3<<20)
			g.put("other", other)
			f := g.open("f", forWrite)
			var group sync.WaitGroup
			group.Go(func() {
				check(t, writeAll(t.Context(), f, random(2, 32<<20), 1<<20))
				_, err := f.Close(t.Context())
				check(t, err)
			})
			time.Sleep(pause)
			check(t, g.Rename(t.Context(), "other", "f"))
			group.Wait()
			same(t, "what replaced it", g.onServer("f"), other)
		})
	}
}

// TestMove_unknownOutcome: a reader goes on after a rename of which nobody knows whether
// it happened, where it did not.
func TestMove_unknownOutcome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, testenv.CountOptions{Delay: 5 * time.Millisecond}, quick())
		g.put("f", []byte("what it was"))
		g.put("other", []byte("another one"))
		check(t, os.Chtimes(filepath.Join(g.dir, "other"), time.Unix(1, 0), time.Unix(1, 0)))
		f := g.open("f", forRead)
		g.server.Inject(testenv.Fault{Kind: testenv.FaultSwallow, Op: "posix-rename", Times: 1})
		if err := g.Rename(t.Context(), "other", "f"); !errors.Is(err, remote.ErrTimeout) {
			t.Errorf("rename: %v", err)
		}
		g.server.Break()
		got, err := readAll(t.Context(), f, 11, 11, 1)
		check(t, err)
		same(t, "read", got, []byte("what it was"))
		_, err = f.Close(t.Context())
		check(t, err)
	})
}

// TestMove_openMeanwhile opens a name of which nobody knows what it means.
func TestMove_openMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, testenv.CountOptions{Delay: 5 * time.Millisecond}, quick())
		other := random(1, 100_000)
		g.put("other", other)
		w := g.open("f", forWrite)
		check(t, w.WriteAt(t.Context(), random(2, len(other)), 0))
		time.Sleep(time.Second)
		g.server.Inject(testenv.Fault{Kind: testenv.FaultNoReply, Op: "posix-rename", Times: 1})
		var group sync.WaitGroup
		group.Go(func() {
			if err := g.Rename(t.Context(), "other", "f"); !errors.Is(err, remote.ErrTimeout) { // it happens
				t.Errorf("rename: %v", err)
			}
		})
		time.Sleep(20 * time.Millisecond)
		check(t, w.WriteAt(t.Context(), []byte("mine"), 10))
		time.Sleep(3 * time.Second)
		f := g.open("f", forRead) // what replaced it
		group.Wait()
		time.Sleep(3 * time.Second)
		g.server.Break()
		got, err := readAll(t.Context(), f, len(other), len(other), 1)
		check(t, err)
		same(t, "read", got, other)
		_, err = f.Close(t.Context())
		check(t, err)
		_, _ = w.Close(t.Context()) // it has no name any more
	})
}

// TestMove_aCopyGoesOn renames the folder into which a file is being copied, in a silence
// that is longer than a rename waits.
func TestMove_aCopyGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, testenv.CountOptions{Delay: time.Millisecond, Settle: -1}, remote.Options{})
		check(t, os.Mkdir(filepath.Join(g.dir, "d"), 0o755))
		f := g.open("d/f", forWrite)
		want := random(1, 8<<20)
		check(t, writeAll(t.Context(), f, want[:4<<20], 1<<20))
		g.server.Stall()
		var group sync.WaitGroup
		group.Go(func() {
			for off := 4 << 20; off < len(want); off += 1 << 20 {
				check(t, f.WriteAt(t.Context(), want[off:off+1<<20], int64(off)))
			}
		})
		time.Sleep(100 * time.Millisecond)
		if err := g.Rename(t.Context(), "d", "e"); !errors.Is(err, remote.ErrTimeout) {
			t.Errorf("rename: %v", err)
		}
		time.Sleep(20 * time.Second)
		g.server.Break()
		g.server.Resume()
		group.Wait()
		_, err := f.Close(t.Context())
		check(t, err)
		same(t, "the copy", g.onServer("d/f"), want)
	})
}

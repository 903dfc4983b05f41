package remote_test

import (
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sshfs-bridge/e2e/testenv"
	"sshfs-bridge/fusefs/remote"
	"sshfs-bridge/fusefs/sftp"
)

// longWay is a link on which the windows of the channels are what limits.
func longWay() testenv.CountOptions {
	return testenv.CountOptions{Delay: 15 * time.Millisecond, Settle: -1, Window: 2 << 20}
}

func TestStripe_aStreamGrowsAndIsRight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, longWay(), quick())
		data := random(1, 24<<20)
		g.put("f", data)
		f := g.open("f", forRead)
		got, err := readAll(t.Context(), f, len(data), 1<<20, 32)
		if err != nil {
			t.Fatal(err)
		}
		same(t, "read", got, data)
		f.Close(t.Context())
		f = g.open("out", forWrite)
		check(t, writeAll(t.Context(), f, data, 1<<20))
		if _, err := f.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		same(t, "written", g.onServer("out"), data)
		if s := g.Status(); s.Channels < 4 || s.Counters.Waits == 0 {
			t.Errorf("the link did not grow: %+v", s)
		}
	})
}

func TestStripe_smallFilesDoNot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, longWay(), quick())
		data := random(1, 2<<20)
		g.put("f", data)
		r := g.server.Rounds(func() {
			for range 10 {
				f := g.open("f", forRead)
				if _, err := readAll(t.Context(), f, len(data), 1<<20, 4); err != nil {
					t.Error(err)
				}
				f.Close(t.Context())
			}
		})
		if r.Requests["open"] != 10 {
			t.Errorf("opened %d times", r.Requests["open"])
		}
	})
}

func TestStripe_interrupted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, longWay(), quick())
		data := random(2, 32<<20)
		f := g.open("f", forWrite)
		const breaks = 5
		opened := func() uint64 { return g.Counters().Requests["open"] }
		for off, before := 0, opened(); off < len(data); off += 1 << 20 {
			check(t, f.WriteAt(t.Context(), data[off:off+1<<20], int64(off)))
			if (off+1<<20)%(len(data)/breaks&^(1<<20-1)) == 0 {
				testenv.Eventually(t, 10*time.Second, "the file is striped", func() bool { return opened() >= before+2 })
				before = opened()
				g.server.Break()
			}
			if off == 16<<20 { // a change of attributes in the middle
				check(t, f.Setstat(t.Context(), remote.Attrs{Valid: sftp.AttrMode, Mode: 0o600}))
			}
		}
		check(t, f.Setstat(t.Context(), remote.Attrs{Valid: sftp.AttrTimes, Mtime: 12345, Atime: 12345}))
		a, err := f.Close(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if c := g.Counters(); c.Reconnects != breaks || c.Resent == 0 {
			t.Errorf("%d connections made again, %d writes sent again", c.Reconnects, c.Resent)
		}
		if a.Valid != 0 && (a.Mtime != 12345 || a.Size != uint64(len(data))) {
			t.Errorf("close gave %+v", a)
		}
		same(t, "written", g.onServer("f"), data)
		st, err := os.Stat(filepath.Join(g.dir, "f"))
		check(t, err)
		if st.Mode().Perm() != 0o600 || st.ModTime().Unix() != 12345 {
			t.Errorf("mode %v, mtime %v", st.Mode(), st.ModTime())
		}
	})
}

func TestStripe_oneConnectionOfSeveralIsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := quick()
		o.MaxChannels = 2
		g := newRig(t, longWay(), o)
		data := random(3, 24<<20)
		g.put("f", data)
		f := g.open("f", forRead)
		var conns []*testenv.CountConn
		for try := 0; len(conns) < 2; try++ {
			if try > 5 {
				t.Fatal("no second connection was made")
			}
			warm, err := readAll(t.Context(), f, len(data), 1<<20, 48)
			check(t, err)
			same(t, "before", warm, data)
			g.dialer.mu.Lock()
			conns = g.dialer.conns
			g.dialer.mu.Unlock()
		}
		time.AfterFunc(30*time.Millisecond, conns[len(conns)-1].Kill)
		got, err := readAll(t.Context(), f, len(data), 1<<20, 48)
		if err != nil {
			t.Fatal(err)
		}
		same(t, "read", got, data)
		if s := g.Status(); s.Counters.Reconnects != 0 {
			t.Errorf("the whole link was lost: %+v", s.Counters)
		}
		f.Close(t.Context())
	})
}

func TestStripe_metadataDoesNotQueueBehindData(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, longWay(), quick())
		data := random(4, 16<<20)
		g.put("f", data)
		g.put("small", []byte("x"))
		var wg sync.WaitGroup
		f := g.open("f", forRead)
		wg.Go(func() {
			for range 2 {
				if _, err := readAll(t.Context(), f, len(data), 1<<20, 64); err != nil {
					t.Error(err)
				}
			}
		})
		done := make(chan struct{})
		go func() { wg.Wait(); close(done) }()
		var all []time.Duration
		for running := true; running; {
			select {
			case <-done:
				running = false
			default:
			}
			start := time.Now()
			if _, err := g.Lstat(t.Context(), "small"); err != nil {
				t.Error(err)
			}
			all = append(all, time.Since(start))
		}
		var sum time.Duration
		for _, d := range all {
			sum += d
		}
		if mean := sum / time.Duration(len(all)); mean > 33*time.Millisecond {
			t.Errorf("a stat took %v on average beside a stream, over a way of 30ms", mean)
		}
		f.Close(t.Context())
	})
}

func TestStripe_overlappingWritesKeepTheirOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, longWay(), quick())
		f := g.open("f", remote.OpenFlags{Read: true, Write: true, Create: true})
		want := random(5, 12<<20)
		check(t, writeAll(t.Context(), f, want, 1<<20))
		for i := range 200 {
			part := random(uint64(i), 10_000+i*100)
			off := (i * 7919 * 1000) % (len(want) - len(part))
			if i%3 == 0 {
				off = 5 << 20 // again and again
			}
			copy(want[off:], part)
			check(t, f.WriteAt(t.Context(), part, int64(off)))
			if i%50 == 25 {
				g.server.Break()
			}
			if i%40 == 39 { // what was written is read, acknowledged or not
				got := make([]byte, len(part))
				if _, err := f.ReadAt(t.Context(), got, int64(off)); err != nil {
					t.Fatal(err)
				}
				same(t, "read back", got, part)
			}
		}
		if _, err := f.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		same(t, "written", g.onServer("f"), want)
	})
}

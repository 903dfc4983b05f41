package remote_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"time"

	"sshfs-bridge/e2e/testenv"
	"sshfs-bridge/fusefs/remote"
)

// readOne reads one of the finished files, as a stream or here and there.
func (s *soak) readOne(ctx context.Context, r *rand.Rand) {
	s.mu.Lock()
	k := s.kept[r.IntN(len(s.kept))]
	s.mu.Unlock()
	var (
		f *remote.File
		a remote.Attrs
	)
	err := s.persist(ctx, "open", func() error {
		var err error
		f, a, err = s.Open(ctx, k.name, forRead, 0)
		return err
	})
	if errors.Is(err, fs.ErrNotExist) && !s.keeps(k.name) {
		return // removed meanwhile
	}
	if err != nil {
		s.t.Errorf("open %s: %v", k.name, err)
		return
	}
	defer f.Close(ctx)
	if a.Size != uint64(len(k.data)) {
		s.t.Errorf("%s: %d bytes, not %d", k.name, a.Size, len(k.data))
	}
	from, to := 0, len(k.data)
	if r.IntN(2) == 0 && to > 0 {
		from = r.IntN(to)
		to = from + min(to-from, 1+r.IntN(1<<20))
	}
	own := int64(len(k.data) + to - from) // the file may be removed meanwhile
	s.own.Add(own)
	defer s.own.Add(-own)
	got := make([]byte, to-from)
	for off := 0; off < len(got) && err == nil; off += 1 << 20 {
		_, err = f.ReadAt(ctx, got[off:min(off+1<<20, len(got))], int64(from+off))
	}
	if err != nil {
		// A file that was removed ends with its session.
		if !errors.Is(err, remote.ErrChanged) || s.keeps(k.name) {
			s.t.Errorf("read of %s: %v", k.name, err)
		}
		return
	}
	same(s.t, fmt.Sprint(k.name, " from ", from), got, k.data[from:to])
	s.read.Add(1)
	s.readBytes.Add(int64(len(got)))
}

func (s *soak) keeps(name string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.ContainsFunc(s.kept, func(k keptFile) bool { return k.name == name })
}

// look asks what Finder asks, and takes the measurements.
func (s *soak) look(ctx context.Context, _ *rand.Rand) {
	err := s.persist(ctx, "listing", func() error {
		entries, err := s.ReadDir(ctx, "")
		if err == nil && !slices.ContainsFunc(entries, func(e remote.Entry) bool { return e.Name == "source" }) {
			err = fmt.Errorf("a file is missing among %d: %+v", len(entries), entries)
		}
		return err
	})
	if err != nil {
		s.t.Errorf("listing: %v", err)
	}
	if err := s.persist(ctx, "lstat", func() error {
		_, err := s.Lstat(ctx, "source")
		return err
	}); err != nil {
		s.t.Errorf("lstat: %v", err)
	}
	s.routines = max(s.routines, int64(runtime.NumGoroutine()))
	s.pending = max(s.pending, s.Status().PendingBytes)
	if s.pending > 64<<20 {
		s.t.Errorf("%d bytes pending", s.pending)
	}
	if s.routines > 1000 {
		s.t.Errorf("%d goroutines", s.routines)
	}
	wait(ctx, 50*time.Millisecond)
}

func wait(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

// faultCounts are the faults of a run, by name.
type faultCounts map[string]int

func (c faultCounts) total() int {
	n := 0
	for _, times := range c {
		n += times
	}
	return n
}

func (c faultCounts) String() string {
	var all []string
	for name, times := range c {
		all = append(all, fmt.Sprint(name, " ", times))
	}
	slices.Sort(all)
	return "(" + strings.Join(all, ", ") + ")"
}

// breakThings does one fault after the other until ctx ends, and leaves nothing
// broken. It runs in the test's goroutine, as SSHD asks.
func (s *soak) breakThings(ctx context.Context, r *rand.Rand) faultCounts {
	s.t.Helper()
	p := s.proxy
	direction := func() testenv.Direction { return testenv.Direction(r.IntN(2)) }
	during := func(begin, end func()) {
		begin()
		wait(ctx, time.Duration(r.Int64N(int64(s.longest))))
		end()
	}
	faults := []struct {
		name string
		do   func()
	}{
		{"reset", p.Reset},
		{"reset at a byte", func() { p.ResetAfter(direction(), r.Int64N(8<<20)) }},
		{"flipped bit", func() { p.Corrupt(direction(), r.Int64N(8<<20)) }},
		{"half-open", p.HalfOpen},
		{"silence", func() { during(p.StallBoth, p.ResumeBoth) }},
		{"silence one way", func() { during(func() { p.Stall(direction()) }, p.ResumeBoth) }},
		{"no way in", func() {
			during(func() {
				p.Refuse()
				p.Reset()
			}, func() { p.Accept(s.t) })
		}},
		{"ways that lead nowhere", func() {
			during(func() {
				p.Blackout(true)
				p.Reset()
			}, func() {
				p.Blackout(false)
				p.Reset()
			})
		}},
		{"delay", func() { p.SetDelay(time.Duration(r.Int64N(int64(30 * time.Millisecond)))) }},
		{"slow link", func() {
			d := direction()
			during(func() { p.SetRate(d, 1<<20) }, func() { p.SetRate(d, 0) })
		}},
		{"sessions killed", s.sshd.KillSessions},
		{"sshd killed", func() { during(s.sshd.Stop, s.sshd.Start) }},
		{"sshd frozen", func() { during(s.sshd.Freeze, s.sshd.Thaw) }},
	}
	counts := make(faultCounts)
	deck := []int{0} // the first is a reset: then all others come, once each, and so on
	for ctx.Err() == nil && !s.t.Failed() {
		wait(ctx, s.rest+time.Duration(r.Int64N(int64(3*s.rest))))
		f := faults[deck[0]]
		if deck = deck[1:]; len(deck) == 0 {
			deck = r.Perm(len(faults))
		}
		counts[f.name]++
		if s.longest > time.Second {
			s.t.Logf("%s: %s", time.Now().Format("15:04:05.000"), f.name)
		}
		f.do()
	}
	p.ResetAfter(testenv.ToServer, -1)
	p.ResetAfter(testenv.ToClient, -1)
	p.Corrupt(testenv.ToServer, -1)
	p.Corrupt(testenv.ToClient, -1)
	p.SetDelay(time.Millisecond)
	return counts
}

package remote_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sshfs-bridge/e2e/testenv"
	"sshfs-bridge/fusefs/remote"
)

// TestSoak copies, saves and reads files while the link and the server break at
// random, for BRIDGE_SOAK (a duration; five seconds without it; make soak gives ten
// minutes). Every byte that was acknowledged is compared, nothing may hang, and memory
// stays within its bound. BRIDGE_SOAK_SEED repeats a run's choices.
func TestSoak(t *testing.T) {
	span := 5 * time.Second
	if v := os.Getenv("BRIDGE_SOAK"); v != "" {
		var err error
		span, err = time.ParseDuration(v)
		check(t, err)
	}
	seed := uint64(time.Now().UnixNano())
	if v := os.Getenv("BRIDGE_SOAK_SEED"); v != "" {
		var err error
		seed, err = strconv.ParseUint(v, 10, 64)
		check(t, err)
	}
	t.Logf("BRIDGE_SOAK=%v BRIDGE_SOAK_SEED=%d", span, seed)
	s := &soak{size: 16 << 20, longest: 6 * time.Second, rest: time.Second}
	o := remote.Options{KeepaliveInterval: time.Second, BackoffMax: time.Second}
	if span < time.Minute {
		s.size, s.longest, s.rest = 4<<20, 300*time.Millisecond, 100*time.Millisecond
		o = quick()
		o.DialTimeout = 3 * time.Second // a dial may be what meets silence
	}
	s.options = o
	s.real = newRealAway(t, testenv.SSHDOptions{}, o, 4*time.Millisecond)
	s.run(span, seed)
}

// soak is what the writers, readers and faults of one run share.
type soak struct {
	*real
	options remote.Options
	size    int           // the largest file
	longest time.Duration // of a fault: an open file must outlast two in a row
	rest    time.Duration // between two, and up to four times as long

	names                        atomic.Int64 // files named so far
	copied, saved, read, refused atomic.Int64
	copiedBytes, readBytes       atomic.Int64
	slowest                      atomic.Int64 // operation on a path, nanoseconds
	own                          atomic.Int64 // bytes that the run itself holds
	pending, routines            int64        // the most that was seen

	mu   sync.Mutex
	kept []keptFile // finished files, compared again and again; GUARDED_BY(mu)
}

// keptFile is a file that was acknowledged as a whole.
type keptFile struct {
	name string
	data []byte
}

func (s *soak) run(span time.Duration, seed uint64) {
	s.t.Helper()
	source := random(seed, s.size)
	check(s.t, os.WriteFile(s.file("source"), source, 0o644))
	s.kept = []keptFile{{"source", source}}
	heapBefore, most := heapInUse(), watchHeap(s.t, s.own.Load)
	ctx, cancel := context.WithTimeout(s.t.Context(), span)
	defer cancel()
	var wg sync.WaitGroup
	start := func(n uint64, f func(context.Context, *rand.Rand)) {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(seed, n))
			for ctx.Err() == nil && !s.t.Failed() {
				f(s.t.Context(), r) // what was begun is finished
			}
		})
	}
	for n, f := range []func(context.Context, *rand.Rand){s.copyOne, s.copyOne, s.saveOne, s.readOne, s.readOne, s.look} {
		start(uint64(n+1), f)
	}
	faults := s.breakThings(ctx, rand.New(rand.NewPCG(seed, 0)))
	wg.Wait()
	heap := most()
	withinBound(s.t, heap, s.options)
	testenv.Eventually(s.t, 30*time.Second, "up", func() bool { return s.Status().State == remote.StateUp })
	for _, k := range s.kept {
		got, err := os.ReadFile(s.file(k.name))
		check(s.t, err)
		same(s.t, k.name+" at the end", got, k.data)
	}
	st := s.Status()
	if st.PendingBytes != 0 || st.OpenFiles != 0 {
		s.t.Errorf("left over: %d bytes, %d files", st.PendingBytes, st.OpenFiles)
	}
	kept := int64(0)
	for _, k := range s.kept {
		kept += int64(len(k.data))
	}
	grown := heapInUse() - heapBefore - kept
	s.t.Logf("%d faults %v; %d copies (%d MB), %d saves, %d reads (%d MB), %d operations refused without a link, the slowest took %v",
		faults.total(), faults, s.copied.Load(), s.copiedBytes.Load()>>20, s.saved.Load(), s.read.Load(), s.readBytes.Load()>>20,
		s.refused.Load(), time.Duration(s.slowest.Load()).Round(time.Millisecond))
	s.t.Logf("%d reconnects, %d files opened again, %d writes sent again, %d answers found out; at most %d MB pending, %d MB of heap, %d goroutines; %d KB of heap more than before",
		st.Counters.Reconnects, st.Counters.Resumed, st.Counters.Resent, st.Counters.Settled, s.pending>>20, heap>>20, s.routines, grown>>10)
	if s.copied.Load() == 0 || s.saved.Load() == 0 || s.read.Load() == 0 || st.Counters.Reconnects == 0 {
		s.t.Error("a run in which nothing happened")
	}
	if grown > 64<<20 {
		s.t.Errorf("%d MB of heap are not given back", grown>>20)
	}
}

// fresh gives a name that nothing was ever asked of: what a session that was given
// up may still do concerns other files.
func (s *soak) fresh(what string) string { return fmt.Sprint(what, "-", s.names.Add(1)) }

// trouble says that an operation may fail so while there is no link.
func trouble(err error) bool {
	return errors.Is(err, remote.ErrLinkDown) || errors.Is(err, remote.ErrTimeout)
}

// persist does an operation on paths until it is no longer refused for want of a
// link, which it must be in time, and is not for long.
func (s *soak) persist(ctx context.Context, what string, op func() error) error {
	for began := time.Now(); ; {
		start := time.Now()
		err := op()
		took := time.Since(start)
		for old := s.slowest.Load(); int64(took) > old && !s.slowest.CompareAndSwap(old, int64(took)); old = s.slowest.Load() {
		}
		if took > 12*time.Second {
			s.t.Errorf("%s took %v", what, took)
		}
		if err == nil || !trouble(err) {
			return err
		}
		s.refused.Add(1)
		if time.Since(began) > 2*time.Minute {
			return fmt.Errorf("%s: no end of trouble: %w", what, err)
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// write makes a file of data under a new name, in pieces, and waits in between for
// what was written.
func (s *soak) write(ctx context.Context, r *rand.Rand, what string, data []byte) (string, bool) {
	var (
		name string
		f    *remote.File
	)
	err := s.persist(ctx, "create", func() error {
		var err error
		name = s.fresh(what)
		f, _, err = s.Open(ctx, name, remote.OpenFlags{Write: true, Create: true, Exclusive: true}, 0o644)
		return err
	})
	if err != nil {
		s.t.Errorf("create %s: %v", name, err)
		return "", false
	}
	for off := 0; off < len(data) && err == nil; {
		n := min(1+r.IntN(1<<20), len(data)-off)
		err = f.WriteAt(ctx, data[off:off+n], int64(off))
		off += n
		if err == nil && r.IntN(40) == 0 {
			_, err = f.Sync(ctx)
		}
	}
	if _, closed := f.Close(ctx); err == nil {
		err = closed
	}
	if err != nil {
		s.t.Errorf("write of %s (%d bytes): %v", name, len(data), err)
	}
	return name, err == nil
}

// copyOne writes a large file, which from then on must be what it is.
func (s *soak) copyOne(ctx context.Context, r *rand.Rand) {
	size := r.IntN(s.size)
	s.own.Add(2 * int64(size)) // what is read again, too
	defer s.own.Add(-int64(size))
	data := random(r.Uint64(), size)
	name, ok := s.write(ctx, r, "copy", data)
	if !ok {
		return
	}
	got, err := os.ReadFile(s.file(name))
	if err != nil {
		s.t.Error(err)
		return
	}
	same(s.t, name, got, data)
	s.copied.Add(1)
	s.copiedBytes.Add(int64(len(data)))
	s.keep(ctx, keptFile{name, data})
}

// keep adds a file to those that are read, and removes one when there are many.
func (s *soak) keep(ctx context.Context, k keptFile) {
	s.mu.Lock()
	s.kept = append(s.kept, k)
	var old keptFile
	if len(s.kept) > 8 {
		old = s.kept[1] // the first one stays: it is read while it is old
		s.kept = append(s.kept[:1], s.kept[2:]...)
	}
	s.mu.Unlock()
	s.own.Add(-int64(len(old.data)))
	if old.name == "" {
		return
	}
	if err := s.persist(ctx, "remove", func() error { return s.Remove(ctx, old.name) }); err != nil && !errors.Is(err, fs.ErrNotExist) {
		s.t.Errorf("remove %s: %v", old.name, err)
	}
}

// saveOne replaces a document, as programs save: a new file, then a rename.
func (s *soak) saveOne(ctx context.Context, r *rand.Rand) {
	data := random(r.Uint64(), r.IntN(100_000))
	name, ok := s.write(ctx, r, "save", data)
	if !ok {
		return
	}
	// After trouble it may have happened: then there is no such file any more.
	again := false
	err := s.persist(ctx, "rename", func() error {
		err := s.Rename(ctx, name, "document")
		if again && errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		again = true
		return err
	})
	if err != nil {
		s.t.Errorf("rename %s: %v", name, err)
		return
	}
	got, err := os.ReadFile(s.file("document"))
	if err != nil {
		s.t.Error(err)
		return
	}
	same(s.t, "document "+name, got, data)
	s.saved.Add(1)
}

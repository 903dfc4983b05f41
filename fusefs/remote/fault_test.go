package remote_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"sshfs-bridge/e2e/testenv"
	"sshfs-bridge/fusefs/remote"
	"sshfs-bridge/fusefs/sftp"
	"sshfs-bridge/fusefs/sshdial"
)

// quick are options under which a test does not wait for a lost connection for
// long.
func quick() remote.Options {
	return remote.Options{BackoffMin: 5 * time.Millisecond, BackoffMax: 100 * time.Millisecond, KeepaliveInterval: 300 * time.Millisecond}
}

// bulk is the size of a transfer that is broken again and again.
const bulk = 128 << 20

// TestFault_resetsDuringARead resets the connection at ten points of a large read,
// each while a READ is unanswered.
func TestFault_resetsDuringARead(t *testing.T) {
	o := small()
	g := newRig(t, testenv.CountOptions{}, o)
	data := random(1, bulk)
	g.put("f", data)
	f := g.open("f", forRead)
	allBroke := g.breakAt("read", 10)
	most := watchHeap(t, func() int64 { return 0 })
	got, err := readAll(t.Context(), f, bulk, 1<<20, 16)
	check(t, err)
	withinBound(t, most()-bulk, o) // what was read is the test's
	same(t, "read", got, data)
	allBroke()
	f.Close(t.Context())
}

// TestFault_resetsDuringAWrite resets the connection at ten points of a large write,
// each while a WRITE is unanswered: five were carried out, five were not.
func TestFault_resetsDuringAWrite(t *testing.T) {
	o := small()
	g := newRig(t, testenv.CountOptions{}, o)
	data := random(2, bulk)
	f := g.open("f", forWrite)
	allBroke := g.breakAt("write", 10)
	most := watchHeap(t, func() int64 { return 0 })
	check(t, writeAll(t.Context(), f, data, 1<<20))
	_, err := f.Close(t.Context())
	check(t, err)
	withinBound(t, most(), o)
	same(t, "on the server", g.onServer("f"), data)
	allBroke()
	s := g.Status()
	if s.PendingBytes != 0 || s.OpenFiles != 0 {
		t.Errorf("left over: %+v", s)
	}
	if s.Counters.Resent < 10 {
		t.Errorf("%d writes were sent again after 10 that were not answered", s.Counters.Resent)
	}
}

// breakAt resets all connections n times while a request of a kind is unanswered,
// at random points of the transfer of bulk bytes. allBroke checks that all of them
// came, and that the file went on after each.
func (g *rig) breakAt(op string, n int) (allBroke func()) {
	g.t.Helper()
	const packet = 255 << 10
	step := bulk / packet / (n + 1)
	r := rand.New(rand.NewPCG(1, uint64(len(op))))
	var hits []func() int
	for i := range n {
		kind := testenv.FaultBreakBefore
		if i%2 == 0 {
			kind = testenv.FaultBreakAfter
		}
		// Far enough from each other that a new connection is there in between.
		hit, _ := g.server.Inject(testenv.Fault{Kind: kind, Op: op, Skip: i*step + step/2 + r.IntN(step/2), Times: 1})
		hits = append(hits, hit)
	}
	return func() {
		g.t.Helper()
		broke := 0
		for _, hit := range hits {
			broke += hit()
		}
		if s := g.Status(); broke != n || s.Counters.Reconnects < uint64(n) || s.Counters.Resumed < uint64(n) {
			g.t.Errorf("%d resets of %d, %d connections made again, the file opened again %d times",
				broke, n, s.Counters.Reconnects, s.Counters.Resumed)
		}
	}
}

// breaker resets all connections whenever another step of bytes has come through.
type breaker struct {
	g    *rig
	step int

	mu          sync.Mutex
	done, count int
}

func (b *breaker) progress(n int) {
	b.mu.Lock()
	b.done += n
	due := b.done >= b.count*b.step+b.step/2
	if due {
		b.count++
	}
	b.mu.Unlock()
	if due {
		b.g.server.Break()
	}
}

// TestFault_thirtySecondsOfSilence has the times that users have.
func TestFault_thirtySecondsOfSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, testenv.CountOptions{Delay: time.Millisecond, Settle: -1}, remote.Options{})
		data := random(3, 16<<20)
		g.put("in", data)
		in, out := g.open("in", forRead), g.open("out", forWrite)
		var wg sync.WaitGroup
		started := make(chan struct{})
		var once sync.Once
		wg.Go(func() {
			buf := make([]byte, 1<<20)
			for off := int64(0); off < int64(len(data)); off += int64(len(buf)) {
				if _, err := in.ReadAt(t.Context(), buf, off); err != nil {
					t.Errorf("read at %d: %v", off, err)
					return
				}
				if err := out.WriteAt(t.Context(), buf, off); err != nil {
					t.Errorf("write at %d: %v", off, err)
					return
				}
				if off > 4<<20 {
					once.Do(func() { close(started) })
				}
			}
		})
		<-started
		g.server.Stall()
		silent := time.Now()
		slowest := time.Duration(0)
		for time.Since(silent) < 30*time.Second {
			start := time.Now()
			if _, err := g.Lstat(t.Context(), "in"); err == nil {
				t.Error("an answer while the server was silent")
			} else if !errors.Is(err, remote.ErrTimeout) && !errors.Is(err, remote.ErrLinkDown) {
				t.Errorf("while silent: %v", err)
			}
			slowest = max(slowest, time.Since(start))
			time.Sleep(100 * time.Millisecond)
		}
		if slowest > 5*time.Second {
			t.Errorf("an operation on a path took %v", slowest)
		}
		if s := g.Status().State; s != remote.StateDegraded {
			t.Errorf("state is %s after silence", s)
		}
		g.server.Resume()
		wg.Wait()
		if _, err := out.Close(t.Context()); err != nil {
			t.Error(err)
		}
		same(t, "copy", g.onServer("out"), data)
		in.Close(t.Context())
	})
}

func TestFault_aRequestThatIsNeverAnswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := quick()
		o.PathTimeout, o.DataTimeout = time.Second, 2*time.Second
		g := newRig(t, testenv.CountOptions{Delay: 5 * time.Millisecond, Settle: -1}, o)
		g.put("f", random(4, 4<<20))
		g.put("g", nil)
		g.server.Inject(testenv.Fault{Kind: testenv.FaultNoReply, Op: "lstat", Path: "g"})
		busy, done := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() {
			for busy.Err() == nil {
				if _, err := g.Lstat(t.Context(), "f"); err != nil {
					t.Errorf("another request failed: %v", err)
				}
			}
		})
		if _, err := g.Lstat(t.Context(), "g"); !errors.Is(err, remote.ErrTimeout) {
			t.Errorf("never answered: %v", err)
		}
		f := g.open("f", forRead)
		g.server.Inject(testenv.Fault{Kind: testenv.FaultSwallow, Op: "read", Skip: 3, Times: 1})
		var failed atomic.Int64
		for i := range 16 {
			wg.Go(func() {
				for start := time.Now(); time.Since(start) < 3*time.Second; {
					if _, err := f.ReadAt(t.Context(), make([]byte, 4096), int64(i)*4096); err != nil {
						failed.Add(1)
						if !errors.Is(err, remote.ErrTimeout) {
							t.Errorf("read: %v", err)
						}
					}
				}
			})
		}
		time.AfterFunc(3*time.Second, done)
		wg.Wait()
		if n := failed.Load(); n != 1 {
			t.Errorf("%d reads failed, want the one that was not answered", n)
		}
		if s := g.Status(); s.Counters.Dials != 1 || s.State != remote.StateUp {
			t.Errorf("the link suffered: %+v", s)
		}
		f.Close(t.Context())
	})
}

func TestFault_wrongIDsAndGarbage(t *testing.T) {
	for name, kind := range map[string]testenv.FaultKind{
		"wrong id": testenv.FaultWrongID, "garbage": testenv.FaultGarbage, "cut": testenv.FaultCut, "too long": testenv.FaultLongData,
	} {
		t.Run(name, func(t *testing.T) {
			g := newRig(t, testenv.CountOptions{}, quick())
			data := random(5, 2<<20)
			g.put("f", data)
			f := g.open("f", forRead)
			g.server.Inject(testenv.Fault{Kind: kind, Op: "read", Skip: 2, Times: 1})
			got, err := readAll(t.Context(), f, len(data), 128<<10, 4)
			if err != nil {
				t.Error(err)
			}
			same(t, "read", got, data)
			// What changes something is done once all the same.
			g.server.Inject(testenv.Fault{Kind: kind, Op: "write", Skip: 2, Times: 1})
			g.server.Inject(testenv.Fault{Kind: kind, Op: "mkdir", Times: 1})
			out := g.open("out", forWrite)
			check(t, writeAll(t.Context(), out, data, 128<<10))
			_, err = out.Close(t.Context())
			check(t, err)
			same(t, "written", g.onServer("out"), data)
			check(t, g.Mkdir(t.Context(), "d", 0o755))
			if err := g.Mkdir(t.Context(), "d", 0o755); !errors.Is(err, fs.ErrExist) {
				t.Errorf("mkdir again: %v", err)
			}
			g.server.Inject(testenv.Fault{Kind: kind, Op: "read"})
			if _, err := f.ReadAt(t.Context(), make([]byte, 1000), 0); err == nil {
				t.Error("no error from a server that always answers wrongly")
			} else if isAnswer(err) {
				t.Errorf("looks like an answer: %v", err)
			}
			f.Close(t.Context())
		})
	}
}

// isAnswer says that a caller would take err for the server's own word on a file.
func isAnswer(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) || errors.Is(err, fs.ErrExist)
}

func TestFault_loginAndHostKeyRefused(t *testing.T) {
	for name, c := range map[string]struct {
		err   error
		state remote.State
	}{
		"password refused": {&sshdial.AuthError{User: "u", Host: "h"}, remote.StateDown},
		"host key changed": {&sshdial.HostKeyError{Host: "h", Changed: true}, remote.StateDown},
		"password changed": {&sshdial.AuthError{User: "u", Host: "h", Err: sshdial.ErrNeedsPerson}, remote.StateNeedsLogin},
		"needs a person":   {fmt.Errorf("dial: %w", sshdial.ErrNeedsPerson), remote.StateNeedsLogin},
	} {
		t.Run(name, func(t *testing.T) {
			g := newRig(t, testenv.CountOptions{}, quick())
			g.put("f", []byte("x"))
			g.dialer.setRefuse(c.err)
			dials := g.dialer.count()
			g.server.Break()
			g.eventually(c.state)
			for range 20 {
				if _, err := g.Lstat(t.Context(), "f"); !errors.Is(err, remote.ErrLinkDown) || isAnswer(err) {
					t.Errorf("lstat: %v", err)
				}
				time.Sleep(10 * time.Millisecond)
			}
			if n := g.dialer.count() - dials; n != 1 {
				t.Errorf("%d attempts, want 1", n)
			}
			if s := g.Status(); !errors.Is(s.Cause, c.err) {
				t.Errorf("cause is %v", s.Cause)
			}
			g.dialer.setRefuse(nil)
			if err := g.Connect(t.Context(), true); err != nil {
				t.Fatal(err)
			}
			if _, err := g.Lstat(t.Context(), "f"); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestFault_fileChangedWhileTheLinkWasDown(t *testing.T) {
	old := random(7, 1<<20)
	changes := map[string]func(t *testing.T, path string){
		"replaced": func(t *testing.T, path string) {
			check(t, os.Remove(path))
			check(t, os.WriteFile(path, random(8, 1<<20), 0o644))
			check(t, os.Chtimes(path, time.Time{}, time.Now().Add(5*time.Second)))
		},
		"truncated": func(t *testing.T, path string) { check(t, os.Truncate(path, 1000)) },
		"extended": func(t *testing.T, path string) {
			check(t, os.WriteFile(path, append(bytes.Clone(old), 1), 0o644))
		},
		"removed": func(t *testing.T, path string) { check(t, os.Remove(path)) },
		"a directory now": func(t *testing.T, path string) {
			check(t, os.Remove(path))
			check(t, os.Mkdir(path, 0o755))
		},
	}
	for name, change := range changes {
		t.Run(name, func(t *testing.T) {
			g := newRig(t, testenv.CountOptions{}, quick())
			g.put("f", old)
			reader, writer := g.open("f", forRead), g.open("f", remote.OpenFlags{Write: true})
			if _, err := reader.ReadAt(t.Context(), make([]byte, 1000), 0); err != nil {
				t.Fatal(err)
			}
			g.dialer.setRefuse(errors.New("not yet"))
			g.server.Break()
			g.eventually(remote.StateDegraded)
			change(t, filepath.Join(g.dir, "f"))
			changed, gone := os.ReadFile(filepath.Join(g.dir, "f"))
			g.dialer.setRefuse(nil)
			if _, err := reader.ReadAt(t.Context(), make([]byte, 1000), 0); !errors.Is(err, remote.ErrChanged) || isAnswer(err) {
				t.Errorf("reader: %v", err)
			}
			if err := writer.WriteAt(t.Context(), []byte("new"), 0); err != nil {
				t.Errorf("queueing failed: %v", err)
			}
			if _, err := writer.Close(t.Context()); !errors.Is(err, remote.ErrChanged) || isAnswer(err) {
				t.Errorf("writer: %v", err)
			}
			if gone == nil {
				same(t, "on the server", g.onServer("f"), changed)
			}
			reader.Close(t.Context())
		})
	}
}

// TestFault_fileChangedInTheMiddleOfAStream has writes under way, so that nobody knows
// exactly what the file must look like: it must not be smaller than what was acknowledged,
// nor larger than what was sent.
func TestFault_fileChangedInTheMiddleOfAStream(t *testing.T) {
	for name, size := range map[string]int64{"truncated": 1000, "extended": 9 << 20, "not at all": 0} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := newRig(t, testenv.CountOptions{Delay: time.Millisecond, Settle: -1}, quick())
				data := random(1, 4<<20)
				f := g.open("f", forWrite)
				write := func(from, to int) {
					for off := from; off < to; off += 1 << 20 {
						check(t, f.WriteAt(t.Context(), data[off:off+1<<20], int64(off)))
					}
				}
				write(0, 2<<20)
				time.Sleep(time.Second)
				g.server.Stall()
				write(2<<20, 4<<20)
				time.Sleep(10 * time.Millisecond)
				g.dialer.setRefuse(errors.New("not yet"))
				g.server.Break()
				g.server.Resume()
				g.eventually(remote.StateDegraded)
				if size > 0 {
					check(t, os.Truncate(filepath.Join(g.dir, "f"), size))
				}
				want := g.onServer("f")
				g.dialer.setRefuse(nil)
				_, err := f.Close(t.Context())
				if size == 0 {
					want = data
					check(t, err)
				} else if !errors.Is(err, remote.ErrChanged) {
					t.Errorf("close: %v", err)
				}
				same(t, "on the server", g.onServer("f"), want)
			})
		})
	}
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestFault_appendIsNotDoubled(t *testing.T) {
	g := newRig(t, testenv.CountOptions{}, quick())
	want := random(9, 3_000_000)
	g.put("f", want[:1_000_000])
	for at := 1_000_000; at < len(want); at += 100_000 {
		g.server.Inject(testenv.Fault{Kind: testenv.FaultBreakAfter, Op: "write", Times: 1})
		f, a, err := g.Open(t.Context(), "f", remote.OpenFlags{Write: true}, 0)
		if err != nil {
			t.Fatal(err)
		}
		check(t, f.WriteAt(t.Context(), want[at:at+100_000], int64(a.Size)))
		if _, err := f.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	same(t, "appended", g.onServer("f"), want)
}

func TestFault_sftpCodeIsStillThere(t *testing.T) {
	g := newRig(t, testenv.CountOptions{}, quick())
	g.server.Inject(testenv.Fault{Kind: testenv.FaultStatus, Op: "lstat", Status: sftp.StatusConnectionLost})
	if _, err := g.Lstat(t.Context(), "x"); err == nil || isAnswer(err) {
		t.Errorf("a server that says connection lost: %v", err)
	}
}

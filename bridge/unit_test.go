package bridge

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sshfs-bridge/bridge/api"
	"sshfs-bridge/bridge/worker"
)

// unitTest is one unit on a fake machine.
type unitTest struct {
	u      *unit
	sys    *fakeSystem
	events []api.Event
	keys   []string
	gone   bool
}

func newUnitTest(t *testing.T, m Mount, behave func(*fakeWorker)) *unitTest {
	t.Helper()
	ut := &unitTest{sys: &fakeSystem{behave: behave}}
	ut.u = newUnit(t.Context(), m, "/mnt/"+m.Name, unitParts{
		mount: ut.sys.mount, start: ut.sys.start, detach: ut.sys.detach, release: ut.sys.release,
		closeShare:  func(context.Context, Mount, bool) { ut.sys.note("close share " + m.Name) },
		keepHostKey: func(l string) { ut.keys = append(ut.keys, l) },
		publish:     func(e api.Event) { ut.sys.mu.Lock(); ut.events = append(ut.events, e); ut.sys.mu.Unlock() },
		gone:        func(*unit) { ut.gone = true },
		cachePart:   func() int64 { return leastCache },
	}, testLogger(t))
	ut.u.start()
	return ut
}

// states are the states that were told, in order.
func (ut *unitTest) states() []api.State {
	ut.sys.mu.Lock()
	defer ut.sys.mu.Unlock()
	var out []api.State
	for _, e := range ut.events {
		if e.Kind == api.EventState {
			out = append(out, e.State)
		}
	}
	return out
}

func (ut *unitTest) stop(t *testing.T) {
	t.Helper()
	if err := ut.u.stop(t.Context(), time.Second); err != nil {
		t.Error(err)
	}
}

func TestUnit_comesUpAndIsTakenDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ut := newUnitTest(t, configured("media", "nas:/media"), comesUp)
		synctest.Wait()
		st := ut.u.status()
		if st.State != api.StateUp || st.WorkerPID != 1000 || st.Share != "media" {
			t.Errorf("status: %+v", st)
		}
		ut.stop(t)
		want := []string{"mount media", "close share media", "detach media", "release media"}
		if got := ut.sys.notes(); !slices.Equal(got, want) {
			t.Errorf("steps %q, want %q", got, want)
		}
		if got := ut.sys.all()[0].called(); !slices.Equal(got, []string{"drain", "stop"}) {
			t.Errorf("calls %q", got)
		}
		if got := ut.states(); !slices.Equal(got, []api.State{api.StateConnecting, api.StateUp, api.StateUnmounting}) {
			t.Errorf("states %q", got)
		}
	})
}

func TestUnit_deadWorkerIsBackAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ut := newUnitTest(t, configured("media", "nas:/media"), comesUp)
		synctest.Wait()
		start := time.Now()
		ut.sys.all()[0].end(errors.New("signal: killed"))
		synctest.Wait()
		if got := ut.sys.notes(); !slices.Equal(got, []string{"mount media", "detach lazily media", "close share media"}) {
			t.Errorf("steps after the death: %q", got)
		}
		pass(time.Second)
		synctest.Wait()
		st := ut.u.status()
		if st.State != api.StateUp || st.Restarts != 1 || st.WorkerPID != 1001 {
			t.Errorf("a second after the death: %+v", st)
		}
		if d := st.Since.Sub(start); d > time.Second {
			t.Errorf("back after %s", d)
		}
		ut.stop(t)
	})
}

func TestUnit_workerThatKeepsDyingIsGivenUpAndTriedAgainLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ut := newUnitTest(t, configured("media", "nas:/media"), func(w *fakeWorker) { w.end(errors.New("panic")) })
		pass(restartWindow)
		synctest.Wait()
		st := ut.u.status()
		if n := len(ut.sys.all()); st.State != api.StateFailed || n != restartBudget {
			t.Fatalf("after %d starts: %+v", n, st)
		}
		if !strings.Contains(st.Cause, "panic") || st.NextAttempt == nil {
			t.Errorf("failed state: %+v", st)
		}
		pass(2 * failedPause)
		synctest.Wait()
		if n := len(ut.sys.all()); n <= restartBudget {
			t.Errorf("not tried again: %d starts", n)
		}
		ut.stop(t)
	})
}

func TestUnit_loginWakesAFailedUnit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broken := true
		ut := newUnitTest(t, configured("media", "nas:/media"), func(w *fakeWorker) {
			if broken {
				w.end(errors.New("no such file"))
				return
			}
			comesUp(w)
		})
		pass(restartWindow)
		synctest.Wait()
		if st := ut.u.status().State; st != api.StateFailed {
			t.Fatalf("state %s", st)
		}
		broken = false
		if err := ut.u.login(); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if st := ut.u.status().State; st != api.StateUp {
			t.Errorf("state %s", st)
		}
		ut.stop(t)
	})
}

func TestUnit_mountThatFailsIsCountedToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ut := newUnitTest(t, configured("media", "nas:/media"), comesUp)
		synctest.Wait()
		ut.sys.mu.Lock()
		ut.sys.mountErr = errors.New("no such device")
		ut.sys.mu.Unlock()
		ut.sys.all()[0].end(errors.New("killed"))
		pass(restartWindow)
		synctest.Wait()
		if st := ut.u.status(); st.State != api.StateFailed || !strings.Contains(st.Cause, "no such device") {
			t.Errorf("status %+v", st)
		}
		ut.stop(t)
	})
}

func TestUnit_dropinThatWasUnmountedByHandIsGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := configured("hub", "nas:")
		m.Mountpoint, m.Source = "/samba-share", api.SourceSSHFS
		ut := newUnitTest(t, m, comesUp)
		synctest.Wait()
		ut.sys.all()[0].end(nil)
		synctest.Wait()
		if !ut.gone || len(ut.sys.all()) != 1 {
			t.Errorf("gone %v, %d starts", ut.gone, len(ut.sys.all()))
		}
	})
}

func TestUnit_shareThatWasUnmountedByHandComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ut := newUnitTest(t, configured("media", "nas:"), comesUp)
		synctest.Wait()
		ut.sys.all()[0].end(nil)
		pass(time.Second)
		synctest.Wait()
		if st := ut.u.status(); st.State != api.StateUp || st.Restarts != 1 {
			t.Errorf("status %+v", st)
		}
		ut.stop(t)
	})
}

func TestUnit_drainHasAnEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ut := newUnitTest(t, configured("media", "nas:"), func(w *fakeWorker) {
			w.neverLands()
			comesUp(w)
		})
		synctest.Wait()
		start := time.Now()
		ut.stop(t)
		if d := time.Since(start); d != time.Second {
			t.Errorf("taken down after %s, drain was one second", d)
		}
	})
}

// A worker that is stopped, or stuck, is not waited for as one is that writes.
func TestUnit_deafWorkerIsNotWaitedFor(t *testing.T) {
	for _, deaf := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			ut := newUnitTest(t, configured("media", "nas:"), func(w *fakeWorker) {
				w.set(func() { w.deaf = deaf })
				w.neverLands()
				comesUp(w)
			})
			synctest.Wait()
			start := time.Now()
			if err := ut.u.stop(t.Context(), defaultDrain); err != nil {
				t.Fatal(err)
			}
			want := defaultDrain
			if deaf {
				want = askPause + askTime
			}
			if d := time.Since(start); d != want {
				t.Errorf("deaf %v: taken down after %s, want %s", deaf, d, want)
			}
			if got := ut.sys.all()[0].called(); !slices.Equal(got, []string{"drain", "kill"}) {
				t.Errorf("deaf %v: calls %q", deaf, got)
			}
		})
	}
}

// A worker that answers nothing any more is replaced, since whoever waits for its
// mount would wait for ever; one that only was late is not.
func TestUnit_deafWorkerIsReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ut := newUnitTest(t, configured("media", "nas:"), comesUp)
		synctest.Wait()
		first := ut.sys.all()[0]
		first.set(func() { first.deaf = true })
		time.Sleep(watchPause + askTime + time.Second)
		first.set(func() { first.deaf = false })
		time.Sleep(time.Minute)
		if got := ut.sys.all(); len(got) != 1 {
			t.Fatalf("%d workers after one late answer, want the first", len(got))
		}
		first.set(func() { first.deaf = true })
		time.Sleep((deafAfter+1)*(watchPause+askTime) + restartFirst)
		synctest.Wait()
		if got := ut.sys.all(); len(got) != 2 || !slices.Contains(first.called(), "kill") {
			t.Errorf("%d workers, the first was told %q", len(got), first.called())
		}
		ut.stop(t)
	})
}

// Whoever asks again, with less patience, gets it.
func TestUnit_drainCanBeShortened(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ut := newUnitTest(t, configured("media", "nas:"), func(w *fakeWorker) {
			w.neverLands()
			comesUp(w)
		})
		synctest.Wait()
		start := time.Now()
		go func() { _ = ut.u.stop(t.Context(), time.Minute) }()
		pass(10 * time.Second)
		ut.stop(t) // one second
		if d := time.Since(start); d != 11*time.Second {
			t.Errorf("taken down after %s", d)
		}
	})
}

func TestUnit_questionsGoToPeopleOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ut := newUnitTest(t, configured("media", "nas:"), func(*fakeWorker) {})
		synctest.Wait()
		w := ut.sys.all()[0]
		w.onEvent(worker.Event{Question: &api.Question{ID: "1", Kind: "password"}})
		if len(w.answers) != 1 || !w.answers[0].Cancel {
			t.Fatalf("nobody there: %+v", w.answers)
		}
		leave := ut.u.attend()
		w.onEvent(worker.Event{Question: &api.Question{ID: "2", Kind: "password"}})
		if q := ut.u.status().Questions; len(q) != 1 || q[0].ID != "2" {
			t.Fatalf("questions %+v", q)
		}
		if err := ut.u.answer(api.Answer{ID: "9"}); err == nil {
			t.Error("an answer to no question was taken")
		}
		if err := ut.u.answer(api.Answer{ID: "2", Text: "secret"}); err != nil {
			t.Error(err)
		}
		if q := ut.u.status().Questions; len(q) != 0 {
			t.Errorf("still open: %+v", q)
		}
		w.onEvent(worker.Event{Question: &api.Question{ID: "3", Kind: "password"}})
		leave()
		if a := w.answers[len(w.answers)-1]; a.ID != "3" || !a.Cancel {
			t.Errorf("the last question was not given up: %+v", a)
		}
		ut.stop(t)
	})
}

func TestUnit_lateWordDoesNotWakeAMountThatLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ut := newUnitTest(t, configured("media", "nas:"), comesUp)
		synctest.Wait()
		ut.stop(t)
		ut.sys.all()[0].state(api.StateUp, "", "")
		if st := ut.u.status().State; st != api.StateUnmounting {
			t.Errorf("state %s", st)
		}
	})
}

func TestRestartPolicy(t *testing.T) {
	var p restartPolicy
	now := time.Now()
	if d, spent := p.died(now); d != restartFirst || spent {
		t.Errorf("first death: %s %v", d, spent)
	}
	last := time.Duration(0)
	for i := 2; i < restartBudget; i++ {
		d, spent := p.died(now)
		if spent || d < last/2 || d > restartMost*5/4 {
			t.Errorf("death %d: %s %v", i, d, spent)
		}
		last = d
	}
	if d, spent := p.died(now); !spent || d < failedPause/2 {
		t.Errorf("the budget is spent: %s %v", d, spent)
	}
	for i := range 100 {
		if d, spent := p.died(now.Add(time.Duration(i) * (restartWindow + time.Second))); spent || d != restartFirst {
			t.Fatalf("a death now and then is forgiven: %s %v", d, spent)
		}
	}
}

// pass lets the fake clock of a bubble go on.
func pass(d time.Duration) { <-time.After(d) }

// While what a dead worker left is cleared away, nobody is told that the mount
// is up.
func TestUnit_deadMountIsNotSeenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var seen api.MountStatus
		ut := newUnitTest(t, configured("media", "nas:/media"), comesUp)
		synctest.Wait()
		ut.u.parts.closeShare = func(context.Context, Mount, bool) {
			if seen.Name == "" {
				seen = ut.u.status()
			}
		}
		ut.sys.all()[0].end(errors.New("signal: killed"))
		synctest.Wait()
		if seen.Name == "" || seen.State == api.StateUp || !strings.Contains(seen.Cause, "killed") {
			t.Errorf("while clearing: %+v", seen)
		}
		if err := ut.u.stop(t.Context(), 0); err != nil {
			t.Fatal(err)
		}
	})
}

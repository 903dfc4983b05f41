package remote_test

import (
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sshfs-bridge/e2e/testenv"
	"sshfs-bridge/fusefs/remote"
)

// wire notes the requests that name a handle, in the order in which they arrive.
type wire struct {
	mu   sync.Mutex
	seen []string
}

func (w *wire) note(op, _ string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch op {
	case "read", "fstat", "close":
		w.seen = append(w.seen, op)
	}
}

func (w *wire) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return strings.Join(w.seen, " ")
}

// TestClose_nobodyUsesTheHandleAfterIt: a server gives the number of a closed handle to
// the next file that is opened, so that a READ behind the CLOSE is answered with what is
// in that one.
func TestClose_nobodyUsesTheHandleAfterIt(t *testing.T) {
	for name, use := range map[string]func(t *testing.T, f *remote.File) error{
		"read": func(t *testing.T, f *remote.File) error {
			_, err := f.ReadAt(t.Context(), make([]byte, 16), 0)
			return err
		},
		"stat": func(t *testing.T, f *remote.File) error {
			_, err := f.Stat(t.Context())
			return err
		},
	} {
		for _, dirty := range []bool{false, true} {
			t.Run(name+map[bool]string{true: " of what was written"}[dirty], func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					var w wire
					g := newRig(t, testenv.CountOptions{Delay: 20 * time.Millisecond, Settle: -1, OnRequest: w.note}, quick())
					g.put("f", random(1, 1<<16))
					f := g.open("f", remote.OpenFlags{Read: true, Write: true})
					var group sync.WaitGroup
					group.Go(func() { // in flight when the file is closed
						check(t, use(t, f))
					})
					synctest.Wait()
					if dirty {
						check(t, f.WriteAt(t.Context(), []byte("x"), 1<<15))
					}
					group.Go(func() {
						_, err := f.Close(t.Context())
						check(t, err)
					})
					for range 100 { // before, while and after the CLOSE is on its way
						synctest.Wait()
						if err := use(t, f); !errors.Is(err, remote.ErrClosed) {
							t.Errorf("after Close was called: %v", err)
						}
						time.Sleep(time.Millisecond)
					}
					group.Wait()
					seen := strings.Fields(w.String())
					if n := len(seen); n == 0 || slices.Index(seen, "close") != n-1 {
						t.Errorf("the server saw %v", seen)
					}
				})
			})
		}
	}
}

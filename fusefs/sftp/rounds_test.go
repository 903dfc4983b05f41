package sftp_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"sshfs-bridge/e2e/testenv"
	"sshfs-bridge/fusefs/sftp"
)

// countedClient is a session on a counting server.
func countedClient(t *testing.T, o testenv.CountOptions) (*sftp.Client, *testenv.CountServer, string) {
	t.Helper()
	if o.Dir == "" {
		o.Dir = t.TempDir()
	}
	s := testenv.NewCountServer(t, o)
	c, err := sftp.New(testContext(t), s.Connect(), sftp.Options{})
	must(t, err)
	t.Cleanup(func() { must(t, c.Close()) })
	return c, s, o.Dir
}

func checkRounds(t *testing.T, what string, got testenv.Rounds, depth int, requests map[string]int) {
	t.Helper()
	if got.Depth != depth {
		t.Errorf("%s: %d round trips, want %d", what, got.Depth, depth)
	}
	if diff := cmp.Diff(requests, got.Requests); requests != nil && diff != "" {
		t.Errorf("%s: requests (-want +got):\n%s", what, diff)
	}
}

// exactly runs a test in which time passes only while everything waits: round
// trips are counted exactly, however busy the machine is.
func exactly(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	testenv.NoLeaks(t)
	synctest.Test(t, f)
}

func TestRounds(t *testing.T) { exactly(t, testRounds) }

func testRounds(t *testing.T) {
	t.Helper()
	c, s, dir := countedClient(t, testenv.CountOptions{Delay: 5 * time.Millisecond})
	ctx := testContext(t)
	must(t, os.WriteFile(filepath.Join(dir, "f"), randomBytes(2<<20), 0o600))

	checkRounds(t, "three stats one after the other", s.Rounds(func() {
		for range 3 {
			_, err := c.Stat(ctx, "f")
			must(t, err)
		}
	}), 3, map[string]int{"stat": 3})

	checkRounds(t, "three stats together", s.Rounds(func() {
		calls := []*sftp.Call[sftp.Attrs]{c.StartStat("f"), c.StartStat("f"), c.StartStat("f")}
		for _, call := range calls {
			_, err := call.Wait(ctx)
			must(t, err)
		}
	}), 1, map[string]int{"stat": 3})

	checkRounds(t, "open with stat, read 2 MiB, close not waited for", s.Rounds(func() {
		open, stat := c.StartOpen("f", sftp.FlagRead, sftp.Attrs{}), c.StartStat("f")
		a, err := stat.Wait(ctx)
		must(t, err)
		h, err := open.Wait(ctx)
		must(t, err)
		_, err = readFile(ctx, c, h, int(a.Size))
		must(t, err)
		c.StartCloseHandle(h).Abandon()
	}), 2, nil)
	<-time.After(5 * time.Millisecond)
	synctest.Wait()
	if s.Counted().Requests["close"] != 1 {
		t.Errorf("no close: %v", s.Counted())
	}
}

func TestReadDirRounds(t *testing.T) {
	for _, test := range []struct{ entries, depth, most int }{
		{0, 2, 6}, {98, 2, 6}, {298, 2, 6}, {500, 3, 220}, {10_000, 3, 220},
	} {
		t.Run(fmt.Sprint(test.entries), func(t *testing.T) {
			exactly(t, func(t *testing.T) {
				t.Helper()
				c, s, dir := countedClient(t, testenv.CountOptions{Delay: 5 * time.Millisecond})
				for i := range test.entries {
					must(t, os.WriteFile(filepath.Join(dir, fmt.Sprint(i)), nil, 0o600))
				}
				ctx := testContext(t)
				began := time.Now()
				got := s.Rounds(func() {
					names, err := c.ReadDir(ctx, ".")
					must(t, err)
					if len(names) != test.entries {
						t.Errorf("%d names", len(names))
					}
				})
				checkRounds(t, "listing", got, test.depth, nil)
				if got.Total() > test.most {
					t.Errorf("%d requests, want at most %d: %v", got.Total(), test.most, got.Requests)
				}
				if took := 10 * time.Millisecond * time.Duration(test.depth); time.Since(began) != took {
					t.Errorf("took %v, want %v", time.Since(began), took)
				}
			})
		})
	}
}

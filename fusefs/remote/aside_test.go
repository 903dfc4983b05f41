package remote_test

import (
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sshfs-bridge/e2e/testenv"
	"sshfs-bridge/fusefs/remote"
	"sshfs-bridge/fusefs/sftp"
)

// newAsideRig has a file to be renamed over another one, on a server that replaces
// nothing by itself.
func newAsideRig(t *testing.T) *rig {
	t.Helper()
	g := newRig(t, testenv.CountOptions{Without: []string{sftp.ExtPosixRename}, Delay: time.Millisecond}, quick())
	g.put("old", []byte("the new content"))
	g.put("new", []byte("the old content"))
	return g
}

// becomes waits until what is on the server is as a rename that happened, or did not,
// leaves it.
func (g *rig) becomes(renamed bool) {
	g.t.Helper()
	want, content := []string{"new", "old"}, "the old content"
	if renamed {
		want, content = []string{"new"}, "the new content"
	}
	var names []string
	for range 60 {
		entries, err := os.ReadDir(g.dir)
		check(g.t, err)
		names = nil
		for _, e := range entries {
			names = append(names, e.Name())
		}
		if slices.Equal(names, want) {
			same(g.t, "new", g.onServer("new"), []byte(content))
			return
		}
		time.Sleep(time.Second)
	}
	g.t.Errorf("a minute later there are %q on the server, want %q", names, want)
}

// TestRename_asideIsNeverLeft loses the connection at each step of a rename that replaces.
func TestRename_asideIsNeverLeft(t *testing.T) {
	type step struct {
		op   string
		skip int
	}
	for _, s := range []step{{"rename", 0}, {"rename", 1}, {"rename", 2}, {"remove", 0}} {
		for when, kind := range map[string]testenv.FaultKind{"before": testenv.FaultBreakBefore, "after": testenv.FaultBreakAfter} {
			t.Run(s.op+string(rune('1'+s.skip))+" lost "+when, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					g := newAsideRig(t)
					hits, _ := g.server.Inject(testenv.Fault{Kind: kind, Op: s.op, Skip: s.skip, Times: 1})
					check(t, g.Rename(t.Context(), "old", "new"))
					g.becomes(true)
					if hits() != 1 {
						t.Error("nothing was lost")
					}
				})
			})
		}
	}
}

// TestRename_asideIsBroughtBack: the time is up between the steps, and nobody knows
// whether the last one happened. The error says where the replaced file may be.
func TestRename_asideIsBroughtBack(t *testing.T) {
	for kind, renamed := range map[testenv.FaultKind]bool{testenv.FaultSwallow: false, testenv.FaultNoReply: true} {
		for _, away := range []time.Duration{0, 10 * time.Second} {
			synctest.Test(t, func(t *testing.T) {
				g := newAsideRig(t)
				g.server.Inject(testenv.Fault{Kind: kind, Op: "rename", Skip: 2, Times: 1})
				err := g.Rename(t.Context(), "old", "new")
				if !errors.Is(err, remote.ErrTimeout) || !strings.Contains(err.Error(), ".sshfs-bridge-") {
					t.Errorf("rename: %v", err)
				}
				if away > 0 { // longer than an operation waits
					g.dialer.setRefuse(errors.New("no route"))
					g.server.Break()
					time.Sleep(away)
					g.dialer.setRefuse(nil)
				}
				g.becomes(renamed)
			})
		}
	}
}

// TestRename_asideIsNotRemoved: the server does not let go of the file that was replaced.
// The rename happened all the same.
func TestRename_asideIsNotRemoved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newAsideRig(t)
		f := g.open("old", remote.OpenFlags{Write: true})
		g.server.Inject(testenv.Fault{Kind: testenv.FaultStatus, Op: "remove", Status: sftp.StatusPermissionDenied})
		check(t, g.Rename(t.Context(), "old", "new"))
		g.server.Break()
		check(t, f.WriteAt(t.Context(), []byte("THE"), 0))
		_, err := f.Close(t.Context())
		check(t, err)
		same(t, "new", g.onServer("new"), []byte("THE new content"))
	})
}

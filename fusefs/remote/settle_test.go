package remote_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"sshfs-bridge/e2e/testenv"
	"sshfs-bridge/fusefs/remote"
	"sshfs-bridge/fusefs/sftp"
)

// TestSettle loses the answer to each kind of change, before and after the server
// has carried it out: the caller must not notice.
func TestSettle(t *testing.T) {
	exclusive := remote.OpenFlags{Write: true, Create: true, Exclusive: true}
	ops := map[string]struct {
		kind string
		do   func(g *rig) error
		ok   func(dir string) bool
	}{
		"mkdir":  {"mkdir", func(g *rig) error { return g.Mkdir(t.Context(), "new", 0o755) }, isThere("new")},
		"rmdir":  {"rmdir", func(g *rig) error { return g.Rmdir(t.Context(), "dir") }, isGone("dir")},
		"remove": {"remove", func(g *rig) error { return g.Remove(t.Context(), "f") }, isGone("f")},
		"rename": {"posix-rename", func(g *rig) error { return g.Rename(t.Context(), "f", "g") }, func(dir string) bool {
			return isGone("f")(dir) && isThere("g")(dir)
		}},
		"symlink": {"symlink", func(g *rig) error { return g.Symlink(t.Context(), "to", "new") }, isThere("new")},
		"link":    {"hardlink", func(g *rig) error { return g.Link(t.Context(), "f", "new") }, isThere("new")},
		"setstat": {"setstat", func(g *rig) error {
			return g.Setstat(t.Context(), "f", remote.Attrs{Valid: sftp.AttrMode, Mode: 0o600})
		}, isThere("f")},
		"exclusive create": {"open", func(g *rig) error {
			f, _, err := g.Open(t.Context(), "new", exclusive, 0o644)
			if err == nil {
				_, err = f.Close(t.Context())
			}
			return err
		}, isThere("new")},
	}
	for name, op := range ops {
		for when, kind := range map[string]testenv.FaultKind{"before": testenv.FaultBreakBefore, "after": testenv.FaultBreakAfter} {
			t.Run(name+" lost "+when, func(t *testing.T) {
				g := newRig(t, testenv.CountOptions{}, quick())
				g.put("f", []byte("x"))
				check(t, os.Mkdir(filepath.Join(g.dir, "dir"), 0o755))
				hits, _ := g.server.Inject(testenv.Fault{Kind: kind, Op: op.kind, Times: 1})
				if err := op.do(g); err != nil {
					t.Error(err)
				}
				if hits() != 1 {
					t.Errorf("the fault happened %d times", hits())
				}
				if !op.ok(g.dir) {
					t.Error("it did not happen on the server")
				}
				if s := g.Status(); s.Counters.Reconnects != 1 {
					t.Errorf("%d reconnects", s.Counters.Reconnects)
				}
			})
		}
	}
}

func isThere(name string) func(string) bool {
	return func(dir string) bool {
		_, err := os.Lstat(filepath.Join(dir, name))
		return err == nil
	}
}

func isGone(name string) func(string) bool {
	return func(dir string) bool {
		_, err := os.Lstat(filepath.Join(dir, name))
		return errors.Is(err, fs.ErrNotExist)
	}
}

func TestSettle_somebodyElsesFileIsNotOurs(t *testing.T) {
	g := newRig(t, testenv.CountOptions{}, quick())
	g.put("f", []byte("theirs"))
	g.server.Inject(testenv.Fault{Kind: testenv.FaultBreakBefore, Op: "open", Times: 1})
	_, _, err := g.Open(t.Context(), "f", remote.OpenFlags{Write: true, Create: true, Exclusive: true}, 0o644)
	if !errors.Is(err, fs.ErrExist) {
		t.Errorf("exclusive create of a file with contents: %v", err)
	}
	same(t, "theirs", g.onServer("f"), []byte("theirs"))
}

func TestRename_withoutPosixRename(t *testing.T) {
	g := newRig(t, testenv.CountOptions{Without: []string{sftp.ExtPosixRename}}, quick())
	g.put("a", []byte("new"))
	g.put("b", []byte("old"))
	if err := g.Rename(t.Context(), "a", "b"); err != nil {
		t.Fatal(err)
	}
	same(t, "b", g.onServer("b"), []byte("new"))
	g.put("c", []byte("third"))
	if err := g.Rename(t.Context(), "b", "d"); err != nil {
		t.Fatal(err)
	}
	if err := g.Rename(t.Context(), "missing", "c"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("rename of nothing: %v", err)
	}
	same(t, "c", g.onServer("c"), []byte("third"))
	check(t, os.MkdirAll(filepath.Join(g.dir, "e/sub"), 0o755))
	check(t, os.Mkdir(filepath.Join(g.dir, "h"), 0o755))
	if err := g.Rename(t.Context(), "h", "e"); err == nil {
		t.Error("a directory that is not empty was replaced")
	}
	if err := g.Rename(t.Context(), "e", "h"); err != nil {
		t.Errorf("an empty directory was not replaced: %v", err)
	}
	entries, _ := os.ReadDir(g.dir)
	for _, e := range entries {
		if e.Name()[0] == '.' {
			t.Errorf("%s was left behind", e.Name())
		}
	}
	// The second of the three renames is refused: what was there comes back.
	g.put("x", []byte("x"))
	g.put("y", []byte("y"))
	g.server.Inject(testenv.Fault{Kind: testenv.FaultStatus, Op: "rename", Skip: 2, Times: 1, Status: sftp.StatusPermissionDenied})
	if err := g.Rename(t.Context(), "x", "y"); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("refused rename: %v", err)
	}
	same(t, "y", g.onServer("y"), []byte("y"))
}

func TestRename_acrossFilesystems(t *testing.T) {
	g := newRig(t, testenv.CountOptions{}, quick())
	g.put("a", nil)
	g.server.Inject(testenv.Fault{Kind: testenv.FaultStatus, Op: "posix-rename", Status: sftp.StatusFailure})
	if err := g.Rename(t.Context(), "a", "b"); !errors.Is(err, remote.ErrCrossDevice) {
		t.Errorf("general failure: %v", err)
	}
	check(t, os.MkdirAll(filepath.Join(g.dir, "full/x"), 0o755))
	check(t, os.Mkdir(filepath.Join(g.dir, "dir"), 0o755))
	if err := g.Rename(t.Context(), "dir", "full"); err == nil || errors.Is(err, remote.ErrCrossDevice) {
		t.Errorf("onto a directory that is not empty: %v", err)
	}
}

func TestRename_ofAnOpenFileIsFollowed(t *testing.T) {
	g := newRig(t, testenv.CountOptions{}, quick())
	check(t, os.Mkdir(filepath.Join(g.dir, "d"), 0o755))
	want := random(1, 100_000)
	g.put("d/f", want)
	f := g.open("d/f", forRead)
	if err := g.Rename(t.Context(), "d", "moved"); err != nil {
		t.Fatal(err)
	}
	g.server.Break()
	got, err := readAll(t.Context(), f, len(want), 1<<20, 1)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "after rename and loss", got, want)
	// What is removed lives on its handle, and ends with the session.
	if err := g.Remove(t.Context(), "moved/f"); err != nil {
		t.Fatal(err)
	}
	if _, err := f.ReadAt(t.Context(), make([]byte, 10), 0); err != nil {
		t.Errorf("removed and open: %v", err)
	}
	g.put("moved/f", want)
	g.server.Break()
	if _, err := f.ReadAt(t.Context(), make([]byte, 10), 0); !errors.Is(err, remote.ErrChanged) {
		t.Errorf("removed, and the session is gone: %v", err)
	}
	f.Close(t.Context())
}

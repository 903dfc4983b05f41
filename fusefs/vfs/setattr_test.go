package vfs

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"sshfs-bridge/e2e/testenv"
	"sshfs-bridge/fusefs/sftp"
)

// A change by name is on the server when it returns, also where the file is still
// open for writing: a program that has closed it may not yet be done with it in
// the kernel's eyes. A change through an open file is queued for its close.
func TestSetAttrReachesTheServer(t *testing.T) {
	g := newRig(t, Options{}, testenv.CountOptions{})
	n, o, err := g.Create(g.ctx, g.root, "f", syscall.O_WRONLY, 0o600)
	g.must(err)
	defer g.Release(o.FH)
	g.must(g.Write(g.ctx, o.FH, []byte("content"), 0, 0))
	size, mode, at := uint64(3), uint32(0o640), time.Unix(1_500_000_000, 0)
	stat := func() os.FileInfo {
		t.Helper()
		st, err := os.Stat(filepath.Join(g.dir, "f"))
		g.must(err)
		return st
	}
	_, _, err = g.SetAttrs(g.ctx, n.Ino, SetAttr{Size: &size})
	g.must(err)
	if st := stat(); st.Size() != 3 {
		t.Errorf("%d bytes after truncate", st.Size())
	}
	g.must(g.Write(g.ctx, o.FH, []byte("longer than that"), 0, 0))
	g.must(g.Flush(g.ctx, o.FH))
	// Closed, but not released yet.
	_, _, err = g.SetAttrs(g.ctx, n.Ino, SetAttr{Mode: &mode})
	g.must(err)
	_, _, err = g.SetAttrs(g.ctx, n.Ino, SetAttr{Atime: &at, Mtime: &at})
	g.must(err)
	if st := stat(); st.Mode() != 0o640 || !st.ModTime().Equal(at) {
		t.Errorf("%v, %v after chmod and utimes", st.Mode(), st.ModTime())
	}
	_, _, err = g.SetAttrs(g.ctx, n.Ino, SetAttr{Size: &size, FH: o.FH})
	g.must(err)
	g.must(g.Flush(g.ctx, o.FH))
	if st := stat(); st.Size() != 3 {
		t.Errorf("%d bytes after ftruncate and close", st.Size())
	}
}

// A change by name that the server refuses fails, also where somebody else goes on
// reading through what was open for writing.
func TestSetAttrRefusedBesideAReader(t *testing.T) {
	g := newRig(t, Options{}, testenv.CountOptions{})
	g.file("f", "content")
	f := g.lookup(g.root, "f")
	w, err := g.Open(g.ctx, f, syscall.O_RDWR)
	g.must(err)
	r, err := g.Open(g.ctx, f, syscall.O_RDONLY)
	g.must(err)
	g.must(g.Flush(g.ctx, w.FH))
	g.Release(w.FH)
	for _, op := range []string{"setstat", "fsetstat"} {
		_, remove := g.srv.Inject(testenv.Fault{Kind: testenv.FaultStatus, Op: op, Status: sftp.StatusPermissionDenied})
		defer remove()
	}
	mode := uint32(0o600)
	if _, _, err := g.SetAttrs(g.ctx, f, SetAttr{Mode: &mode}); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("chmod: %v", err)
	}
	g.Release(r.FH)
}

// A change by name holds when it returns, whatever others set a moment ago.
func TestSetAttrOverAnothers(t *testing.T) {
	bubble(t, Options{NoBackgroundCheck: true}, func(g *rig) {
		g.file("f", "content")
		f := g.lookup(g.root, "f")
		mode := uint32(0o644)
		g.must(os.Chmod(filepath.Join(g.dir, "f"), 0o666))
		time.Sleep(openTTL)
		_, _, err := g.SetAttrs(g.ctx, f, SetAttr{Mode: &mode})
		g.must(err)
		st, err := os.Stat(filepath.Join(g.dir, "f"))
		g.must(err)
		if st.Mode() != 0o644 {
			t.Errorf("it is %v on the server", st.Mode())
		}
	})
}

// What is set on an open file that has no name any more is set on it, and not on the one
// that has its name now.
func TestAttributesOfAnUnlinkedFile(t *testing.T) {
	for what, flags := range map[string]uint32{"read": syscall.O_RDONLY, "write": syscall.O_RDWR} {
		t.Run(what, func(t *testing.T) {
			g := newRig(t, Options{NoBackgroundCheck: true}, testenv.CountOptions{})
			g.file("f", "content")
			g.must(os.Link(filepath.Join(g.dir, "f"), filepath.Join(g.dir, "same")))
			f := g.lookup(g.root, "f")
			o, err := g.Open(g.ctx, f, flags)
			g.must(err)
			g.must(g.Unlink(g.ctx, g.root, "f"))
			g.file("f", "another")
			mode, at := uint32(0o600), time.Unix(1_500_000_000, 0)
			_, _, err = g.SetAttrs(g.ctx, f, SetAttr{Mode: &mode, Atime: &at, Mtime: &at})
			g.must(err)
			g.must(g.Flush(g.ctx, o.FH))
			g.Release(o.FH)
			fi, err := os.Stat(filepath.Join(g.dir, "same"))
			if err != nil || fi.Mode().Perm() != 0o600 || !fi.ModTime().Equal(at) {
				t.Errorf("the unlinked file: %v, %v", fi, err)
			}
			if fi, err = os.Stat(filepath.Join(g.dir, "f")); err != nil || fi.Mode().Perm() != 0o644 || fi.ModTime().Equal(at) {
				t.Errorf("the other one: %v, %v", fi, err)
			}
		})
	}
}

// A file that is opened for reading, and emptied by that, is empty when the open returns.
func TestEmptiedByAReader(t *testing.T) {
	g := newRig(t, Options{NoBackgroundCheck: true}, testenv.CountOptions{})
	g.file("f", "content")
	f := g.lookup(g.root, "f")
	g.read(f)
	o, err := g.Open(g.ctx, f, syscall.O_RDONLY|syscall.O_TRUNC)
	g.must(err)
	defer g.Release(o.FH)
	if got := g.onServer("f"); got != "" || o.KeepCache {
		t.Errorf("the server has %q, pages are kept: %v", got, o.KeepCache)
	}
	if got := g.readAll(o.FH, 7); len(got) > 0 {
		t.Errorf("read %q", got)
	}
}

package vfs

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"syscall"
	"testing"
	"time"

	"sshfs-bridge/e2e/testenv"
	"sshfs-bridge/fusefs/sftp"
)

// While the link is down, what is known is answered, and what is not known fails
// as the link does: never as a missing file, and nothing is remembered of it.
func TestLinkDown(t *testing.T) {
	g := newRig(t, Options{AttrTTL: 200 * time.Millisecond, NoBackgroundCheck: true}, testenv.CountOptions{})
	g.file("known", "content")
	g.file("dir/unknown", "content")
	g.list(g.root)
	known, dir := g.lookup(g.root, "known"), g.lookup(g.root, "dir")
	g.srv.Stall()
	g.srv.Break()
	time.Sleep(300 * time.Millisecond) // real time: the attributes are too old by now

	if a, _, err := g.GetAttr(g.ctx, known); err != nil || a.Size != 7 {
		t.Errorf("stat of a known file: %v %v", a, err)
	}
	if names := g.list(g.root); len(names) != 2 {
		t.Errorf("listed %q", names)
	}
	if _, err := g.Lookup(g.ctx, dir, "unknown"); err == nil || errors.Is(err, fs.ErrNotExist) || err == syscall.ENOENT {
		t.Errorf("lookup of an unknown name: %v", err)
	}
	if _, err := g.Open(g.ctx, known, syscall.O_RDONLY); err == nil || errors.Is(err, fs.ErrNotExist) {
		t.Errorf("open: %v", err)
	}
	g.srv.Resume()
	testenv.Eventually(t, 10*time.Second, "the link is back", func() bool {
		_, err := g.Lookup(g.ctx, dir, "unknown")
		if errors.Is(err, fs.ErrNotExist) {
			t.Fatalf("after the link came back: %v", err)
		}
		return err == nil
	})
	if got := g.read(known); got != "content" {
		t.Errorf("read %q", got)
	}
}

// A write that the server refuses is reported to its writer, once: by the next
// write, by close or by fsync.
func TestWriteErrors(t *testing.T) {
	g := newRig(t, Options{}, testenv.CountOptions{})
	g.file("f", "content")
	ino := g.lookup(g.root, "f")
	_, remove := g.srv.Inject(testenv.Fault{Kind: testenv.FaultStatus, Op: "write", Status: sftp.StatusFailure})
	o, err := g.Open(g.ctx, ino, syscall.O_RDWR)
	g.must(err)
	other, err := g.Open(g.ctx, ino, syscall.O_WRONLY)
	g.must(err)
	err = g.Write(g.ctx, o.FH, []byte("lost"), 0, 0)
	if err == nil {
		err = g.Flush(g.ctx, o.FH)
	}
	if err == nil {
		t.Error("nobody was told")
	}
	remove()
	if err := g.Flush(g.ctx, o.FH); err != nil {
		t.Errorf("told twice: %v", err)
	}
	if err := g.Flush(g.ctx, other.FH); err != nil {
		t.Errorf("told a handle that wrote nothing: %v", err)
	}
	g.Release(o.FH)
	g.Release(other.FH)
	if a, _, err := g.GetAttr(g.ctx, ino); err != nil || a.Size != 7 {
		t.Errorf("after the failure: %v, %v", a, err)
	}
}

// Nothing that could change the server leaves a read-only filesystem.
func TestReadOnly(t *testing.T) {
	g := newRig(t, Options{ReadOnly: true}, testenv.CountOptions{})
	g.file("f", "content")
	ino := g.lookup(g.root, "f")
	size, mode := uint64(0), uint32(0o777)
	for what, err := range map[string]error{
		"create":   second(g.Create(g.ctx, g.root, "x", syscall.O_WRONLY, 0o644)),
		"mkdir":    first(g.Mkdir(g.ctx, g.root, "x", 0o755)),
		"symlink":  first(g.Symlink(g.ctx, g.root, "x", "f")),
		"link":     first(g.Link(g.ctx, ino, g.root, "x")),
		"unlink":   g.Unlink(g.ctx, g.root, "f"),
		"rmdir":    g.Rmdir(g.ctx, g.root, "f"),
		"rename":   g.Rename(g.ctx, g.root, "f", g.root, "x", 0),
		"open":     firstOpened(g.Open(g.ctx, ino, syscall.O_RDWR)),
		"truncate": third(g.SetAttrs(g.ctx, ino, SetAttr{Size: &size})),
		"chmod":    third(g.SetAttrs(g.ctx, ino, SetAttr{Mode: &mode})),
		"setxattr": g.SetXattr(ino, "user.x", nil, 0),
		"access":   g.Access(g.ctx, ino, 2),
	} {
		if err != syscall.EROFS {
			t.Errorf("%s: %v", what, err)
		}
	}
	if a, _, err := g.GetAttr(g.ctx, ino); err != nil || a.Mode&0o222 != 0 {
		t.Errorf("shown as %o, %v", a.Mode, err)
	}
	entries, err := os.ReadDir(g.dir)
	g.must(err)
	if len(entries) != 1 || g.onServer("f") != "content" {
		t.Error("the server was changed")
	}
}

func first(_ Node, err error) error                  { return err }
func firstOpened(_ Opened, err error) error          { return err }
func second(_ Node, _ Opened, err error) error       { return err }
func third(_ Attr, _ time.Duration, err error) error { return err }

// A writer that lost its file, since others changed it while the link was down, keeps
// nobody from opening the file that is there.
func TestOpenBesideALostWriter(t *testing.T) {
	for what, change := range map[string]func(g *rig){
		"replaced": func(g *rig) {
			g.file("other", "another, longer")
			g.must(os.Rename(g.dir+"/other", g.dir+"/f"))
		},
		"written in": func(g *rig) { g.file("f", "another, longer") },
	} {
		t.Run(what, func(t *testing.T) {
			g := newRig(t, Options{NoBackgroundCheck: true, Cache: CacheStrict}, testenv.CountOptions{})
			g.file("f", "first")
			w, err := g.Open(g.ctx, g.lookup(g.root, "f"), syscall.O_RDWR)
			g.must(err)
			defer g.Release(w.FH)
			change(g)
			g.srv.Break()
			testenv.Eventually(t, 10*time.Second, "the link is back", func() bool {
				_, err := g.FS.r.Lstat(g.ctx, "f")
				return err == nil
			})
			for range 2 {
				o, err := g.Open(g.ctx, g.lookup(g.root, "f"), syscall.O_RDWR)
				if errors.Is(err, syscall.ESTALE) { // the kernel looks it up again
					o, err = g.Open(g.ctx, g.lookup(g.root, "f"), syscall.O_RDWR)
				}
				g.must(err)
				if got := string(g.readAll(o.FH, 15)); got != "another, longer" {
					t.Errorf("read %q", got)
				}
				g.must(g.Write(g.ctx, o.FH, []byte("A"), 0, 0))
				g.must(g.Write(g.ctx, o.FH, []byte("a"), 0, 0))
				g.must(g.Flush(g.ctx, o.FH))
				g.Release(o.FH)
			}
		})
	}
}

// What mknod could not make on the server is not there, nor remembered.
func TestMknodFails(t *testing.T) {
	g := newLocalRig(t, "", Options{NoBackgroundCheck: true}, testenv.CountOptions{})
	g.list(g.root)
	_, remove := g.srv.Inject(testenv.Fault{Kind: testenv.FaultStatus, Op: "open", Status: sftp.StatusPermissionDenied})
	defer remove()
	if _, err := g.Mknod(g.ctx, g.root, "._x", syscall.S_IFREG|0o644); !errors.Is(err, fs.ErrPermission) {
		t.Fatalf("%v", err)
	}
	g.absent(g.root, "._x")
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.nodes) != 1 {
		t.Errorf("%d nodes are remembered", len(g.nodes))
	}
}

// A reader is let go when he is interrupted, also while his file, which was opened from
// memory, is opened on a server that does not answer.
func TestInterruptedReader(t *testing.T) {
	bubble(t, Options{NoBackgroundCheck: true}, func(g *rig) {
		g.file("f", "content")
		g.list(g.root)
		f := g.lookup(g.root, "f")
		g.read(f)
		o, err := g.Open(g.ctx, f, syscall.O_RDONLY)
		g.must(err)
		defer g.Release(o.FH)
		g.mu.Lock()
		g.spans.dropAll(g.nodes[f])
		g.mu.Unlock()
		asked, remove := g.srv.Inject(testenv.Fault{Kind: testenv.FaultSwallow, Op: "open"})
		defer remove()
		ctx, cancel := context.WithTimeout(g.ctx, time.Second)
		defer cancel()
		begun := time.Now()
		if _, _, err := g.Read(ctx, o.FH, make([]byte, 7), 0); err == nil || time.Since(begun) > time.Second {
			t.Errorf("after %v: %v", time.Since(begun), err)
		}
		if asked() == 0 {
			t.Error("the server was not asked")
		}
	})
}

package vfs

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"sshfs-bridge/e2e/testenv"
	"sshfs-bridge/fusefs/sftp"
	"sshfs-bridge/fusefs/vfs/localmeta"
)

// heldSyncs holds the end of every fsync back, of a server with a slow disk.
type heldSyncs struct {
	Remote
	hold chan struct{}
}

type heldFile struct {
	File
	hold chan struct{}
}

func (r heldSyncs) Open(ctx context.Context, path string, flags OpenFlags, mode uint32) (File, Attrs, error) {
	f, a, err := r.Remote.Open(ctx, path, flags, mode)
	return heldFile{f, r.hold}, a, err
}

func (f heldFile) Sync(ctx context.Context) (Attrs, error) {
	<-f.hold
	return f.File.Sync(ctx)
}

// A Mac's file that becomes an ordinary one keeps nobody else's rename, removal or new
// file waiting while it is uploaded, and loses nothing of what is written meanwhile.
func TestUploadKeepsNobodyWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newLocalRig(t, "", Options{NoBackgroundCheck: true}, testenv.CountOptions{Delay: 5 * time.Millisecond})
		held := heldSyncs{FromRemote(g.r), make(chan struct{})}
		o := g.opts
		o.Local = nil
		g.FS.Close()
		g.FS = New(held, o)
		g.file("a", "x")
		g.file("b", "x")
		g.list(g.root)
		g.make(g.root, "._b", appleDoubleHead)
		ds, w, err := g.Create(g.ctx, g.root, ".DS_Store", syscall.O_RDWR, 0o644)
		g.must(err)
		g.must(g.Write(g.ctx, w.FH, []byte("Bud1"), 0, 0))
		up := g.start(func() { g.must(g.Rename(g.ctx, g.root, ".DS_Store", g.root, "plain", 0)) })
		wrote := g.start(func() { g.must(g.Write(g.ctx, w.FH, []byte("BUD"), 0, 0)) })
		g.must(g.Rename(g.ctx, g.root, "a", g.root, "c", 0))
		g.must(g.Unlink(g.ctx, g.root, "b"))
		g.must(g.Rename(g.ctx, g.root, "._b", g.root, "._c", 0))
		g.make(g.root, ".apdisk", "new")
		if ended(up) {
			t.Fatal("the upload was not held")
		}
		close(held.hold)
		<-up
		<-wrote
		g.must(g.Flush(g.ctx, w.FH))
		g.Release(w.FH)
		if s := g.onServer("plain"); s != "BUD1" {
			t.Errorf("uploaded %q", s)
		}
		if ino := g.lookup(g.root, "plain"); ino != ds.Ino {
			t.Errorf("number %d became %d", ds.Ino, ino)
		}
		g.wantServer("c", "plain")
	})
}

// Who reads a file goes on with it also when a Mac's own file takes its name.
func TestReplacedFromTheStore(t *testing.T) {
	content := strings.Repeat("0123456789abcdef", 64<<10)
	for what, replace := range map[string]func(g *rig){
		"upload": func(g *rig) {
			g.make(g.root, ".DS_Store", "Bud1")
			g.must(g.Rename(g.ctx, g.root, ".DS_Store", g.root, "._f", 0))
		},
		"move": func(g *rig) {
			g.make(g.root, "._g", appleDoubleHead)
			g.must(g.Rename(g.ctx, g.root, "._g", g.root, "._f", 0))
		},
	} {
		t.Run(what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := newLocalRig(t, "", Options{NoBackgroundCheck: true}, testenv.CountOptions{Delay: 5 * time.Millisecond})
				g.file("._f", content)
				g.list(g.root)
				f := g.lookup(g.root, "._f")
				g.read(f)
				var o Opened
				if r := g.srv.Rounds(func() {
					var err error
					o, err = g.Open(g.ctx, f, syscall.O_RDONLY)
					g.must(err)
				}); r.Total() != 0 {
					t.Fatalf("it was not opened from memory: %v", r.Requests)
				}
				replace(g)
				g.mu.Lock()
				g.spans.dropAll(g.nodes[f])
				g.mu.Unlock()
				if got := string(g.readAll(o.FH, int64(len(content)))); got != content {
					t.Errorf("%d bytes are left of it", len(got))
				}
				g.Release(o.FH)
			})
		})
	}
}

// Who has a file open never reads what a link leads to that a Mac makes of it.
func TestFileBecomesALinkWhileOpen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newLocalRig(t, "", Options{NoBackgroundCheck: true}, testenv.CountOptions{Delay: 5 * time.Millisecond})
		g.file("target", strings.Repeat("secret", 1000))
		g.file("f", "content")
		g.list(g.root)
		f := g.lookup(g.root, "f")
		g.read(f)
		o, err := g.Open(g.ctx, f, syscall.O_RDONLY)
		g.must(err)
		w, err := g.Open(g.ctx, f, syscall.O_WRONLY|syscall.O_TRUNC)
		g.must(err)
		image := string(encodeXSym("target"))
		g.must(g.Write(g.ctx, w.FH, []byte(image), 0, 0))
		g.must(g.Flush(g.ctx, w.FH))
		g.Release(w.FH)
		if got := string(g.readAll(o.FH, xsymSize)); !strings.HasPrefix(image, got) {
			t.Errorf("read %q", got)
		}
		g.Release(o.FH)
	})
}

// A rename in the store that there is no room for has not happened.
func TestRenameWithoutRoom(t *testing.T) {
	store := localmeta.Memory(localmeta.Options{MaxBytes: 400})
	g := newLocalRig(t, "", Options{NoBackgroundCheck: true, Local: store}, testenv.CountOptions{})
	g.list(g.root)
	fork := g.make(g.root, "._x", appleDoubleHead)
	for i := 0; g.SetXattr(fork, fmt.Sprint("user.", i), []byte("fills the store"), 0) == nil; i++ {
	}
	long := "._" + strings.Repeat("y", 250)
	if err := g.Rename(g.ctx, g.root, "._x", g.root, long, 0); err != syscall.ENOSPC {
		t.Fatalf("%v", err)
	}
	g.absent(g.root, long)
	if ino := g.lookup(g.root, "._x"); ino != fork || g.read(ino) != appleDoubleHead {
		t.Errorf("number %d, was %d", ino, fork)
	}
}

// Who reads a Mac's file while it becomes an ordinary one reads all of it.
func TestReadDuringTheUpload(t *testing.T) {
	g := newLocalRig(t, "", Options{NoBackgroundCheck: true}, testenv.CountOptions{})
	g.list(g.root)
	for range 50 {
		g.make(g.root, ".DS_Store", "Bud1")
		o, err := g.Open(g.ctx, g.lookup(g.root, ".DS_Store"), syscall.O_RDONLY)
		g.must(err)
		done := make(chan struct{})
		go func() {
			defer close(done)
			g.must(g.Rename(g.ctx, g.root, ".DS_Store", g.root, "plain", 0))
		}()
		for more := true; more; more = !ended(done) {
			if got := string(g.readAll(o.FH, 4)); got != "Bud1" {
				t.Fatalf("read %q", got)
			}
		}
		g.Release(o.FH)
	}
}

// A file that is removed while it is found to be an ordinary one is gone.
func TestRemovedDuringTheUpload(t *testing.T) {
	g := newLocalRig(t, "", Options{NoBackgroundCheck: true}, testenv.CountOptions{Delay: 5 * time.Millisecond})
	g.list(g.root)
	for range 20 {
		_, o, err := g.Create(g.ctx, g.root, "._x", syscall.O_RDWR, 0o644)
		g.must(err)
		wrote := make(chan struct{})
		before := g.srv.Counted().Requests["open"]
		go func() {
			defer close(wrote)
			g.must(g.Write(g.ctx, o.FH, []byte("no AppleDouble"), 0, 0))
		}()
		testenv.Eventually(t, 5*time.Second, "it is on its way", func() bool { return g.srv.Counted().Requests["open"] > before })
		g.must(g.Unlink(g.ctx, g.root, "._x"))
		<-wrote
		g.Release(o.FH)
		g.absent(g.root, "._x")
		g.wantServer()
	}
}

// A Mac's file that cannot be uploaded stays what it was, and nothing of it is left on
// the server.
func TestUploadFails(t *testing.T) {
	for _, op := range []string{"write", "fsync", "posix-rename"} {
		t.Run(op, func(t *testing.T) {
			g := newLocalRig(t, "", Options{NoBackgroundCheck: true}, testenv.CountOptions{})
			g.list(g.root)
			ds := g.make(g.root, ".DS_Store", "Bud1")
			hits, remove := g.srv.Inject(testenv.Fault{Kind: testenv.FaultStatus, Op: op, Status: sftp.StatusPermissionDenied})
			if err := g.Rename(g.ctx, g.root, ".DS_Store", g.root, "plain", 0); !errors.Is(err, fs.ErrPermission) || hits() == 0 {
				t.Errorf("%v", err)
			}
			remove()
			g.absent(g.root, "plain")
			if ino := g.lookup(g.root, ".DS_Store"); ino != ds || g.read(ino) != "Bud1" {
				t.Errorf("number %d, was %d", ino, ds)
			}
			g.wantServer()
			g.must(g.Rename(g.ctx, g.root, ".DS_Store", g.root, "plain", 0))
			g.wantServer("plain")
		})
	}
}

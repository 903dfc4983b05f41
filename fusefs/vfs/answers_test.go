package vfs

import (
	"context"
	"errors"
	"math"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"sshfs-bridge/e2e/testenv"
)

// A server that cannot tell its free space has some: Finder copies nothing to a disk
// without room.
func TestUnknownFreeSpaceIsLarge(t *testing.T) {
	g := newRig(t, Options{}, testenv.CountOptions{Without: []string{"statvfs@openssh.com"}})
	st, err := g.StatFS(g.ctx)
	g.must(err)
	if free := st.BlocksAvailable * st.FragmentSize; free != 1<<40 || st.Blocks < st.BlocksFree || st.NameMax != maxName {
		t.Errorf("%+v: %d bytes are free", st, free)
	}
}

// vast is a remote whose file f is larger than a file can be.
type vast struct{ Remote }

func (v vast) Lstat(ctx context.Context, path string) (Attrs, error) {
	a, err := v.Remote.Lstat(ctx, path)
	if path == "f" {
		a.Size = math.MaxInt64 + 1
	}
	return a, err
}

func (v vast) ReadDir(ctx context.Context, path string) ([]Entry, error) {
	entries, err := v.Remote.ReadDir(ctx, path)
	for i := range entries {
		if entries[i].Name == "f" {
			entries[i].Attrs.Size = math.MaxUint64
		}
	}
	return entries, err
}

// A size that no file can have is an error, and not a file of a negative size; what is
// beside it is there.
func TestSizeOutOfRange(t *testing.T) {
	g := newRig(t, Options{}, testenv.CountOptions{})
	g.file("f", "content")
	g.file("beside", "content")
	f := New(vast{FromRemote(g.r)}, Options{})
	defer f.Close()
	if n, err := f.Lookup(g.ctx, RootIno, "f"); !errors.Is(err, errBadAttrs) {
		t.Errorf("%+v, %v", n.Attr, err)
	}
	g.FS, f = f, g.FS
	if names := g.list(RootIno); len(names) != 1 || names[0] != "beside" {
		t.Errorf("listed are %q", names)
	}
	g.FS, f = f, g.FS
}

// With fixed ids everything is shown as the owner's to read and write, whatever its mode
// on the server, which decides; with the remote's own the mode is shown as it is.
func TestOwnerMayReadAndWrite(t *testing.T) {
	for _, c := range []struct{ server, fixed uint32 }{{0o444, 0o644}, {0, 0o600}, {0o755, 0o755}} {
		g := newRig(t, Options{}, testenv.CountOptions{})
		g.file("f", "content")
		g.must(os.Chmod(filepath.Join(g.dir, "f"), os.FileMode(c.server)))
		own := New(FromRemote(g.r), Options{})
		for f, want := range map[*FS]uint32{g.FS: c.fixed, own: c.server} {
			n, err := f.Lookup(g.ctx, RootIno, "f")
			g.must(err)
			if got := n.Attr.Mode & modePerm; got != want {
				t.Errorf("%#o is shown as %#o, want %#o", c.server, got, want)
			}
		}
		own.Close()
	}
}

// lengthy is a remote whose listings take longer than anybody waits.
type lengthy struct {
	Remote
	takes    time.Duration
	listings *atomic.Int32
}

func (l lengthy) ReadDir(ctx context.Context, path string) ([]Entry, error) {
	l.listings.Add(1)
	time.Sleep(l.takes)
	return l.Remote.ReadDir(ctx, path)
}

// A directory of very many names over a slow line: nobody hangs, and it is there for who
// asks again.
func TestLengthyListing(t *testing.T) {
	bubble(t, Options{NoBackgroundCheck: true}, func(g *rig) {
		g.file("f", "content")
		var listings atomic.Int32
		f := New(lengthy{FromRemote(g.r), 40 * time.Second, &listings}, Options{NoBackgroundCheck: true})
		defer f.Close()
		for range 3 {
			start := time.Now()
			_, err := f.OpenDir(g.ctx, RootIno)
			if took := time.Since(start); !errors.Is(err, context.DeadlineExceeded) || took > listPatience {
				t.Errorf("%v after %v", err, took)
			}
		}
		time.Sleep(30 * time.Second)
		start := time.Now()
		g.FS, f = f, g.FS
		defer func() { g.FS, f = f, g.FS }()
		if names := g.list(RootIno); len(names) != 1 || names[0] != "f" {
			t.Errorf("listed are %q", names)
		}
		if n, err := g.Lookup(g.ctx, RootIno, "f"); err != nil || n.EntryTTL <= 0 {
			t.Errorf("the name counts for %v, %v", n.EntryTTL, err)
		}
		if took := time.Since(start); took > 0 || listings.Load() != 1 {
			t.Errorf("%v and %d listings later", took, listings.Load())
		}
	})
}

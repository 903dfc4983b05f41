package vfs

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"sshfs-bridge/e2e/testenv"
	"sshfs-bridge/fusefs/remote"
)

// dialer dials a counting server.
type dialer struct{ s *testenv.CountServer }

func (d dialer) Dial(ctx context.Context, _ bool) (remote.Conn, error) {
	c, err := d.s.Dial(ctx)
	if err != nil {
		return nil, err
	}
	return c, nil
}

// rig is a filesystem over a counting server over a directory.
type rig struct {
	*FS
	t    *testing.T
	dir  string
	srv  *testenv.CountServer
	r    *remote.Remote
	ctx  context.Context
	root uint64
}

// testDelay is longer than a busy machine takes to send what goes out together.
const testDelay = 20 * time.Millisecond

func newRig(t *testing.T, o Options, c testenv.CountOptions) *rig {
	t.Helper()
	g := &rig{t: t, dir: t.TempDir(), ctx: context.Background(), root: RootIno}
	c.Dir = g.dir
	g.srv = testenv.NewCountServer(t, c)
	g.r = remote.New(remote.Options{Dialer: dialer{g.srv}, Root: g.dir})
	if err := g.r.Connect(g.ctx, false); err != nil {
		t.Fatal(err)
	}
	if o.UID == nil {
		id := uint32(1000)
		o.UID, o.GID = &id, &id
	}
	g.FS = New(FromRemote(g.r), o)
	t.Cleanup(func() {
		g.FS.Close()
		ctx, cancel := context.WithTimeout(g.ctx, 10*time.Second)
		defer cancel()
		if err := g.r.Close(ctx); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return g
}

// file puts a file onto the server behind the filesystem's back, old enough to
// be trusted.
func (g *rig) file(name, content string) {
	g.t.Helper()
	p := filepath.Join(g.dir, name)
	if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
		g.t.Fatal(err)
	}
	if err := os.WriteFile(p, []byte(content), 0o644); err != nil {
		g.t.Fatal(err)
	}
	old := time.Now().Add(-time.Hour)
	if err := os.Chtimes(p, old, old); err != nil {
		g.t.Fatal(err)
	}
}

func (g *rig) tree(dirs, files int) {
	g.t.Helper()
	for d := range dirs {
		for i := range files {
			g.file(fmt.Sprintf("d%02d/f%03d", d, i), fmt.Sprintf("content of %d in %d", i, d))
		}
	}
}

// must fails the test for an error.
func (g *rig) must(err error) {
	g.t.Helper()
	if err != nil {
		g.t.Fatal(err)
	}
}

func (g *rig) lookup(parent uint64, name string) uint64 {
	g.t.Helper()
	n, err := g.Lookup(g.ctx, parent, name)
	if err != nil {
		g.t.Fatalf("lookup %q: %v", name, err)
	}
	return n.Ino
}

// list reads a directory as the kernel does and gives its names.
func (g *rig) list(ino uint64) []string {
	g.t.Helper()
	fh, err := g.OpenDir(g.ctx, ino)
	g.must(err)
	defer g.Release(fh)
	var names []string
	g.must(g.ReadDir(g.ctx, fh, 0, true, func(e DirEntry) bool {
		if e.Name != "." && e.Name != ".." {
			names = append(names, e.Name)
		}
		return true
	}))
	return names
}

// read opens, reads and closes a file as the kernel does.
func (g *rig) read(ino uint64) string {
	g.t.Helper()
	a, _, err := g.GetAttr(g.ctx, ino)
	g.must(err)
	o, err := g.Open(g.ctx, ino, syscall.O_RDONLY)
	g.must(err)
	data := g.readAll(o.FH, int64(a.Size))
	g.must(g.Flush(g.ctx, o.FH))
	g.Release(o.FH)
	return string(data)
}

func (g *rig) readAll(fh uint64, size int64) []byte {
	g.t.Helper()
	var all []byte
	for off := int64(0); off < size; {
		buf := make([]byte, 128<<10)
		n, vec, err := g.Read(g.ctx, fh, buf, off)
		g.must(err)
		if n == 0 {
			break
		}
		if vec == nil {
			vec = [][]byte{buf[:n]}
		}
		for _, v := range vec {
			all = append(all, v...)
		}
		off += int64(n)
	}
	return all
}

func (g *rig) onServer(name string) string {
	g.t.Helper()
	b, err := os.ReadFile(filepath.Join(g.dir, name))
	g.must(err)
	return string(b)
}

func (g *rig) missing(name string) {
	g.t.Helper()
	if _, err := os.Lstat(filepath.Join(g.dir, name)); !os.IsNotExist(err) {
		g.t.Errorf("%s is still on the server: %v", name, err)
	}
}

func removeAll(dir, name string) error { return os.RemoveAll(filepath.Join(dir, name)) }

func writeEmpty(dir, name string) error { return os.WriteFile(filepath.Join(dir, name), nil, 0o644) }

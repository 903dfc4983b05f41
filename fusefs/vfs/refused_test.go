package vfs

import (
	"errors"
	"syscall"
	"testing"
	"time"

	"sshfs-bridge/e2e/testenv"
	"sshfs-bridge/fusefs/sftp"
)

// What was queued and is refused later is told to the handle that it came through,
// once, whatever that handle does next; and not to one that changed nothing.
func TestRefusedAfterQueueing(t *testing.T) {
	mode, size, at := uint32(0o640), uint64(3), time.Unix(1_500_000_000, 0)
	type opened struct {
		ino, fh, source uint64
	}
	setAttr := func(s func(opened) SetAttr) func(*rig, opened) error {
		return func(g *rig, o opened) error { return third(g.SetAttrs(g.ctx, o.ino, s(o))) }
	}
	queued := []struct {
		name, op string
		do       func(*rig, opened) error
	}{
		{"write", "write", func(g *rig, o opened) error { return g.Write(g.ctx, o.fh, []byte("lost"), 0, 0) }},
		{"chmod", "fsetstat", setAttr(func(opened) SetAttr { return SetAttr{Mode: &mode} })},
		{"times", "fsetstat", setAttr(func(opened) SetAttr { return SetAttr{Atime: &at, Mtime: &at} })},
		{"truncate", "fsetstat", setAttr(func(o opened) SetAttr { return SetAttr{Size: &size, FH: o.fh} })},
		{"copy", "copy-data", func(g *rig, o opened) error {
			_, err := g.CopyRange(g.ctx, o.source, 0, o.fh, 0, 6)
			return err
		}},
	}
	tell := []struct {
		name string
		do   func(*rig, opened) error
	}{
		{"the next write", func(g *rig, o opened) error { return g.Write(g.ctx, o.fh, []byte("more"), 100, 0) }},
		{"fsync", func(g *rig, o opened) error { return g.Fsync(g.ctx, o.fh) }},
		{"close", func(g *rig, o opened) error { return g.Flush(g.ctx, o.fh) }},
	}
	for _, q := range queued {
		for _, next := range tell {
			t.Run(q.name+", told by "+next.name, func(t *testing.T) {
				bubble(t, Options{}, func(g *rig) {
					g.file("f", "content")
					g.file("source", "source")
					g.list(g.root)
					ino := g.lookup(g.root, "f")
					open := func(ino uint64, flags uint32) uint64 {
						o, err := g.Open(g.ctx, ino, flags)
						g.must(err)
						return o.FH
					}
					o := opened{ino, open(ino, syscall.O_RDWR), open(g.lookup(g.root, "source"), syscall.O_RDONLY)}
					bystander := open(ino, syscall.O_WRONLY)
					hits, remove := g.srv.Inject(testenv.Fault{Kind: testenv.FaultStatus, Op: q.op, Status: sftp.StatusPermissionDenied})
					g.must(q.do(g, o))
					time.Sleep(time.Second) // virtual time: the refusal is there
					if hits() == 0 {
						t.Fatal("the server was not asked")
					}
					remove()
					var refused *sftp.StatusError
					if err := next.do(g, o); !errors.As(err, &refused) || refused.Code != sftp.StatusPermissionDenied {
						t.Errorf("told %v", err)
					}
					if err := g.Flush(g.ctx, o.fh); err != nil {
						t.Errorf("told twice: %v", err)
					}
					if err := g.Flush(g.ctx, bystander); err != nil {
						t.Errorf("told a handle that changed nothing: %v", err)
					}
					a, _, err := g.GetAttr(g.ctx, ino)
					g.must(err)
					if a.Size != 7 || a.Mode&0o777 != 0o644 || int64(a.Mtime) == at.Unix() || g.onServer("f") != "content" {
						t.Errorf("after the refusal: %+v", a)
					}
					for _, fh := range []uint64{o.fh, o.source, bystander} {
						g.Release(fh)
					}
				})
			})
		}
	}
}

// A copy within one file is left to the caller: the server cannot.
func TestCopyWithinAFile(t *testing.T) {
	g := newRig(t, Options{NoBackgroundCheck: true}, testenv.CountOptions{})
	g.file("f", "0123456789")
	o, err := g.Open(g.ctx, g.lookup(g.root, "f"), syscall.O_RDWR)
	g.must(err)
	defer g.Release(o.FH)
	if _, err := g.CopyRange(g.ctx, o.FH, 0, o.FH, 5, 5); err != syscall.EOPNOTSUPP {
		t.Errorf("%v", err)
	}
	if _, err := g.CopyRange(g.ctx, o.FH, 0, o.FH, 2, 5); err != syscall.EINVAL {
		t.Errorf("overlapping: %v", err)
	}
	g.must(g.Flush(g.ctx, o.FH))
	if got := g.onServer("f"); got != "0123456789" {
		t.Errorf("the file is %q", got)
	}
}

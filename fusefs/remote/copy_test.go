package remote_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sshfs-bridge/e2e/testenv"
	"sshfs-bridge/fusefs/remote"
	"sshfs-bridge/fusefs/sftp"
)

func TestCopy_isPartOfTheOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, longWay(), quick())
		old, renewed := random(1, 6<<20), random(2, 6<<20)
		src := g.open("src", remote.OpenFlags{Read: true, Write: true, Create: true})
		dst := g.open("dst", forWrite)
		for round := range 3 {
			check(t, writeAll(t.Context(), src, old, 1<<20))
			// Behind the source's writes, in Finder's pieces, and before what follows.
			for off := int64(0); off < int64(len(old)); off += 1 << 20 {
				check(t, src.CopyTo(t.Context(), dst, off, off, min(1<<20, int64(len(old))-off)))
			}
			if round == 1 {
				g.server.Break()
			}
			check(t, writeAll(t.Context(), src, renewed, 1<<20))
			if _, err := dst.Flush(t.Context()); err != nil {
				t.Fatal(err)
			}
			same(t, "copy", g.onServer("dst"), old)
			if _, err := src.Flush(t.Context()); err != nil {
				t.Fatal(err)
			}
			same(t, "source", g.onServer("src"), renewed)
		}
		// Within one file.
		check(t, src.CopyTo(t.Context(), src, 0, 30<<20, 1<<20))
		check(t, src.WriteAt(t.Context(), []byte("after"), 0))
		if _, err := src.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		got := g.onServer("src")
		same(t, "within one file", got[30<<20:], renewed[:1<<20])
		if string(got[:5]) != "after" {
			t.Error("the write after the copy is missing")
		}
		if _, err := dst.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestCopy_sourceMayBeClosedEarly(t *testing.T) {
	g := newRig(t, testenv.CountOptions{Delay: 5 * time.Millisecond, Settle: -1}, quick())
	data := random(1, 20<<20)
	g.put("src", data)
	src, dst := g.open("src", forRead), g.open("dst", forWrite)
	r := g.server.Rounds(func() {
		check(t, src.CopyTo(t.Context(), dst, 0, 0, int64(len(data))))
		src.Close(t.Context())
		a, err := dst.Close(t.Context())
		if err != nil || a.Size != uint64(len(data)) {
			t.Errorf("close gave %+v, %v", a, err)
		}
	})
	same(t, "copy", g.onServer("dst"), data)
	if r.BytesRead+r.BytesWritten != 0 {
		t.Errorf("data crossed the link: %+v", r)
	}
	if r.Depth > 2 {
		t.Errorf("%d round trips", r.Depth)
	}
}

func TestCopy_unsupported(t *testing.T) {
	g := newRig(t, testenv.CountOptions{Without: []string{sftp.ExtCopyData}}, quick())
	g.put("src", nil)
	src, dst := g.open("src", forRead), g.open("dst", forWrite)
	if err := src.CopyTo(t.Context(), dst, 0, 0, 10); !errors.Is(err, errors.ErrUnsupported) || g.CanCopy() {
		t.Errorf("copy: %v", err)
	}
	src.Close(t.Context())
	dst.Close(t.Context())
}

// TestCopy_handlesAreNotForgotten has the source of two copies read while the
// connection is lost: it is opened again for all three at the same time, and each
// handle is closed in the end.
func TestCopy_handlesAreNotForgotten(t *testing.T) {
	for range 20 {
		synctest.Test(t, func(t *testing.T) {
			g := newRig(t, testenv.CountOptions{Delay: 5 * time.Millisecond, Settle: -1}, quick())
			data := random(1, 1<<20)
			g.put("src", data)
			src := g.open("src", forRead)
			g.server.Break()
			time.Sleep(time.Second)
			g.eventually(remote.StateUp)
			r := g.server.Rounds(func() {
				var group sync.WaitGroup
				a, b := g.open("a", forWrite), g.open("b", forWrite)
				for _, dst := range []*remote.File{a, b} {
					check(t, src.CopyTo(t.Context(), dst, 0, 0, int64(len(data))))
				}
				group.Go(func() {
					_, err := src.ReadAt(t.Context(), make([]byte, len(data)), 0)
					check(t, err)
				})
				group.Wait()
				for _, f := range []*remote.File{a, b, src} {
					_, err := f.Close(t.Context())
					check(t, err)
				}
				time.Sleep(time.Second)
			})
			if opened, closed := r.Requests["open"], r.Requests["close"]; opened != closed {
				t.Fatalf("%d handles were opened, %d closed", opened, closed)
			}
			same(t, "a", g.onServer("a"), data)
			same(t, "b", g.onServer("b"), data)
		})
	}
}

// TestCopy_crossed copies between two files in both directions at a time, while both are
// being written.
func TestCopy_crossed(t *testing.T) {
	g := newRig(t, testenv.CountOptions{}, quick())
	readWrite := remote.OpenFlags{Read: true, Write: true, Create: true}
	a, b := g.open("a", readWrite), g.open("b", readWrite)
	part := random(1, 1000)
	for range 500 {
		var group sync.WaitGroup
		for _, x := range [][2]*remote.File{{a, b}, {b, a}} {
			group.Go(func() { check(t, x[0].CopyTo(t.Context(), x[1], 0, 2000, 1000)) })
			group.Go(func() { check(t, x[0].WriteAt(t.Context(), part, 0)) })
		}
		group.Wait()
		for _, f := range []*remote.File{a, b} {
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			_, err := f.Flush(ctx)
			cancel()
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, f := range []*remote.File{a, b} {
		_, err := f.Close(t.Context())
		check(t, err)
	}
}

// TestCopy_ofWhatIsCopiedOverNext queues a copy behind a write that is in flight, and
// then another one over its source.
func TestCopy_ofWhatIsCopiedOverNext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, testenv.CountOptions{Delay: 5 * time.Millisecond}, quick())
		first, next := random(1, 1000), random(2, 1000)
		g.put("a", first)
		g.put("x", next)
		a, b, x := g.open("a", remote.OpenFlags{Read: true, Write: true}), g.open("b", forWrite), g.open("x", forRead)
		check(t, b.WriteAt(t.Context(), random(3, 1000), 0))
		synctest.Wait()
		check(t, a.CopyTo(t.Context(), b, 0, 0, 1000))
		check(t, x.CopyTo(t.Context(), a, 0, 0, 1000))
		for _, f := range []*remote.File{a, b, x} {
			_, err := f.Close(t.Context())
			check(t, err)
		}
		same(t, "b", g.onServer("b"), first)
		same(t, "a", g.onServer("a"), next)
	})
}

// TestCopy_withinAFileIsOneFlight: the parts of a large copy within one file do not wait
// for one another, as those between two files do not.
func TestCopy_withinAFileIsOneFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const size = 48 << 20 // three copy-data requests
		g := newRig(t, testenv.CountOptions{Delay: 5 * time.Millisecond, Settle: -1}, quick())
		data := random(1, size)
		g.put("f", data)
		f := g.open("f", remote.OpenFlags{Read: true, Write: true})
		r := g.server.Rounds(func() {
			check(t, f.CopyTo(t.Context(), f, 0, size, size))
			_, err := f.Close(t.Context())
			check(t, err)
		})
		same(t, "the copy", g.onServer("f")[size:], data)
		if r.Depth > 2 {
			t.Errorf("%d round trips", r.Depth)
		}
	})
}

package vfs

import (
	"maps"
	"os"
	"testing"
	"time"

	"sshfs-bridge/e2e/testenv"
)

// Inode numbers are what they were when the kernel has forgotten everything, memory
// too, when the connection was lost and made again, and when a file was renamed in
// between; no two files have one number.
func TestInodeNumbersAreStable(t *testing.T) {
	g := newRig(t, Options{MaxNodes: 10}, testenv.CountOptions{})
	g.tree(6, 20)
	// The kernel keeps what it looks up until forget.
	known := map[uint64]uint64{}
	look := func(parent uint64, name string) uint64 {
		n, err := g.Lookup(g.ctx, parent, name)
		g.must(err)
		known[n.Ino]++
		return n.Ino
	}
	walk := func() map[string]uint64 {
		all := map[string]uint64{}
		for _, dir := range g.list(g.root) {
			d := look(g.root, dir)
			all[dir] = d
			for _, name := range g.list(d) {
				all[dir+"/"+name] = look(d, name)
			}
		}
		return all
	}
	forget := func() {
		for ino := range known {
			g.Forget(ino, 1<<30)
		}
		clear(known)
		g.mu.Lock()
		for _, n := range g.nodes {
			if n.dir != nil {
				n.dir.usedAt = n.dir.usedAt.Add(-time.Minute)
				for _, c := range n.dir.children {
					c.nlookup = 0 // of the listings
				}
			}
		}
		g.mu.Unlock()
		testenv.Eventually(t, 10*time.Second, "memory has forgotten", func() bool {
			g.mu.Lock()
			defer g.mu.Unlock()
			g.evicted = zeroTime
			g.evict()
			return len(g.nodes) < 60
		})
	}
	first := walk()
	numbers := map[uint64]string{}
	for name, ino := range first {
		if other, taken := numbers[ino]; taken {
			t.Errorf("%s and %s have one number", name, other)
		}
		numbers[ino] = name
	}
	forget()
	same := func(when string) {
		t.Helper()
		got := walk()
		for name, ino := range first {
			if got[name] != ino {
				t.Errorf("%s %s has the number %d, not %d", when, name, got[name], ino)
			}
		}
		if len(got) != len(first) {
			t.Errorf("%s there are %d files, not %d", when, len(got), len(first))
		}
	}
	same("after a forget")
	d0, d1 := look(g.root, "d00"), look(g.root, "d01")
	g.must(g.Rename(g.ctx, d0, "f003", d1, "moved", 0))
	g.must(g.Rename(g.ctx, g.root, "d02", g.root, "renamed", 0))
	first["d01/moved"] = first["d00/f003"]
	delete(first, "d00/f003")
	for name, ino := range maps.Clone(first) {
		if len(name) >= 3 && name[:3] == "d02" {
			first["renamed"+name[3:]] = ino
			delete(first, name)
		}
	}
	same("after renames")
	forget()
	g.srv.Break()
	testenv.Eventually(t, 20*time.Second, "the link is back", func() bool {
		g.Refresh()
		_, err := g.Lookup(g.ctx, g.root, "d00")
		return err == nil
	})
	same("after renames, a forget and a reconnect")
	// A new file where one was moved from is another file.
	g.must(os.WriteFile(g.dir+"/d00/f003", nil, 0o644))
	g.Refresh()
	if ino := look(look(g.root, "d00"), "f003"); ino == first["d01/moved"] {
		t.Error("a new file has the number of the one that was there before")
	}
}

// The number that a file has from the name of which it was made a hard link is given to
// nothing else that gets this name.
func TestNumberOfALink(t *testing.T) {
	g := newRig(t, Options{}, testenv.CountOptions{})
	f := g.make(g.root, "a", "x")
	n, err := g.Link(g.ctx, f, g.root, "b")
	g.must(err)
	g.must(g.Unlink(g.ctx, g.root, "a"))
	g.Forget(f, 1<<30)
	d, err := g.Mkdir(g.ctx, g.root, "a", 0o755)
	g.must(err)
	if n.Attr.Ino != f || d.Attr.Ino == n.Attr.Ino {
		t.Errorf("the file has number %d, its link %d, what has its name now %d", f, n.Attr.Ino, d.Attr.Ino)
	}
}

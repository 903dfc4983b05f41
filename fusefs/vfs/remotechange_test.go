package vfs

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"sshfs-bridge/e2e/testenv"
)

// deafKernel forgets what it is told to forget.
type deafKernel struct{}

func (deafKernel) InvalAttr(uint64)          {}
func (deafKernel) InvalData(uint64)          {}
func (deafKernel) InvalEntry(uint64, string) {}
func (deafKernel) Prune([]uint64) bool       { return true }

// What others do in a directory that is held open is told, with names as they are
// shown; what we do ourselves is not, nor what happens where nobody looks.
func TestRemoteChanges_areTold(t *testing.T) {
	var mu sync.Mutex
	told := map[string][]string{}
	g := newRig(t, Options{SMBNames: true, AttrTTL: time.Hour, OnRemoteChange: func(dir string, names []string) {
		mu.Lock()
		defer mu.Unlock()
		told[dir] = append(told[dir], append(names, "|")...)
	}}, testenv.CountOptions{})
	g.SetKernel(deafKernel{})
	write := func(name, content string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(g.dir, name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, dir := range []string{"watched .", "closed"} {
		if err := os.Mkdir(filepath.Join(g.dir, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	write("watched ./stays", "1")
	write("watched ./goes", "1")
	const shown = "watched " + shownDot
	inos := map[string]uint64{}
	for _, name := range []string{shown, "closed"} {
		n, err := g.Lookup(g.ctx, g.root, name)
		if err != nil {
			t.Fatal(err)
		}
		inos[name] = n.Ino
		fh, err := g.OpenDir(g.ctx, n.Ino)
		if err != nil {
			t.Fatal(err)
		}
		if name == "closed" {
			g.Release(fh)
		} else {
			defer g.Release(fh)
		}
	}
	// relist has every listing read again and returns what was told of it.
	relist := func() []string {
		t.Helper()
		g.Refresh()
		for _, ino := range inos {
			g.mu.Lock()
			d := g.nodes[ino]
			g.mu.Unlock()
			if err := g.FS.list(g.ctx, d, 0); err != nil {
				t.Fatal(err)
			}
		}
		// The queue is in order: what was told before this has been told.
		done := make(chan struct{})
		g.invals.push(func(Kernel) { close(done) })
		<-done
		mu.Lock()
		defer mu.Unlock()
		if len(told["closed"]) > 0 {
			t.Errorf("told of a directory that nobody holds open: %q", told["closed"])
		}
		got := told[shown]
		delete(told, shown)
		return got
	}
	for _, step := range []struct {
		what string
		do   func()
		want []string
	}{
		{"nothing", func() {}, nil},
		{"a new file", func() { write("watched ./new ", "1"); write("closed/new", "1") }, []string{"new" + shownSpace, "|"}},
		{"a file that grew", func() { write("watched ./stays", "longer") }, []string{"stays", "|"}},
		{"a file that went", func() { os.Remove(filepath.Join(g.dir, "watched ./goes")) }, []string{"|"}},
		{"a file of our own", func() {
			_, o, err := g.Create(g.ctx, inos[shown], "ours", uint32(os.O_WRONLY), 0o644)
			if err != nil {
				t.Fatal(err)
			}
			if err := g.Flush(g.ctx, o.FH); err != nil {
				t.Fatal(err)
			}
			g.Release(o.FH)
		}, nil},
	} {
		step.do()
		if got := relist(); !slices.Equal(got, step.want) {
			t.Errorf("%s: told %q, want %q", step.what, got, step.want)
		}
	}
}

// Whoever holds a directory open is told within half of AttrTTL, and the second until
// somebody looks whether it is over; also where nothing is answered from memory.
func TestRemoteChanges_areToldInTime(t *testing.T) {
	const ttl = 20 * time.Second
	for _, cache := range []CacheMode{CacheDefault, CacheStrict, CacheOff} {
		t.Run(string(cache), func(t *testing.T) {
			told := make(chan []string, 8)
			bubble(t, Options{Cache: cache, AttrTTL: ttl, OnRemoteChange: func(_ string, names []string) { told <- names }}, func(g *rig) {
				g.SetKernel(deafKernel{})
				fh, err := g.OpenDir(g.ctx, g.root)
				g.must(err)
				defer g.Release(fh)
				for i := range 3 { // at once, and for as long as it is open
					name := fmt.Sprint("new", i)
					g.file(name, "")
					time.Sleep(ttl/2 + time.Second + 100*time.Millisecond) // what a listing takes, too
					select {
					case got := <-told:
						if !slices.Equal(got, []string{name}) {
							t.Errorf("told of %q, want %s", got, name)
						}
					default:
						t.Errorf("not told of %s", name)
					}
				}
			})
		})
	}
}

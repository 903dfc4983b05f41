package vfs

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// replace gives name to another file, as rsync and editors do: it is old enough to
// be trusted, and has another time than the one before.
func (g *rig) replace(name, content string) {
	g.t.Helper()
	g.file(name+".new", content)
	at := time.Now().Add(-30 * time.Minute)
	g.must(os.Chtimes(filepath.Join(g.dir, name+".new"), at, at))
	g.must(os.Rename(filepath.Join(g.dir, name+".new"), filepath.Join(g.dir, name)))
}

// reopen opens a file as the kernel does, which looks its name up again when it is
// told that what it knows is another file by now.
func (g *rig) reopen(name string) (ino, fh uint64) {
	g.t.Helper()
	for range 2 {
		ino = g.lookup(g.root, name)
		o, err := g.Open(g.ctx, ino, syscall.O_RDONLY)
		if err != syscall.ESTALE {
			g.must(err)
			return ino, o.FH
		}
	}
	g.t.Fatalf("%s is another file each time", name)
	return 0, 0
}

// part reads [off, off+size).
func (g *rig) part(fh uint64, off int64, size int) string {
	g.t.Helper()
	buf := make([]byte, size)
	n, vec, err := g.Read(g.ctx, fh, buf, off)
	g.must(err)
	if vec == nil {
		return string(buf[:n])
	}
	var b strings.Builder
	for _, v := range vec {
		b.Write(v)
	}
	return b.String()
}

// Who holds a file open that others change again and again reads what it has become,
// each time and nothing else, in every cache mode.
func TestOpenFileChangesAgain(t *testing.T) {
	for _, mode := range []CacheMode{CacheDefault, CacheStrict, CacheOff} {
		t.Run(string(mode), func(t *testing.T) {
			bubble(t, Options{Cache: mode}, func(g *rig) {
				g.file("f", "first")
				ino := g.lookup(g.root, "f")
				o, err := g.Open(g.ctx, ino, syscall.O_RDONLY)
				g.must(err)
				for _, content := range []string{"first", "second, longer", "3", "the fourth is the longest", "fifth"} {
					g.file("f", content)
					time.Sleep(21 * time.Second)
					a, _, err := g.GetAttr(g.ctx, ino)
					g.must(err)
					if got := string(g.readAll(o.FH, int64(a.Size))); got != content {
						t.Errorf("%q is read as %q", content, got)
					}
				}
				if again := g.lookup(g.root, "f"); again != ino {
					t.Errorf("it was number %d, and is %d", ino, again)
				}
				g.Release(o.FH)
			})
		})
	}
}

// A file that somebody appends to all the time, and writes in the same place, is one
// file to who follows it.
func TestOpenFileGrowsAllTheTime(t *testing.T) {
	bubble(t, Options{Cache: CacheStrict}, func(g *rig) {
		g.file("log", "")
		stop := make(chan struct{})
		done := make(chan struct{})
		go func() {
			defer close(done)
			for {
				select {
				case <-stop:
					return
				case <-time.After(3 * time.Millisecond):
				}
				f, err := os.OpenFile(filepath.Join(g.dir, "log"), os.O_APPEND|os.O_WRONLY, 0)
				g.must(err)
				_, err = f.WriteString("line\n")
				g.must(err)
				g.must(f.Close())
			}
		}()
		ino, fh := g.reopen("log")
		var all string
		for range 100 {
			a, _, err := g.GetAttr(g.ctx, ino)
			g.must(err)
			if a.Nlink != 1 {
				t.Fatal("it is taken for another file")
			}
			all += g.part(fh, int64(len(all)), 64<<10)
			time.Sleep(100 * time.Millisecond)
		}
		close(stop)
		<-done
		if want := strings.Repeat("line\n", len(all)/5); all != want || len(all) < 1000 {
			t.Errorf("%d bytes were read, and not %d times the line", len(all), len(all)/5)
		}
		g.Release(fh)
	})
}

// A file that others replace is the old one, to its end, to who has it open, and the
// new one to who opens it then, whoever reads first, and also later.
func TestOpenFileIsReplaced(t *testing.T) {
	const size, block = 8 << 20, 128 << 10
	for name, told := range map[string]func(g *rig){
		"an open tells":   func(*rig) { time.Sleep(5 * time.Second) },
		"a listing tells": func(g *rig) { time.Sleep(21 * time.Second); g.list(g.root) },
	} {
		for content, newSize := range map[string]int{"of the same size": size, "smaller": 5, "larger": size + 1<<20} {
			t.Run(name+", "+content, func(t *testing.T) {
				bubble(t, Options{NoBackgroundCheck: true}, func(g *rig) {
					g.file("f", strings.Repeat("o", size))
					f := g.lookup(g.root, "f")
					first, err := g.Open(g.ctx, f, syscall.O_RDONLY)
					g.must(err)
					old := g.part(first.FH, 0, block)
					g.replace("f", strings.Repeat("N", newSize))
					told(g)
					ino, second := g.reopen("f")
					begins := g.part(second, 0, block)
					for off := int64(block); off < size; off += block {
						old += g.part(first.FH, off, block)
					}
					if old != strings.Repeat("o", size) {
						t.Errorf("who had it open read %d old bytes of %d, and %d new ones", strings.Count(old, "o"), size, strings.Count(old, "N"))
					}
					if got := string(g.readAll(second, int64(newSize))); got != strings.Repeat("N", newSize) || begins != got[:len(begins)] {
						t.Errorf("who opened it then read %d new bytes of %d, and %d old ones", strings.Count(got, "N"), newSize, strings.Count(got, "o"))
					}
					g.Release(first.FH)
					g.Release(second)
					time.Sleep(5 * time.Second)
					if got := g.read(ino); got != strings.Repeat("N", newSize) {
						t.Errorf("who opened it at last read %d new bytes of %d, and %d old ones", strings.Count(got, "N"), newSize, strings.Count(got, "o"))
					}
				})
			})
		}
	}
}

// A file that was opened from memory is not another one in the middle when others
// replace it; held for longer than a moment it is the old one to its end.
func TestOpenedFromMemoryAndReplaced(t *testing.T) {
	const size, block = 600 << 10, 128 << 10
	for name, held := range map[string]time.Duration{"at once": 0, "later": 2 * openTTL} {
		t.Run(name, func(t *testing.T) {
			bubble(t, Options{NoBackgroundCheck: true}, func(g *rig) {
				g.file("f", strings.Repeat("o", size))
				g.list(g.root)
				f := g.lookup(g.root, "f")
				g.read(f)
				o, err := g.Open(g.ctx, f, syscall.O_RDONLY)
				g.must(err)
				if !o.KeepCache {
					t.Fatal("it was not opened from memory")
				}
				g.part(o.FH, 0, block)
				time.Sleep(held)
				g.replace("f", strings.Repeat("N", size))
				time.Sleep(21 * time.Second)
				g.list(g.root)
				buf := make([]byte, block)
				n, vec, err := g.Read(g.ctx, o.FH, buf, block)
				for _, v := range vec {
					n = copy(buf, v)
				}
				old := err == nil && string(buf[:n]) == strings.Repeat("o", block)
				if !old && (held > 0 || !errors.Is(err, syscall.ESTALE)) {
					t.Errorf("the second block: %d bytes, %d of them new, %v", n, strings.Count(string(buf[:n]), "N"), err)
				}
				g.Release(o.FH)
			})
		})
	}
}

// An open finds the file that others gave the name to, also while the one before is
// open for writing, and idle; what is written through either goes where it belongs.
func TestReplacedBesideAnIdleWriter(t *testing.T) {
	for _, mode := range []CacheMode{CacheDefault, CacheStrict, CacheOff} {
		for name, flags := range map[string]uint32{"read": syscall.O_RDONLY, "write": syscall.O_RDWR} {
			t.Run(string(mode)+", "+name, func(t *testing.T) {
				bubble(t, Options{Cache: mode, NoBackgroundCheck: true}, func(g *rig) {
					g.file("f", "first")
					f := g.lookup(g.root, "f")
					idle, err := g.Open(g.ctx, f, syscall.O_RDWR)
					g.must(err)
					before, err := os.Open(filepath.Join(g.dir, "f"))
					g.must(err)
					defer before.Close()
					g.replace("f", "another")
					time.Sleep(5 * time.Second)
					if _, err := g.Open(g.ctx, f, flags); err != syscall.ESTALE {
						t.Errorf("an open: %v", err)
					}
					ino := g.lookup(g.root, "f")
					if got := g.read(ino); got != "another" {
						t.Errorf("read %q", got)
					}
					g.must(g.Write(g.ctx, idle.FH, []byte("F"), 0, 0))
					g.must(g.Flush(g.ctx, idle.FH))
					old := make([]byte, 5)
					if _, err := before.ReadAt(old, 0); err != nil || string(old) != "First" || g.onServer("f") != "another" {
						t.Errorf("the old one is %q, the new one %q", old, g.onServer("f"))
					}
					g.Release(idle.FH)
				})
			})
		}
	}
}

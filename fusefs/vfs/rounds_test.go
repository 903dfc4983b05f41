package vfs

import (
	"cmp"
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// roundTrip is a line of the table of round trips: an operation with the lookups that
// the kernel makes for it.
type roundTrip struct {
	name string
	// put is what the server has besides roundsTree.
	put func(*roundsRig)
	// before is what was done before. Where it is nil, the directory was listed, or,
	// for the cold column, nothing was done at all.
	before func(*roundsRig)
	do     func(*roundsRig)
	// cold and listed are what do waits for; none where there is no such case.
	cold, listed int
	// strict is what do waits for in CacheStrict, and off in CacheOff where that is
	// another number.
	strict, off int
	posix       bool // without fixed ids
	// most says that it can be fewer: files that are fetched at the same moment are
	// asked for in any order.
	most bool
}

const none = -1

// roundsRig is what the lines of the table work on.
type roundsRig struct {
	*rig
	ino, fh uint64
}

func (s *roundsRig) listRoot() { s.list(s.root) }

// readAhead lets what is being read ahead come, in the bubble's time.
func (s *roundsRig) readAhead() { time.Sleep(time.Second) }

// a is the file that most lines are about.
func (s *roundsRig) a() uint64 { return s.lookup(s.root, "a") }

// absent looks for a name that shall be made, as the kernel does.
func (s *roundsRig) absent(name string) {
	if _, err := s.Lookup(s.ctx, s.root, name); err != syscall.ENOENT {
		s.t.Errorf("lookup of %s: %v", name, err)
	}
}

// open opens a file for the lines that go on with it.
func (s *roundsRig) open(name string, flags uint32) {
	s.ino = s.lookup(s.root, name)
	o, err := s.Open(s.ctx, s.ino, flags)
	s.must(err)
	s.fh = o.FH
}

func (s *roundsRig) create(name string) {
	s.absent(name)
	n, o, err := s.Create(s.ctx, s.root, name, syscall.O_RDWR|syscall.O_EXCL, 0o644)
	s.must(err)
	s.ino, s.fh = n.Ino, o.FH
}

func (s *roundsRig) write(data string, off int64) {
	s.must(s.Write(s.ctx, s.fh, []byte(data), off, 0))
}

func (s *roundsRig) shut() {
	s.must(s.Flush(s.ctx, s.fh))
	s.Release(s.fh)
}

func (s *roundsRig) set(ino uint64, a SetAttr) {
	_, _, err := s.SetAttrs(s.ctx, ino, a)
	s.must(err)
}

func (s *roundsRig) mkdir(name string) uint64 {
	s.absent(name)
	n, err := s.Mkdir(s.ctx, s.root, name, 0o755)
	s.must(err)
	return n.Ino
}

func roundsTree(g *rig) {
	g.file("a", "hello")
	g.file("b", "there")
	g.must(os.Mkdir(g.dir+"/empty", 0o755))
	g.must(os.Symlink("a", g.dir+"/link"))
	g.file("large", string(make([]byte, 4<<20)))
}

// TestRoundTrips holds the table of round trips, exactly, since in a bubble's time no
// processor has a part in it: whoever makes an operation wait for the server once more
// breaks the line that names it. docs/performance.md shows the table, and
// BRIDGE_UPDATE_DOCS=1 writes it there.
func TestRoundTrips(t *testing.T) {
	rows := []string{"| operation | nothing known | directory listed | `strict` | `off` |", "|---|---:|---:|---:|---:|"}
	for _, c := range roundTrips {
		t.Run(c.name, func(t *testing.T) {
			cold, listed := none, none
			if c.before == nil && c.cold != none {
				cold = c.count(t, CacheDefault, func(*roundsRig) {})
			}
			before := c.before
			if before == nil {
				before = (*roundsRig).listRoot
			}
			if c.listed != none {
				listed = c.count(t, CacheDefault, before)
			}
			if c.most {
				listed = max(listed, c.listed)
			}
			if cold != c.cold || listed != c.listed {
				t.Errorf("%d round trips where nothing is known, and %d in a listed directory; want %d and %d", cold, listed, c.cold, c.listed)
			}
			wantOff := cmp.Or(c.off, c.strict)
			strict, off := c.count(t, CacheStrict, before), c.count(t, CacheOff, before)
			if strict != c.strict || off != wantOff {
				t.Errorf("%d round trips with %s, and %d with %s; want %d and %d", strict, CacheStrict, off, CacheOff, c.strict, wantOff)
			}
			rows = append(rows, fmt.Sprintf("| %s | %s | %s | %d | %d |", c.name, cell(cold), cell(listed), strict, off))
		})
	}
	if len(rows) != len(roundTrips)+2 {
		return // some were left out by -run
	}
	t.Log("\n" + strings.Join(rows, "\n"))
	if !t.Failed() {
		compareTable(t, "../../docs/performance.md", rows)
	}
}

func cell(n int) string {
	if n == none {
		return ""
	}
	return fmt.Sprint(n)
}

// count counts what a line waits for.
func (c *roundTrip) count(t *testing.T, mode CacheMode, before func(*roundsRig)) (depth int) {
	bubble(t, Options{Cache: mode}, func(g *rig) {
		s := &roundsRig{rig: g}
		roundsTree(g)
		if c.put != nil {
			c.put(s)
		}
		if c.posix {
			g.FS.Close()
			g.FS = New(FromRemote(g.r), Options{Cache: mode})
		}
		before(s)
		got := g.srv.Rounds(func() { c.do(s) })
		t.Logf("%d round trips, %v", got.Depth, got.Requests)
		depth = got.Depth
	})
	return depth
}

// compareTable looks for a table in a document, found by its first row, and compares it
// or writes it.
func compareTable(t *testing.T, doc string, rows []string) {
	t.Helper()
	text, err := os.ReadFile(doc)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(text), "\n")
	from := slices.Index(lines, rows[0])
	if from < 0 {
		t.Fatalf("%s has no table that begins with %s", doc, rows[0])
	}
	to := from
	for to < len(lines) && strings.HasPrefix(lines[to], "|") {
		to++
	}
	if slices.Equal(lines[from:to], rows) {
		return
	}
	if os.Getenv("BRIDGE_UPDATE_DOCS") == "" {
		t.Errorf("%s has another table:\n%s", doc, strings.Join(lines[from:to], "\n"))
		return
	}
	lines = slices.Replace(lines, from, to, rows...)
	if err := os.WriteFile(doc, []byte(strings.Join(lines, "\n")), 0o644); err != nil {
		t.Fatal(err)
	}
}

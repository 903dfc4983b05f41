package e2e

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sshfs-bridge/e2e/testenv"
)

// sambaWork is something that a Mac does with a share; what it costs is told for
// one of units.
type sambaWork struct {
	name, title string
	units       int
	do          func(c *testenv.MacSMB, dir string) error
}

// Sizes of the works: enough for what is asked once to hardly show.
const (
	listed  = 100
	repeats = 10
)

// A copy made by Finder asks for these rights; moving and removing for those.
const (
	copyAccess = testenv.AccessWrite | testenv.AccessDelete
	moveAccess = testenv.AccessAttr | testenv.AccessDelete
)

// sambaWorks go in this order, in a directory that prepareWorks made.
func sambaWorks() []sambaWork {
	return []sambaWork{
		{"list", "entry listed", listed, func(c *testenv.MacSMB, dir string) error {
			entries, err := c.List(dir + "/list")
			if err == nil && len(entries) != listed {
				err = fmt.Errorf("%d entries", len(entries))
			}
			return err
		}},
		{"miss", "no such name", repeats, each(func(c *testenv.MacSMB, dir string, i int) error {
			if _, err := c.Open(fmt.Sprintf("%s/list/._f%d", dir, i), testenv.MacOpen{Create: testenv.OpenExisting}); err != testenv.StatusNotFound {
				return fmt.Errorf("opening what is not there: %v", err)
			}
			return nil
		})},
		{"read", "file read", repeats, opening("list/f%d7", testenv.MacOpen{Create: testenv.OpenExisting, Lease: true, Durable: true},
			func(f *testenv.MacFile) error {
				data, err := f.Read(4096, 0)
				if err == nil && string(data) != smallText {
					err = fmt.Errorf("read %q", data)
				}
				return err
			})},
		{"write", "file copied in", repeats, opening("new%d@", testenv.MacOpen{Create: testenv.CreateNew, Access: copyAccess, Lease: true, Durable: true},
			func(f *testenv.MacFile) error {
				return errors.Join(f.Write([]byte(smallText), 0), f.SetModified(longAgo))
			})},
		{"info", "label set", repeats, opening("new%d@:AFP_AfpInfo", testenv.MacOpen{Create: testenv.OpenOrCreate, Access: testenv.AccessWrite},
			func(f *testenv.MacFile) error { return f.Write(testenv.AfpInfo(labelled), 0) })},
		{"mkdir", "folder made", repeats, opening("folder%d", testenv.MacOpen{Create: testenv.CreateNew, Directory: true, Access: testenv.AccessWrite},
			func(*testenv.MacFile) error { return nil })},
		{"rename", "renamed", repeats, each(func(c *testenv.MacSMB, dir string, i int) error {
			return with(c, fmt.Sprintf("%s/new%d%s", dir, i, dir), testenv.MacOpen{Create: testenv.OpenExisting, Access: moveAccess},
				func(f *testenv.MacFile) error { return f.Rename(fmt.Sprintf("%s/other%d%s", dir, i, dir), false) })
		})},
		{"remove", "removed", repeats, opening("other%d@", testenv.MacOpen{Create: testenv.OpenExisting, Access: moveAccess}, (*testenv.MacFile).Remove)},
		{"save", "saved, flushed", repeats, opening("list/f%d3", testenv.MacOpen{Create: testenv.OpenExisting, Access: testenv.AccessWrite},
			func(f *testenv.MacFile) error { return errors.Join(f.Write([]byte(smallText), 0), f.Flush()) })},
		{"free", "space asked", repeats, func(c *testenv.MacSMB, dir string) error {
			return with(c, dir, testenv.MacOpen{Create: testenv.OpenExisting, Directory: true}, func(f *testenv.MacFile) error {
				for range repeats {
					if _, free, err := f.Free(); err != nil || free == 0 {
						return fmt.Errorf("%d bytes free: %v", free, err)
					}
				}
				return nil
			})
		}},
	}
}

// labelled is a text file with a red label, in Finder's 32 bytes.
var labelled = [32]byte{'T', 'E', 'X', 'T', 9: 12}

// each repeats f.
func each(f func(c *testenv.MacSMB, dir string, i int) error) func(*testenv.MacSMB, string) error {
	return func(c *testenv.MacSMB, dir string) error {
		for i := range repeats {
			if err := f(c, dir, i); err != nil {
				return err
			}
		}
		return nil
	}
}

// opening opens a file after the other and does something with it; in a name @ is
// the directory, so that the kernel meets no name twice.
func opening(name string, o testenv.MacOpen, do func(*testenv.MacFile) error) func(*testenv.MacSMB, string) error {
	return each(func(c *testenv.MacSMB, dir string, i int) error {
		return with(c, strings.ReplaceAll(fmt.Sprintf("%s/"+name, dir, i), "@", dir), o, do)
	})
}

func with(c *testenv.MacSMB, path string, o testenv.MacOpen, do func(*testenv.MacFile) error) error {
	f, err := c.Open(path, o)
	if err != nil {
		return fmt.Errorf("open %s: %w", path, err)
	}
	return errors.Join(do(f), f.Close())
}

const smallText = "what is in a small file"

var longAgo = time.Unix(1_600_000_000, 0)

// prepareWorks makes on the server what the works need.
func prepareWorks(t testing.TB, dir string) {
	t.Helper()
	check(t, os.MkdirAll(filepath.Join(dir, "list"), 0o755))
	for i := range listed {
		name := filepath.Join(dir, "list", fmt.Sprintf("f%02d", i))
		writeFile(t, name, smallText)
		check(t, os.Chtimes(name, longAgo, longAgo)) // what has just changed is not trusted
	}
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// counted is what a work has cost, or why it could not be done.
type counted struct {
	requests
	err error
}

// countWorks does every work in dir of the share "files" of an smbd. Names and
// folders are known, as to somebody who looks at them in Finder.
func (m *countedMount) countWorks(t testing.TB, port int, dir string) map[string]counted {
	t.Helper()
	counts := map[string]counted{}
	for _, w := range sambaWorks() {
		// One after the other has a connection, as one may end smbd's process. The
		// first open of a share pays for what is asked once.
		c := testenv.DialMacSMB(t, port, "files")
		for _, d := range []string{"", dir} {
			if _, err := c.List(d); err != nil {
				t.Logf("listing %q: %v", d, err)
			}
		}
		var n counted
		n.requests = m.cost(func() { n.err = w.do(c, dir) })
		if n.err != nil {
			t.Logf("%s: %v", w.title, n.err)
		}
		counts[w.name] = n
		c.Close()
	}
	return counts
}

package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"sshfs-bridge/e2e/testenv"
)

// TestSambaCosts holds what a Mac's work on a share costs with our smb.conf: the
// SFTP requests and the round trips of one unit exactly, and a bound for the
// questions that smbd asks of the mount, which differ a little by its release.
func TestSambaCosts(t *testing.T) {
	m := mountCounted(t, 5*time.Millisecond)
	prepareWorks(t, filepath.Join(m.dir, "dir"))
	check(t, os.Mkdir(filepath.Join(m.dir, "dir", "unknown"), 0o755)) // for namesLookedUp
	writeFile(t, filepath.Join(m.dir, "dir", "unknown", "there"), smallText)
	port := startSmbd(t, m.mnt, nil)
	counts := m.countWorks(t, port, "dir")
	type cost struct {
		depth int
		fuse  float64
		sftp  string // kinds of requests of one unit
	}
	want := map[string]cost{
		"list":   {0, 2.3, "map[]"}, // two each
		"miss":   {0, 2.2, "map[]"},
		"read":   {2, 6, "map[open:1 read:1 stat:1]"},
		"write":  {2, 17, "map[fsetstat:1 fstat:1 open:1 stat:1 write:1]"},
		"info":   {1, 14, "map[setstat:1]"},
		"mkdir":  {1, 12, "map[mkdir:1]"},
		"rename": {1, 20, "map[posix-rename:1]"},
		"remove": {1, 22, "map[remove:1]"},
		"save":   {3, 9, "map[fsetstat:1 fstat:2 fsync:1 open:1 stat:1 write:1]"},
		"free":   {0, 1.2, "map[]"},
	}
	if hostSmbd.version(t).AtLeast(4, 22) { // fruit:posix_opens leaves the times alone
		want["info"] = cost{0, 13, "map[]"}
		want["save"] = cost{2, 8, "map[fstat:1 fsync:1 open:1 stat:1 write:1]"}
	}
	for _, w := range sambaWorks() {
		n, want := counts[w.name], want[w.name]
		if n.err != nil {
			t.Errorf("%s: %v", w.title, n.err)
			continue
		}
		sftp := map[string]int{}
		for kind, k := range n.SFTP {
			if !notWaited[kind] && k/w.units > 0 {
				sftp[kind] = k / w.units
			}
		}
		fuse := float64(total(n.FUSE)) / float64(w.units)
		t.Logf("%s: %.1f FUSE requests %v, SFTP %v, %d round trips in all", w.title, fuse, n.FUSE, n.SFTP, n.Depth)
		if got := fmt.Sprint(sftp); got != want.sftp {
			t.Errorf("%s: SFTP requests %s, want %s", w.title, got, want.sftp)
		}
		if fuse > want.fuse {
			t.Errorf("%s: %.1f FUSE requests, want at most %.1f: %v", w.title, fuse, want.fuse, n.FUSE)
		}
		if n.Depth > want.depth*w.units+4 { // what is asked once a folder
			t.Errorf("%s: %d round trips for %d, want %d each", w.title, n.Depth, w.units, want.depth)
		}
		if n.FUSE["ACCESS"] > 0 {
			t.Errorf("%s: the kernel still asks for permissions", w.title)
		}
	}
	c := testenv.DialMacSMB(t, port, "files")
	t.Run("names looked up", func(t *testing.T) { namesLookedUp(t, m, c) })
	t.Run("large reads", func(t *testing.T) { largeReads(t, m, c) })
	t.Run("what a Mac is told", func(t *testing.T) { aMacIsTold(t, c) })
	t.Run("what is open", func(t *testing.T) { whatIsOpen(t, m, c) })
	t.Run("modes of new files", func(t *testing.T) { modesOfNewFiles(t, m, c) })
}

// namesLookedUp: a Mac looks up each name before it does anything with it, by a search for
// exactly that one.
func namesLookedUp(t *testing.T, m *countedMount, c *testenv.MacSMB) {
	search := func(dir, name string, found bool) {
		t.Helper()
		got, err := c.Search(dir, name)
		if found && (err != nil || len(got) != 1 || got[0].Name != name) || !found && err != testenv.StatusNoSuchFile {
			t.Errorf("%s in %s: %v, %v", name, dir, got, err)
		}
	}
	search("dir/list", "f10", true)
	for name, found := range map[string]bool{"f11": true, "none": false} {
		n := m.cost(func() {
			for range repeats {
				search("dir/list", name, found)
			}
		})
		t.Logf("%s: FUSE %v, SFTP %v", name, n.FUSE, n.SFTP)
		if n.Depth > 0 || total(n.FUSE) > 6*repeats {
			t.Errorf("%s was looked up %d times with %d round trips and %d FUSE requests: %v", name, repeats, n.Depth, total(n.FUSE), n.FUSE)
		}
	}
	n := m.cost(func() { search("dir/unknown", "there", true) })
	t.Logf("the first of a folder: %d round trips, SFTP %v", n.Depth, n.SFTP)
	if n.Depth > 2 {
		t.Errorf("the first name of a folder took %d round trips: %v", n.Depth, n.SFTP)
	}
}

// largeReads: what a Mac reads by the MiB is not asked for in small pieces.
func largeReads(t *testing.T, m *countedMount, c *testenv.MacSMB) {
	const pieces = 4
	data := make([]byte, pieces<<20)
	rand.NewChaCha8([32]byte{3}).Read(data)
	check(t, os.WriteFile(filepath.Join(m.mnt, "large"), data, 0o644))
	n := m.cost(func() {
		check(t, with(c, "large", testenv.MacOpen{Create: testenv.OpenExisting}, func(f *testenv.MacFile) error {
			for i := range pieces {
				got, err := f.Read(1<<20, uint64(i)<<20)
				if err != nil || !bytes.Equal(got, data[i<<20:][:1<<20]) {
					return fmt.Errorf("piece %d: other bytes, or %w", i, err)
				}
			}
			return nil
		}))
	})
	if got := n.FUSE["READ"]; got > 2*pieces { // one each where smbd's buffer begins at a page
		t.Errorf("%d FUSE reads for %d reads of a MiB", got, pieces)
	}
}

// aMacIsTold: Apple's extension, leases and durable handles are granted, and a
// listing shows labels and resource forks.
func aMacIsTold(t *testing.T, c *testenv.MacSMB) {
	f, err := c.Open("dir/labelled", testenv.MacOpen{Create: testenv.CreateNew, Access: copyAccess, Lease: true, Durable: true})
	check(t, err)
	if f.Lease != testenv.LeaseRead|testenv.LeaseWrite|testenv.LeaseHandle || !f.Durable {
		t.Errorf("lease %d, durable %v", f.Lease, f.Durable)
	}
	check(t, f.Close())
	if a := c.Apple; a.Server != testenv.AppleReadDirAttr|testenv.AppleUnixBased || a.Volume != testenv.AppleCaseSensitive || a.Model != "MacSamba" {
		t.Errorf("of itself the server says %+v", a)
	}
	write := func(stream string, data []byte) {
		t.Helper()
		check(t, with(c, "dir/labelled:"+stream, testenv.MacOpen{Create: testenv.OpenOrCreate, Access: testenv.AccessWrite}, func(f *testenv.MacFile) error {
			return f.Write(data, 0)
		}))
	}
	write("AFP_AfpInfo", testenv.AfpInfo(labelled))
	write("AFP_Resource", []byte("a resource fork"))
	check(t, with(c, "dir/labelled", testenv.MacOpen{Create: testenv.OpenExisting}, func(f *testenv.MacFile) error {
		streams, err := f.Streams()
		slices.Sort(streams)
		if want := []string{"::$DATA", ":AFP_AfpInfo:$DATA", ":AFP_Resource:$DATA"}; !slices.Equal(streams, want) {
			t.Errorf("streams %q, want %q", streams, want)
		}
		return err
	}))
	// Linux ends an attribute at 64 KiB, and other streams than forks are attributes.
	for size, want := range map[int]error{60_000: nil, 100_000: testenv.StatusLimitation} {
		err := with(c, "dir/labelled:of another kind", testenv.MacOpen{Create: testenv.OpenOrCreate, Access: testenv.AccessWrite}, func(f *testenv.MacFile) error {
			return f.Write(make([]byte, size), 0)
		})
		if !errors.Is(err, want) {
			t.Errorf("a stream of %d bytes: %v, want %v", size, err, want)
		}
	}
	entries, err := c.List("dir")
	check(t, err)
	for _, e := range entries {
		if e.Name != "labelled" {
			continue
		}
		if string(e.FinderInfo[:4]) != "TEXT" || e.FinderInfo[9] != labelled[9] || e.Resource != uint64(len("a resource fork")) {
			t.Errorf("the listing says %+v", e)
		}
		return
	}
	t.Errorf("not listed: %v", entries)
}

// whatIsOpen is renamed, with its folder, and removed, as on a local disk; who has it open
// writes on, and the name is free.
func whatIsOpen(t *testing.T, m *countedMount, c *testenv.MacSMB) {
	file, folder := testenv.MacOpen{Create: testenv.CreateNew, Access: copyAccess}, testenv.MacOpen{Create: testenv.CreateNew, Directory: true}
	there := testenv.MacOpen{Create: testenv.OpenExisting, Access: moveAccess}
	check(t, with(c, "opened", folder, func(*testenv.MacFile) error { return nil }))
	f, err := c.Open("opened/a", file)
	check(t, err)
	check(t, with(c, "opened", there, func(d *testenv.MacFile) error { return d.Rename("moved", false) }))
	check(t, with(c, "moved/a", there, func(g *testenv.MacFile) error { return g.Rename("moved/b", false) }))
	check(t, with(c, "moved/b", there, (*testenv.MacFile).Remove))
	check(t, with(c, "moved/b", file, func(g *testenv.MacFile) error { return g.Write([]byte("another"), 0) }))
	check(t, f.Write([]byte("of nobody any more"), 0))
	check(t, f.Close())
	if got := tree(t, filepath.Join(m.dir, "moved")); !maps.Equal(got, map[string]string{"b": "another"}) {
		t.Errorf("on the server: %q", got)
	}
}

// modesOfNewFiles: the folder decides, not the world.
func modesOfNewFiles(t *testing.T, m *countedMount, c *testenv.MacSMB) {
	for mode, want := range map[os.FileMode]string{
		0o755: "[-rw-r--r-- drwxr-xr-x]", 0o700: "[-rw------- drwx------]", 0o775: "[-rw-rw-r-- drwxrwxr-x]",
	} {
		name := fmt.Sprintf("mode%o", mode)
		check(t, with(c, name, testenv.MacOpen{Create: testenv.CreateNew, Directory: true}, func(*testenv.MacFile) error { return nil }))
		check(t, os.Chmod(filepath.Join(m.mnt, name), mode))
		for path, dir := range maps.All(map[string]bool{name + "/file": false, name + "/folder": true}) {
			check(t, with(c, path, testenv.MacOpen{Create: testenv.CreateNew, Directory: dir, Access: copyAccess}, func(*testenv.MacFile) error { return nil }))
		}
		var got []string
		for _, path := range []string{"file", "folder"} {
			info, err := os.Stat(filepath.Join(m.dir, name, path))
			check(t, err)
			got = append(got, info.Mode().String())
		}
		if fmt.Sprint(got) != want {
			t.Errorf("in a folder with mode %o: %v, want %s", mode, got, want)
		}
	}
}

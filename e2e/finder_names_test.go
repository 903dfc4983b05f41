package e2e

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// oddNames are names on the server, with what a client is shown: names that SMB cannot
// carry, that are not UTF-8, and two that a Mac takes for one.
var oddNames = map[string]string{
	"10:30": "10\uf02230", "ends.": "ends\uf029", "latin\xe9": "latin%E9", "cafe\u0301": "cafe\u0301",
	"two cafe\u0301s.txt": "two cafe\u0301s.txt", "two caf\u00e9s.txt": "two caf\u00e9s (2).txt",
}

// metadataOnOddNames: what belongs to a file is found under the name that is shown,
// listed with it, follows a rename in both directions, and goes with it.
func metadataOnOddNames(f *finder) {
	for name := range oddNames {
		writeFile(f.t, filepath.Join(f.server, name), name)
	}
	f.b.ok("refresh", "files")
	shown := f.listed(".")
	if want := slices.Sorted(maps.Values(oddNames)); !slices.Equal(shown, want) {
		f.t.Fatalf("listed: %+q, want %+q", shown, want)
	}
	const info = "TEXTttxt"
	has := func(name, of string) {
		f.t.Helper()
		f.is(name+infoStream, afpInfoOf(info))
		f.is(name+resource, bigFork+of)
		f.is(name+tags, "tag of "+of)
	}
	for _, name := range shown {
		f.put(name+infoStream, afpInfoOf(info))
		f.put(name+resource, bigFork+name)
		f.put(name+tags, "tag of "+name)
	}
	entries, err := f.c.list(f.dir)
	f.must(err)
	for _, e := range entries {
		has(e.Name, e.Name)
		if _, mac := f.c.(macFinder); mac && (!strings.HasPrefix(string(e.FinderInfo[:]), info) || e.Resource != uint64(len(bigFork+e.Name))) {
			f.t.Errorf("listed: %+v, without its metadata", e)
		}
	}
	for _, name := range slices.Backward(shown) { // the second of two equal names while it is called so
		f.rename(name, "plain")
		has("plain", name)
		again := "again " + name // not equal to any other
		f.rename("plain", again)
		has(again, name)
		f.remove(again)
		f.put(again, "another")
		for _, stream := range []string{infoStream, resource, tags} {
			f.isNot(again + stream)
		}
		f.remove(again)
	}
}

// metadataOnLinks: what a Mac sets on a link, which is a file to it, stays on the link.
func metadataOnLinks(t *testing.T, b *bridge, home string) {
	target, link := filepath.Join(home, "target"), filepath.Join(home, "link")
	writeFile(t, target, "content")
	check(t, os.Chtimes(target, longAgo, longAgo))
	before, err := os.Stat(target)
	check(t, err)
	there := tree(t, home)
	for client, connect := range finderClients {
		t.Run(client, func(t *testing.T) {
			check(t, os.Symlink("target", link))
			b.ok("refresh", "links")
			f := &finder{c: connect(b.in(t), "links"), t: t, b: b.in(t), server: home}
			when := time.Date(2019, 7, 1, 12, 30, 0, 0, time.UTC)
			f.put("link"+tags, "red")
			f.put("link"+infoStream, afpInfoOf("slnkrhap"))
			f.put("link"+resource, bigFork)
			f.must(f.c.setModified("link", when)) // last, as Finder does
			f.is("link", xsym("target"))
			f.is("link"+tags, "red")
			f.is("link"+infoStream, afpInfoOf("slnkrhap"))
			f.is("link"+resource, bigFork)
			f.isNot("target" + tags)
			after, err := os.Stat(target)
			check(t, err)
			if !os.SameFile(before, after) || !after.ModTime().Equal(before.ModTime()) || after.Mode() != before.Mode() || after.Size() != before.Size() {
				t.Errorf("the target was %v, is %v", before, after)
			}
			if fi, err := os.Lstat(link); err != nil || fi.Mode()&os.ModeSymlink == 0 || !fi.ModTime().Equal(when) {
				t.Errorf("the link: %v, %v; want it changed at %v", fi, err, when)
			}
			f.rename("link", "renamed")
			f.is("renamed"+tags, "red")
			f.is("renamed"+resource, bigFork)
			f.remove("renamed")
			if got := tree(t, home); !maps.Equal(got, there) {
				t.Errorf("left on the server: %q, want %q", got, there)
			}
		})
	}
	check(t, os.Remove(target))
}

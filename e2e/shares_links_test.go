package e2e

import (
	"bytes"
	"crypto/md5"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sshfs-bridge/fusefs/vfs"
)

// xsym is the file by which a Mac writes a symbolic link, and reads one.
func xsym(target string) string {
	b := fmt.Appendf(nil, "XSym\n%04d\n%x\n%s\n", len(target), md5.Sum([]byte(target)), target)
	return string(append(b, bytes.Repeat([]byte(" "), max(0, 1067-len(b)))...))
}

// linkTree makes a tree with what a recursive delete must not reach, and links
// to it; it returns the part that must survive.
func linkTree(t testing.TB, home string) (precious map[string]string) {
	t.Helper()
	for _, dir := range []string{"precious", "precious/deep", "doomed", "doomed/below"} {
		ownedBy(t, filepath.Join(home, dir), "root")
	}
	for _, f := range []string{"precious/one", "precious/deep/two", "doomed/own"} {
		writeFile(t, filepath.Join(home, f), "content of "+f)
	}
	for name, target := range map[string]string{
		"to dir": "../precious", "to file": "../precious/one", "below/absolute": filepath.Join(home, "precious", "deep"), "to nothing": "nowhere",
	} {
		if err := os.Symlink(target, filepath.Join(home, "doomed", name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("precious", filepath.Join(home, "shortcut")); err != nil { // contained
		t.Fatal(err)
	}
	return tree(t, filepath.Join(home, "precious"))
}

// removeTree removes as Finder does: what is a folder to the client is emptied
// first. It goes on after an error and returns all.
func removeTree(c finderClient, path string) (errs []error) {
	entries, err := c.list(path)
	if err != nil {
		errs = append(errs, err)
	}
	for _, e := range entries {
		at := path + "/" + e.Name
		if e.Directory {
			errs = append(errs, removeTree(c, at)...)
		} else if err := c.remove(at); err != nil {
			errs = append(errs, err)
		}
	}
	if err := c.remove(path); err != nil {
		errs = append(errs, err)
	}
	return errs
}

// linksForAMac: each link is an XSym file, whatever it leads to; such a file that is
// written is a link on the server; and nothing goes through one.
func linksForAMac(t *testing.T, b *bridge, home string) {
	ownedBy(t, filepath.Join(home, "dir"), "root")
	writeFile(t, filepath.Join(home, "dir", "file"), "content")
	long := strings.Repeat("x/", 511)
	onServer := map[string]struct{ target, seen string }{
		"relative":          {"dir/file", "dir/file"},
		"to a directory":    {"dir", "dir"},
		"absolute, in here": {filepath.Join(home, "dir/file"), "dir/file"},
		"the root itself":   {home, "."},
		"dir/absolute":      {filepath.Join(home, "dir"), "../dir"},
		"out":               {"/etc/passwd", "/etc/passwd"},
		"up and out":        {"../../../../../etc", "../../../../../etc"},
		"loop":              {"loop", "loop"},
		"dangling":          {"nowhere", "nowhere"},
		"ünïcode":           {"dir/日本", "dir/日本"},
		"as long as can be": {long, long},
	}
	seen := map[string]string{}
	for name, l := range onServer {
		seen[name] = xsym(l.seen)
		if err := os.Symlink(l.target, filepath.Join(home, name)); err != nil {
			t.Fatal(err)
		}
	}
	b.ok("refresh", "links")
	clients := b.shareClients("links")
	for client, c := range clients {
		got, err := c.readAll("", slices.Collect(maps.Keys(seen)))
		if err != nil || !maps.Equal(got, seen) {
			t.Errorf("%s reads (%v) %q,\nwant %q", client, err, got, seen)
		}
		// Written by the client, in a directory of its own.
		dir := filepath.Join(home, client)
		ownedBy(t, dir, "root")
		b.ok("refresh", "links")
		written, links := map[string]string{}, map[string]string{}
		for name, target := range map[string]string{"made": "dir/file", "up": "../x", "absolute": "/etc/hosts", "ünïcode": "日本/🙂"} {
			written[name], links[name] = xsym(target), "-> "+target
		}
		// What only looks like it stays a file.
		for name, content := range map[string]string{
			"wrong sum": strings.Replace(xsym("dir/file"), "dir/file", "dir/fild", 1), "too long": xsym("dir/file") + " ", "same size": strings.Repeat("y", 1067),
		} {
			written[name], links[name] = content, content
		}
		if err := c.writeAll(client, written); err != nil {
			t.Errorf("%s writes: %v", client, err)
		}
		if got := tree(t, dir); !maps.Equal(got, links) {
			t.Errorf("%s: on the server %q,\nwant %q", client, got, links)
		}
		names := slices.Collect(maps.Keys(written))
		if got, err := c.readAll(client, names); err != nil || !maps.Equal(got, written) {
			t.Errorf("%s reads back (%v) %q", client, err, got)
		}
		if err := c.rename(client+"/up", client+"/renamed"); err != nil {
			t.Errorf("%s renames: %v", client, err)
		}
		if target, err := os.Readlink(filepath.Join(dir, "renamed")); err != nil || target != "../x" {
			t.Errorf("%s: renamed: %q, %v", client, target, err)
		}
		if err := c.rename(client+"/renamed", client+"/up"); err != nil {
			t.Errorf("%s renames back: %v", client, err)
		}
		if err := errors.Join(c.removeAll(client, names), os.Remove(dir)); err != nil {
			t.Errorf("%s removes: %v; left: %q", client, err, tree(t, dir))
		}
		// Nothing is written through a link.
		if err := c.write("relative", "overwritten"); err == nil {
			t.Errorf("%s wrote into a link", client)
		}
	}
	for name := range onServer {
		if err := clients["go-smb2"].remove(name); err != nil {
			t.Errorf("remove %s: %v", name, err)
		}
	}
	if got, want := tree(t, home), map[string]string{"dir/": "", "dir/file": "content"}; !maps.Equal(got, want) {
		t.Errorf("left on the server: %q", got)
	}
}

// recursiveDelete: what links lead to survives, whichever way links are shown and
// whoever deletes, and what can go is gone: below a link that is shown as a folder
// everything is refused, at which smbclient gives up.
func recursiveDelete(t *testing.T, b *bridge, homes string) {
	for _, mode := range vfs.SymlinkModes() {
		for _, who := range []string{"Mac", "go-smb2", "smbclient"} {
			home := filepath.Join(homes, string(mode))
			precious := linkTree(t, home)
			b.ok("refresh", string(mode))
			var said string
			for _, doomed := range []string{"doomed", "shortcut"} {
				if connect := finderClients[who]; connect != nil {
					said += fmt.Sprintln(removeTree(connect(b, string(mode)), doomed))
				} else {
					out, _ := b.smbclient(string(mode), "deltree "+doomed)
					said += out
				}
			}
			if got := tree(t, filepath.Join(home, "precious")); !maps.Equal(got, precious) {
				t.Errorf("%s, %s: what the links lead to is now %q, was %q", mode, who, got, precious)
			}
			left := tree(t, home)
			shown := mode == vfs.SymlinksResolve || mode == vfs.SymlinksFollow // as folders
			if _, there := left["doomed/own"]; there && !(shown && who == "smbclient") {
				t.Errorf("%s: %s could not delete a file of the folder's own: %s; left: %q", mode, who, said, left)
			}
			if _, there := left["doomed/"]; there && !shown {
				t.Errorf("%s: %s could not delete the folder: %s; left: %q", mode, who, said, left)
			}
			for _, dir := range []string{"doomed", "precious", "shortcut"} {
				if err := os.RemoveAll(filepath.Join(home, dir)); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
}

// resolvedLinks: with `symlinks: resolve` a link shows what it leads to inside the
// tree, nothing below it can be removed through it, and one that leads elsewhere is
// what a Mac reads as a link.
func resolvedLinks(t *testing.T, b *bridge, home string) {
	ownedBy(t, filepath.Join(home, "dir"), "root")
	ownedBy(t, filepath.Join(home, "dir/sub"), "root")
	writeFile(t, filepath.Join(home, "dir/sub/file"), "content")
	for name, target := range map[string]string{
		"inside": "dir/sub", "file": "dir/sub/file", "absolute": filepath.Join(home, "dir"), "chain": "absolute/sub",
		"out": "/etc", "passwd": "/etc/passwd", "up": "../../../../..", "loop": "loop", "mutual": "mutual2", "mutual2": "mutual",
		"dangling": "nowhere", "dir/self": "..",
	} {
		if err := os.Symlink(target, filepath.Join(home, name)); err != nil {
			t.Fatal(err)
		}
	}
	before := tree(t, home)
	b.ok("refresh", "resolved")
	for client, c := range b.shareClients("resolved") {
		for _, path := range []string{"file", "inside/file", "absolute/sub/file", "chain/file"} {
			if got, err := c.read(path); err != nil || got != "content" {
				t.Errorf("%s: %s: %q, %v", client, path, got, err)
			}
		}
		for _, dir := range []string{"inside", "chain"} {
			if names, err := c.list(dir); err != nil || !slices.Equal(names, []string{"file"}) {
				t.Errorf("%s: %s has %q, %v", client, dir, names, err)
			}
		}
		for path, target := range map[string]string{"out": "/etc", "passwd": "/etc/passwd", "loop": "loop", "mutual": "mutual2", "dangling": "nowhere"} {
			if got, err := c.read(path); err != nil || got != xsym(target) {
				t.Errorf("%s: %s, which leads nowhere in here: %q, %v", client, path, got, err)
			}
		}
		for _, path := range []string{"out/passwd", "up/etc/passwd", "loop/x", "dir/self/dir/self/passwd"} {
			if got, err := c.read(path); err == nil {
				t.Errorf("%s reads %s: %q", client, path, got)
			}
		}
		if err := c.remove("inside/file"); err == nil {
			t.Errorf("%s removes below a link", client)
		}
		if err := c.rename("inside/file", "inside/moved"); err == nil {
			t.Errorf("%s renames below a link", client)
		}
		if err := c.write("out/new", "x"); err == nil {
			t.Errorf("%s writes out of the tree", client)
		}
		if got := tree(t, home); !maps.Equal(got, before) {
			t.Errorf("%s: on the server %q, before %q", client, got, before)
		}
		// Writing into what is shown is writing into the target.
		if err := c.write("inside/file", "content"); err != nil {
			t.Errorf("%s writes through a link: %v", client, err)
		}
	}
	// The link itself can go; its target stays.
	if err := b.share("resolved").Remove("file"); err != nil {
		t.Error(err)
	}
	delete(before, "file")
	if got := tree(t, home); !maps.Equal(got, before) {
		t.Errorf("on the server %q, want %q", got, before)
	}
}

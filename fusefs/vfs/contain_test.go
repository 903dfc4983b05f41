package vfs

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"sshfs-bridge/e2e/testenv"
)

func TestContained(t *testing.T) {
	for target, want := range map[string]bool{
		"file": true, "./file": true, "dir/file": true, ".": true, "a//b": true, "...": true, "..a/b..": true, "dir/": true, " ..": true,
		"/": false, "/etc/passwd": false, "//etc": false, "..": false, "../x": false, "dir/..": false, "dir/../file": false, "a//..//b": false, "./..": false, "../": false,
	} {
		if got := contained(target); got != want {
			t.Errorf("%q: %v", target, got)
		}
	}
}

// What each mode shows of a link. Only those that are asked for by name show a
// target that may lead out of the mount.
func TestLinkTargets(t *testing.T) {
	const refused = "refused"
	links := map[string]string{ // ROOT is the tree's root on the server
		"plain": "dir/file", "abs": "/etc/passwd", "up": "dir/../../etc/passwd", "inside": "ROOT/dir/file",
		"dir/inside": "ROOT/dir/file", "dir/sub/root": "ROOT", "beside": "ROOT-not/file", "dir/back": "../dir/file",
	}
	same := map[string]string{}
	contain := map[string]string{}
	for name, target := range links {
		same[name], contain[name] = target, refused
	}
	contain["plain"] = "dir/file"
	with := func(base, change map[string]string) map[string]string {
		m := map[string]string{}
		for _, from := range []map[string]string{base, change} {
			for k, v := range from {
				m[k] = v
			}
		}
		return m
	}
	for mode, want := range map[SymlinkMode]map[string]string{
		"":                         contain,
		SymlinksContained:          contain,
		SymlinksRaw:                same,
		SymlinksTransform:          with(same, map[string]string{"inside": "dir/file", "dir/inside": "../dir/file", "dir/sub/root": "../.."}),
		SymlinksTransformContained: with(contain, map[string]string{"inside": "dir/file"}),
	} {
		t.Run(string(mode), func(t *testing.T) {
			g := newRig(t, Options{Symlinks: mode}, testenv.CountOptions{})
			g.file("dir/file", "content")
			g.file("dir/sub/file", "")
			for name, target := range links {
				g.must(os.Symlink(strings.ReplaceAll(target, "ROOT", g.dir), filepath.Join(g.dir, name)))
			}
			for name := range links {
				ino := g.root
				for part := range strings.SplitSeq(name, "/") {
					ino = g.lookup(ino, part)
				}
				for range 2 { // the second answer comes from memory
					got, err := g.Readlink(g.ctx, ino)
					if err == syscall.EPERM {
						got = refused
					} else {
						g.must(err)
					}
					if want := strings.ReplaceAll(want[name], "ROOT", g.dir); got != want {
						t.Errorf("%s leads to %q, want %q", name, got, want)
					}
				}
			}
			// Any link may be made, also one that is not followed here.
			n, err := g.Symlink(g.ctx, g.root, "made", "/any/thing")
			g.must(err)
			if target, err := os.Readlink(filepath.Join(g.dir, "made")); err != nil || target != "/any/thing" {
				t.Errorf("on the server: %q, %v", target, err)
			}
			if n.Attr.Mode&modeType != modeLink {
				t.Errorf("shown as %o", n.Attr.Mode)
			}
		})
	}
}

// lyingRemote answers every Readlink with one target, and, where it is told to,
// says of what it is asked to follow that it is a link still.
type lyingRemote struct {
	Remote
	target string
	links  bool
}

func (r lyingRemote) Readlink(context.Context, string) (string, error) { return r.target, nil }

func (r lyingRemote) Stat(ctx context.Context, p string) (Attrs, error) {
	if r.links {
		return r.Lstat(ctx, p)
	}
	return r.Remote.Stat(ctx, p)
}

// Whatever a server says, and in whatever mode but those that trust it, nothing
// is read from a link that leads out.
func TestHostileLinks(t *testing.T) {
	dir := newRig(t, Options{}, testenv.CountOptions{})
	dir.must(os.Symlink("nowhere", filepath.Join(dir.dir, "link")))
	for target, want := range map[string]syscall.Errno{
		"": syscall.EIO, "a\x00/../../etc": syscall.EIO, "..\x00x": syscall.EIO, "\x00": syscall.EIO, strings.Repeat("a", 4096): syscall.EIO,
		"/etc/passwd": syscall.EPERM, "../../etc/passwd": syscall.EPERM, "link/..": syscall.EPERM,
	} {
		for _, mode := range SymlinkModes() {
			if want == syscall.EPERM && (mode == SymlinksRaw || mode == SymlinksTransform) {
				continue
			}
			f := New(lyingRemote{Remote: FromRemote(dir.r), target: target, links: true}, Options{Symlinks: mode})
			n, err := f.Lookup(dir.ctx, RootIno, "link")
			dir.must(err)
			if got, err := f.Readlink(dir.ctx, n.Ino); err != want {
				t.Errorf("%s: %.40q: %q, %v, want %v", mode, target, got, err, want)
			}
			f.Close()
		}
	}
}

// Who must not meet a link sees none, in whatever mode: it is a file, or what it leads to.
func TestKeepTargets(t *testing.T) {
	for _, mode := range SymlinkModes() {
		g := newRig(t, Options{Symlinks: mode, KeepTargets: true}, testenv.CountOptions{})
		g.file("dir/file", "content")
		for name, target := range map[string]string{"inside": "dir", "absolute": g.dir + "/dir", "dangling": "nowhere", "loop": "loop"} {
			g.must(os.Symlink(target, filepath.Join(g.dir, name)))
		}
		for _, name := range []string{"inside", "absolute", "dangling", "loop"} {
			n, err := g.Lookup(g.ctx, g.root, name)
			g.must(err)
			want := uint32(modeRegular)
			if name != "dangling" && name != "loop" && (mode == SymlinksResolve || mode == SymlinksFollow) {
				want = modeDir
			}
			if n.Attr.Mode&modeType != want {
				t.Errorf("%s: %s is shown as %o", mode, name, n.Attr.Mode)
			}
		}
		if got := g.read(g.lookup(g.root, "dangling")); got != string(encodeXSym("nowhere")) {
			t.Errorf("%s: read %q", mode, got)
		}
		g.must(g.Unlink(g.ctx, g.root, "dangling"))
		g.missing("dangling")
		if _, err := g.Symlink(g.ctx, g.root, "made", "dir"); err != syscall.EPERM {
			t.Errorf("%s: symlink: %v", mode, err)
		}
		g.missing("made")
	}
}

// SymlinksFollow shows what the server finds behind a link, wherever that is, and
// removes links, never what they lead to.
func TestFollowedLinks(t *testing.T) {
	g := newRig(t, Options{Symlinks: SymlinksFollow}, testenv.CountOptions{})
	outside := t.TempDir()
	g.must(os.WriteFile(outside+"/secret", []byte("the server's"), 0o644))
	g.file("dir/sub/file", "content")
	for name, target := range map[string]string{
		"file": "dir/sub/file", "inside": "dir/sub", "out": outside + "/secret", "outdir": outside,
		"dangling": "/no/such/file", "loop": "loop", "self": ".",
	} {
		g.must(os.Symlink(target, filepath.Join(g.dir, name)))
	}
	for _, listed := range []bool{false, true} {
		if listed {
			if names := g.list(g.root); len(names) != 8 {
				t.Errorf("listed %q", names)
			}
		}
		for name, want := range map[string]uint32{
			"file": modeRegular, "inside": modeDir, "out": modeRegular, "outdir": modeDir, "self": modeDir, "dangling": modeLink, "loop": modeLink,
		} {
			n, err := g.Lookup(g.ctx, g.root, name)
			g.must(err)
			if n.Attr.Mode&modeType != want {
				t.Errorf("%s is shown as %o", name, n.Attr.Mode)
			}
		}
	}
	if _, err := g.Readlink(g.ctx, g.lookup(g.root, "dangling")); err != syscall.EPERM {
		t.Errorf("readlink: %v", err)
	}
	if got := g.read(g.lookup(g.root, "out")); got != "the server's" {
		t.Errorf("read %q", got)
	}
	if names := g.list(g.lookup(g.root, "outdir")); len(names) != 1 {
		t.Errorf("listed %q", names)
	}

	// What is behind a link changes, and the link itself.
	g.must(os.WriteFile(outside+"/secret", []byte("longer than it was"), 0o644))
	g.must(os.Remove(filepath.Join(g.dir, "inside")))
	g.must(os.Symlink("dir", filepath.Join(g.dir, "inside")))
	g.Refresh()
	g.list(g.root)
	if got := g.read(g.lookup(g.root, "out")); got != "longer than it was" {
		t.Errorf("read %q", got)
	}
	if names := g.list(g.lookup(g.root, "inside")); len(names) != 1 || names[0] != "sub" {
		t.Errorf("listed %q", names)
	}

	// Below a link, files are the server's own; the link itself is a name here.
	inside := g.lookup(g.root, "inside")
	_, o, err := g.Create(g.ctx, inside, "new", syscall.O_WRONLY, 0o644)
	g.must(err)
	g.Release(o.FH)
	if g.onServer("dir/new") != "" {
		t.Error("not made")
	}
	g.must(g.Unlink(g.ctx, inside, "new"))
	g.missing("dir/new")
	g.must(g.Rmdir(g.ctx, g.root, "outdir"))
	g.must(g.Unlink(g.ctx, g.root, "out"))
	g.missing("outdir")
	if _, err := os.Stat(outside + "/secret"); err != nil {
		t.Error(err)
	}
}

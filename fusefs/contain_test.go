package fusefs

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"sshfs-bridge/fusefs/vfs"
)

// The kernel follows no link of the server's out of the mount, neither to read
// nor to write, unless the mount was told to trust the server.
func TestLinksDoNotLeadOut(t *testing.T) {
	outside := t.TempDir()
	must(t, os.WriteFile(outside+"/secret", []byte("of this machine"), 0o644))
	dir := t.TempDir()
	must(t, os.MkdirAll(dir+"/sub/deep", 0o755))
	must(t, os.WriteFile(dir+"/sub/file", []byte("inside"), 0o644))
	up := "../../../../../../../../../.." + outside
	for name, target := range map[string]string{
		"plain": "sub/file", "dot": "./sub/./file", "chain": "plain", "sub/here": ".",
		"abs": outside + "/secret", "absdir": outside, "up": up + "/secret", "updir": up, "between": "sub/deep/" + up + "/secret",
		"parent": "..", "sub/back": "../sub/file", "twice": "sub/../abs", "self": "self",
	} {
		must(t, os.Symlink(target, filepath.Join(dir, name)))
	}
	for _, mode := range []vfs.SymlinkMode{"", vfs.SymlinksResolve, vfs.SymlinksTransformContained} {
		t.Run("mode "+string(mode), func(t *testing.T) {
			o := fixed(vfs.CacheDefault)
			o.Symlinks = mode
			m := mountDir(t, serveSpec{Dir: dir, Options: o})
			for _, name := range []string{"plain", "dot", "chain", "sub/here/file", "sub/here/here/file"} {
				wantFile(t, m.path(name), "inside")
			}
			for _, name := range []string{"abs", "absdir/secret", "up", "updir/secret", "between", "parent/x", "twice"} {
				_, err := os.ReadFile(m.path(name))
				if err == nil {
					t.Errorf("%s was read", name)
				}
				wantErrno(t, err, syscall.EPERM)
				if err := os.WriteFile(m.path(name), []byte("x"), 0o644); err == nil {
					t.Errorf("%s was written", name)
				}
				if err := os.Truncate(m.path(name), 0); err == nil {
					t.Errorf("%s was truncated", name)
				}
			}
			if _, err := os.Readlink(m.path("abs")); mode != vfs.SymlinksResolve {
				wantErrno(t, err, syscall.EPERM)
			}
			if _, err := os.ReadFile(m.path("self")); err == nil {
				t.Error("a circle was read")
			}
			wantFile(t, outside+"/secret", "of this machine")
			entries, err := os.ReadDir(outside)
			must(t, err)
			if len(entries) != 1 {
				t.Errorf("left outside: %v", entries)
			}
			// Such links are shown, made and removed like any other.
			info, err := os.Lstat(m.path("abs"))
			must(t, err)
			if info.Mode()&os.ModeSymlink == 0 {
				t.Errorf("shown as %v", info.Mode())
			}
			must(t, os.Symlink("/made/here", m.path("made")))
			must(t, os.Remove(m.path("made")))
		})
	}
}

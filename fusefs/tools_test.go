package fusefs

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sshfs-bridge/fusefs/vfs"
)

// run runs a program, which must be there, and gives what it prints.
func run(t testing.TB, dir, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null",
		"GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@example.com", "GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a@example.com")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// Programs of every day, on a real mount: what they leave on the server is what
// they leave on a local disk.
func TestTools(t *testing.T) {
	src := t.TempDir()
	for i := range 12 {
		must(t, os.MkdirAll(fmt.Sprintf("%s/dir%d/sub", src, i%4), 0o755))
		name := fmt.Sprintf("%s/dir%d/sub/file%d", src, i%4, i)
		must(t, os.WriteFile(name, randomBytes(1000*i*i), 0o640))
		at := time.Unix(1_600_000_000+int64(i), 0)
		must(t, os.Chtimes(name, at, at))
	}
	must(t, os.Symlink("dir0/sub/file0", src+"/link"))
	have := func(name string) bool { _, err := exec.LookPath(name); return err == nil }
	for _, mode := range cacheModes {
		t.Run(string(mode), func(t *testing.T) {
			t.Parallel()
			m := mountDir(t, serveSpec{Options: fixed(mode)})
			same := func(name string) {
				t.Helper()
				run(t, m.mnt, "diff", "-r", "--no-dereference", src, m.path(name))
				run(t, m.mnt, "diff", "-r", "--no-dereference", src, filepath.Join(m.dir, name))
			}
			if have("tar") {
				run(t, src, "tar", "cf", m.path("all.tar"), ".")
				must(t, os.Mkdir(m.path("untar"), 0o755))
				run(t, m.path("untar"), "tar", "xf", m.path("all.tar"))
				same("untar")
			}
			run(t, src, "cp", "-a", ".", m.path("copied"))
			same("copied")
			run(t, m.mnt, "mv", "copied", "moved")
			same("moved")
			run(t, m.mnt, "find", ".", "-type", "f")
			run(t, m.mnt, "du", "-s", ".")
			if have("rsync") {
				run(t, src, "rsync", "-a", "./", m.path("synced"))
				same("synced")
				if out := run(t, src, "rsync", "-a", "--itemize-changes", "./", m.path("synced")); out != "" {
					t.Errorf("the second run did:\n%s", out)
				}
			}
			if have("git") && mode == vfs.CacheDefault { // the mode that could be wrong
				repo := m.path("repo")
				run(t, m.mnt, "git", "init", "-q", repo)
				run(t, src, "cp", "-r", ".", repo+"/")
				run(t, repo, "git", "add", ".")
				run(t, repo, "git", "commit", "-q", "-m", "one")
				must(t, os.WriteFile(repo+"/dir0/sub/file0", []byte("changed"), 0o644))
				run(t, repo, "git", "commit", "-q", "-a", "-m", "two")
				run(t, repo, "git", "gc", "-q")
				run(t, repo, "git", "fsck", "--strict")
				run(t, m.mnt, "git", "clone", "-q", repo, m.path("clone"))
				run(t, m.path("clone"), "git", "fsck", "--strict")
				if out := run(t, m.path("clone"), "git", "status", "--porcelain"); out != "" {
					t.Errorf("git status:\n%s", out)
				}
			}
			run(t, m.mnt, "rm", "-rf", "moved", "untar", "repo", "clone", "synced")
		})
	}
}

// Without fixed ids the remote's own are shown, checked by the kernel, and set.
func TestRemoteIDs(t *testing.T) {
	dir := t.TempDir()
	must(t, os.WriteFile(dir+"/f", nil, 0o640))
	must(t, os.Chown(dir+"/f", 1234, 4321))
	m := mountDir(t, serveSpec{Dir: dir})
	ids := func(name string) string {
		t.Helper()
		return strings.TrimSpace(run(t, dir, "stat", "-c", "%u:%g %a", name))
	}
	if got := ids(m.path("f")); got != "1234:4321 640" {
		t.Errorf("shown as %s", got)
	}
	must(t, os.Chown(m.path("f"), 1111, -1))
	if got := ids(dir + "/f"); got != "1111:4321 640" {
		t.Errorf("set to %s", got)
	}
	must(t, os.Chown(m.path("f"), -1, 2222))
	if got := ids(dir + "/f"); got != "1111:2222 640" {
		t.Errorf("set to %s", got)
	}
	must(t, os.Mkdir(m.path("d"), 0o2775))
	must(t, os.WriteFile(m.path("d/g"), nil, 0o600))
	for _, name := range []string{"d", "d/g"} {
		if a, b := ids(m.path(name)), ids(dir+"/"+name); a != b {
			t.Errorf("%s is %s on the mount and %s on the server", name, a, b)
		}
	}
	// Set-id bits go when somebody writes.
	must(t, os.WriteFile(m.path("s"), []byte("x"), 0o755))
	must(t, os.Chmod(m.path("s"), 0o755|os.ModeSetuid))
	if got := ids(dir + "/s"); !strings.HasSuffix(got, " 4755") {
		t.Errorf("set to %s", got)
	}
}

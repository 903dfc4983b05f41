package fusefs

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sshfs-bridge/e2e/testenv"
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

// listing is what find tells of each thing below a directory: its type, mode, time,
// size, name and where it leads. Sizes of directories are the filesystem's own.
func listing(t testing.TB, dir string) []string {
	t.Helper()
	const what = "%y %m %T@ %P %l\n"
	return sortedLines(run(t, dir, "find", ".", "-type", "d", "-printf", what, "-o", "-printf", "%s "+what))
}

func sortedLines(text string) []string { return slices.Sorted(strings.Lines(text)) }

// Programs of every day, on a real mount: what they leave there and on the server is
// what they leave on a local disk.
func TestTools(t *testing.T) {
	src := t.TempDir()
	for i := range 12 {
		must(t, os.MkdirAll(fmt.Sprintf("%s/dir%d/sub", src, i%4), 0o755))
		must(t, os.WriteFile(fmt.Sprintf("%s/dir%d/sub/file%d", src, i%4, i), randomBytes(1000*i*i), 0o640))
	}
	must(t, os.Chmod(src+"/dir1/sub/file1", os.ModeSetuid|0o751))
	must(t, os.Chmod(src+"/dir2/sub", os.ModeSetgid|0o710))
	must(t, os.Symlink("dir0/sub/file0", src+"/link"))
	run(t, src, "sh", "-c", `i=1600000000; find . -depth | while read -r f; do touch -h -d @$i "$f"; i=$((i+1)); done`)
	want := listing(t, src)
	for _, mode := range cacheModes {
		t.Run(string(mode), func(t *testing.T) {
			t.Parallel()
			m := mountDir(t, serveSpec{Options: fixed(mode)})
			same := func(t *testing.T, name string) {
				t.Helper()
				for _, dir := range []string{m.path(name), filepath.Join(m.dir, name)} {
					run(t, m.mnt, "diff", "-r", "--no-dereference", src, dir)
					if d := cmp.Diff(want, listing(t, dir)); d != "" {
						t.Errorf("%s (-want +got):\n%s", dir, d)
					}
				}
			}
			run(t, src, "cp", "-a", ".", m.path("copied"))
			same(t, "copied")
			run(t, m.mnt, "mkdir", "-p", "a/b", "over")
			run(t, m.mnt, "mv", "copied", "a/b/")
			same(t, "a/b/copied")
			run(t, m.mnt, "mv", "-T", "a/b/copied", "over")
			same(t, "over")
			run(t, m.mnt, "mv", "over/dir3/sub/file11", "a")
			run(t, m.mnt, "mv", "-T", "a/file11", "over/dir0/sub/file0")
			run(t, m.mnt, "cmp", src+"/dir3/sub/file11", filepath.Join(m.dir, "over/dir0/sub/file0"))
			du := func(dir string) []string { // a directory's own size is the filesystem's
				return sortedLines(run(t, dir, "find", ".", "!", "-type", "d", "-exec", "du", "-b", "{}", "+") + run(t, dir, "du", "--inodes"))
			}
			if d := cmp.Diff(du(m.dir), du(m.mnt)); d != "" {
				t.Errorf("du (-server +mount):\n%s", d)
			}
			t.Run("tar", func(t *testing.T) {
				testenv.Require(t, "tar")
				run(t, src, "tar", "cf", m.path("all.tar"), ".")
				must(t, os.Mkdir(m.path("untar"), 0o755))
				run(t, m.path("untar"), "tar", "xpf", m.path("all.tar"))
				same(t, "untar")
			})
			t.Run("rsync", func(t *testing.T) {
				testenv.Require(t, "rsync")
				run(t, src, "rsync", "-a", "./", m.path("synced"))
				same(t, "synced")
				if out := run(t, src, "rsync", "-a", "--itemize-changes", "./", m.path("synced")); out != "" {
					t.Errorf("the second run did:\n%s", out)
				}
			})
			t.Run("git", func(t *testing.T) {
				testenv.Require(t, "git")
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
			})
			run(t, m.mnt, "sh", "-c", "rm -rf *")
			if out := run(t, m.dir, "find", ".", "-mindepth", "1"); out != "" {
				t.Errorf("rm -rf left on the server:\n%s", out)
			}
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

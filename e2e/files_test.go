package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"sshfs-bridge/e2e/testenv"
)

// fileMount is a directory of a real sshd, mounted by the real program: with the
// race detector where the tests have it.
type fileMount struct {
	dir    string // the mount point
	server string // the same directory, on the server
}

// mountFiles mounts with further options of sshfs. The test's end unmounts, and
// fails for a race, a panic, or an error in the program's log.
func mountFiles(t *testing.T, options string) fileMount {
	t.Helper()
	testenv.Require(t, "root", "fuse")
	sshd := testenv.StartSSHD(t, testenv.SSHDOptions{})
	m := fileMount{dir: testenv.PublicDir(t, ""), server: sshd.Home}
	cmd := exec.Command(binary, append([]string{"sshfs", "-f"}, sshfsArgs(sshd, m.dir, "-o", options)...)...)
	cmd.Env = alone(t)
	out := &testenv.Buffer{}
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGTERM)
		select {
		case err := <-ended:
			if err != nil {
				t.Errorf("sshfs: %v", err)
			}
		case <-time.After(20 * time.Second):
			cmd.Process.Kill()
			<-ended
			t.Error("sshfs did not end")
		}
		syscall.Unmount(m.dir, syscall.MNT_DETACH)
		log := out.String()
		for _, bad := range []string{"DATA RACE", "panic", "level=ERROR"} {
			if strings.Contains(log, bad) {
				t.Errorf("its log has %q", bad)
			}
		}
		if t.Failed() {
			t.Logf("sshfs: %s", out.Tail(8<<10))
		}
	})
	testenv.Eventually(t, 20*time.Second, "it is mounted", func() bool { return len(testenv.MountsBelow(m.dir)) > 0 })
	return m
}

// fileMounts are the mounts that programs are tried on, each with a name: of sshfs, in
// every cache mode, and one that smbd shares.
var fileMounts = map[string]func(t *testing.T) fileMount{
	"default": func(t *testing.T) fileMount { return mountFiles(t, "reconnect") },
	"strict":  func(t *testing.T) fileMount { return mountFiles(t, "dir_cache=no") },
	"off":     func(t *testing.T) fileMount { return mountFiles(t, "direct_io") },
	"share":   mountShare,
}

// mountShare mounts as a share is mounted.
func mountShare(t *testing.T) fileMount {
	t.Helper()
	sshd := testenv.StartSSHD(t, testenv.SSHDOptions{})
	b := startBridge(t, bridgeOptions{SSHDir: sshd.SSHDir})
	if _, stderr, code := b.run("mount", sshd.Remote(sshd.HomeSeen), "files"); code != 0 {
		t.Fatal(stderr)
	}
	return fileMount{dir: filepath.Join(b.RunDir, "mnt", "files"), server: sshd.Home}
}

// sh runs a shell script in dir.
func sh(t *testing.T, dir, script string) string {
	t.Helper()
	stdout, stderr, code := testenv.Run(t, nil, "sh", "-ec", "cd '"+dir+"'\n"+script)
	if code != 0 {
		t.Fatalf("%s: exit %d\n%s%s", script, code, stdout, stderr)
	}
	return stdout
}

// fioJobs write in every way that fio knows, each job its own files.
const fioJobs = `
[global]
verify=crc32c
verify_fatal=1
verify_backlog=256
randseed=%d
group_reporting
fallocate=posix

[sequential]
rw=write
bs=64k
size=4m

[sequential-direct]
rw=write
bs=256k
size=4m
direct=1

[random]
rw=randwrite
bs=4k
size=512k
numjobs=3

[random-direct]
rw=randwrite
bs=4k
size=512k
direct=1
ioengine=libaio
iodepth=8

[random-sizes]
rw=randwrite
bsrange=512-40k
bs_unaligned
size=1m
overwrite=1

[mapped]
rw=randwrite
bs=4k
size=512k
ioengine=mmap

[synced]
rw=randwrite
bs=16k
size=256k
fsync=4
`

// What fio has written and read back is right as it reads it, and is what the server
// has: sequential and random, buffered, direct and mapped, several jobs at once.
func TestFio(t *testing.T) {
	testenv.Require(t, "fio")
	for name, mount := range fileMounts {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := mount(t)
			seed := time.Now().UnixNano() & 0xffffffff
			t.Logf("seed %d", seed)
			jobs := filepath.Join(t.TempDir(), "jobs")
			writeFile(t, jobs, fmt.Sprintf(fioJobs, seed))
			fio := func(dir string, args ...string) {
				t.Helper()
				argv := append([]string{"fio", "--directory=" + dir, "--aux-path=" + t.TempDir(), "--output-format=terse"}, args...)
				if stdout, stderr, code := testenv.Run(t, nil, append(argv, jobs)...); code != 0 || strings.Contains(stdout+stderr, "verify:") {
					t.Fatalf("%q: exit %d\n%s%s", argv, code, stdout, stderr)
				}
			}
			fio(m.dir)
			fio(m.server, "--verify_only=1")
			fio(m.dir, "--verify_only=1")
		})
	}
}

// git finds everything in order that it does on the mount, in a repository with a
// history: this one.
func TestGit(t *testing.T) {
	for name, mount := range fileMounts {
		if name == "off" {
			continue // as strict, but for what stays in memory of a closed file
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			gitWorks(t, mount(t))
		})
	}
}

// gitWorks has git make, change and clean up a repository on a mount.
func gitWorks(t *testing.T, m fileMount) {
	t.Helper()
	source, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	git := `export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_SYSTEM=/dev/null GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=safe.directory GIT_CONFIG_VALUE_0='*' \
GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@example.com GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@example.com
`
	sh(t, m.dir, git+"git clone -q --no-local '"+source+"' repo")
	repo := filepath.Join(m.dir, "repo")
	sh(t, repo, git+`
test -z "$(git status --porcelain)"
first=$(git rev-list HEAD | tail -1)
git checkout -q -b work "$first"
echo changed >README.md && mkdir -p new/dir && cp -r '`+source+`/docs/.' new/dir/
git add -A && git commit -q -m one
git mv new moved && git commit -q -m two
git rm -q -r moved && git commit -q -m three
`)
	sh(t, repo, git+`
git checkout -q HEAD~1
test -d moved/dir
git checkout -q -f -
test -z "$(git status --porcelain)"
`)
	sh(t, repo, git+`
git gc -q --prune=now
git fsck --full --strict
`)
	// The server has the same repository, not only what the mount shows of it.
	sh(t, filepath.Join(m.server, "repo"), git+`
git fsck --full --strict
test -z "$(git diff HEAD)"
`)
	want := sh(t, source, git+"git rev-parse HEAD")
	if got := sh(t, repo, git+"git rev-parse origin/HEAD"); got != want {
		t.Errorf("cloned %s of %s", got, want)
	}
	sh(t, m.dir, "rm -rf repo")
	if _, err := os.Lstat(filepath.Join(m.server, "repo")); !os.IsNotExist(err) {
		t.Errorf("after rm -rf: %v", err)
	}
}

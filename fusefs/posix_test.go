package fusefs

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"testing"

	"github.com/hanwen/go-fuse/v2/posixtest"

	"sshfs-bridge/fusefs/vfs"
)

// posixSkips are go-fuse's checks that a filesystem over SFTP does not pass, each
// with the reason.
var posixSkips = map[string]string{
	"Fallocate":           "SFTP cannot reserve room: fallocate is refused with EOPNOTSUPP",
	"FallocateKeepSize":   "SFTP cannot reserve room: fallocate is refused with EOPNOTSUPP",
	"FcntlFlockLocksFile": "asks that fcntl locks of one process exclude each other, which POSIX denies; the kernel's own locks are used",
	"OpenSymlinkRace":     "an OPEN of SFTP follows links on the server; what it leads to there is the account's to read anyway, and nothing here is followed",
	"Tmpfile":             "SFTP has no file without a name: O_TMPFILE is refused with EOPNOTSUPP",
	"Link":                "SFTP tells no link counts: each name is a file with one link",
}

// shareSkips are the further ones that a share does not pass.
var shareSkips = map[string]string{
	"SetattrSymlink":  "on a share nobody gets to see a link: symlink is refused with EPERM",
	"SymlinkReadlink": "on a share nobody gets to see a link: symlink is refused with EPERM",
}

// leftOut is why a check is left out of those of a kind of mount; "" where it is not.
func leftOut(kind mountKind, check string) string {
	why := posixSkips[check]
	if kind == kindShare && why == "" {
		why = shareSkips[check]
	}
	return why
}

func TestPosix(t *testing.T) {
	for _, kind := range mountKinds {
		for _, mode := range cacheModes {
			// All mounts come first: a server process that starts while a check has a
			// file open, which is not closed on exec, would keep that one's mount alive.
			m := mountDir(t, serveSpec{Options: kind.options(mode)})
			t.Run(fmt.Sprintf("%s/%s", kind, mode), func(t *testing.T) {
				t.Parallel()
				for _, name := range slices.Sorted(maps.Keys(posixtest.All)) {
					t.Run(name, func(t *testing.T) {
						if why := leftOut(kind, name); why != "" {
							t.Log("left out: " + why)
							return
						}
						t.Cleanup(func() {
							if t.Skipped() {
								t.Error("left out by itself: name it, with the reason")
							}
						})
						dir := m.path(name)
						if err := os.Mkdir(dir, 0o755); err != nil {
							t.Fatal(err)
						}
						posixtest.All[name](t, dir)
					})
				}
			})
		}
	}
}

const leftOutEnv = "FUSEFS_TEST_LEFT_OUT"

// TestLeftOutHelper is not a test: it runs checks that are to fail, each in the directory
// of its name below one that is given.
func TestLeftOutHelper(t *testing.T) {
	dir := os.Getenv(leftOutEnv)
	if dir == "" {
		return
	}
	entries, err := os.ReadDir(dir)
	must(t, err)
	for _, e := range entries {
		t.Run(e.Name(), func(t *testing.T) { posixtest.All[e.Name()](t, dir+"/"+e.Name()) })
	}
}

// A check that is left out fails, or says itself that it is none for us: one that passes
// belongs to the others. One is a race, which is lost only now and then.
func TestPosix_leftOut(t *testing.T) {
	for _, kind := range mountKinds {
		t.Run(string(kind), func(t *testing.T) {
			m := mountDir(t, serveSpec{Options: kind.options(vfs.CacheDefault)})
			var names []string
			for _, name := range slices.Sorted(maps.Keys(posixtest.All)) {
				if leftOut(kind, name) != "" && name != "OpenSymlinkRace" {
					names = append(names, name)
					must(t, os.Mkdir(m.path(name), 0o755))
				}
			}
			cmd := exec.Command("/proc/self/exe", "-test.run=^TestLeftOutHelper$", "-test.v")
			cmd.Env = append(os.Environ(), leftOutEnv+"="+m.mnt)
			out, _ := cmd.CombinedOutput() // it ends with 1, as checks fail
			for _, name := range names {
				result := regexp.MustCompile(`(?m)^ *--- (FAIL|SKIP): TestLeftOutHelper/` + name + ` `)
				if !result.Match(out) {
					t.Errorf("%s is left out (%s), but does not fail:\n%s", name, leftOut(kind, name), out)
				}
			}
		})
	}
}

package fusefs

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"testing"

	"github.com/hanwen/go-fuse/v2/posixtest"
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
						why := posixSkips[name]
						if kind == kindShare && why == "" {
							why = shareSkips[name]
						}
						if why != "" {
							t.Log("left out: " + why)
							return
						}
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

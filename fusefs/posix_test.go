package fusefs

import (
	"maps"
	"os"
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

func TestPosix(t *testing.T) {
	for _, mode := range cacheModes {
		t.Run(string(mode), func(t *testing.T) {
			t.Parallel()
			o := fixed(mode)
			o.Symlinks = vfs.SymlinksRaw // links to anywhere are read back
			m := mountDir(t, serveSpec{Options: o})
			for _, name := range slices.Sorted(maps.Keys(posixtest.All)) {
				t.Run(name, func(t *testing.T) {
					if why := posixSkips[name]; why != "" {
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

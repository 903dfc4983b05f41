package fusefs

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"sshfs-bridge/e2e/testenv"
	"sshfs-bridge/fusefs/vfs"
)

// A server whose disk is full says so to who writes, whichever call finds out:
// what was there stays whole, and writing goes on when there is room again.
func TestFullServer(t *testing.T) {
	testenv.Require(t, "root")
	for _, server := range []string{"openssh", "pkg"} {
		for _, told := range []string{"close", "fsync"} {
			t.Run(server+", told by "+told, func(t *testing.T) {
				t.Parallel()
				dir := t.TempDir()
				must(t, unix.Mount("tmpfs", dir, "tmpfs", 0, "size=4m"))
				t.Cleanup(func() { must(t, unix.Unmount(dir, unix.MNT_DETACH)) })
				kept := randomBytes(1 << 20)
				must(t, os.WriteFile(dir+"/kept", kept, 0o644))
				m := mountDir(t, serveSpec{Dir: dir, Server: server, Options: fixed(vfs.CacheDefault)})

				f, err := os.Create(m.path("large"))
				must(t, err)
				var failures []error
				note := func(err error) {
					if err != nil {
						failures = append(failures, err)
					}
				}
				for chunk := range 64 { // 8 MiB
					if _, err := f.WriteAt(kept[:128<<10], int64(chunk)*128<<10); err != nil {
						note(err)
						break
					}
				}
				if told == "fsync" {
					note(f.Sync())
				}
				note(f.Close())
				if len(failures) == 0 {
					t.Error("nobody was told")
				}
				for _, err := range failures {
					wantErrno(t, err, syscall.ENOSPC)
				}
				if got := readFile(t, m.path("kept")); !bytes.Equal(got, kept) {
					t.Error("another file was changed")
				}
				must(t, os.Remove(m.path("large")))
				waitFor(t, "room, which the server's handle of the removed file holds", func() bool {
					var st unix.Statfs_t
					must(t, unix.Statfs(dir, &st))
					return st.Bavail*uint64(st.Bsize) >= 3<<20
				})
				must(t, os.WriteFile(m.path("small"), kept, 0o644))
				if got := readFile(t, dir+"/small"); !bytes.Equal(got, kept) {
					t.Error("the server has other bytes")
				}

				src := t.TempDir() + "/src"
				must(t, os.WriteFile(src, make([]byte, 8<<20), 0o644))
				out, err := exec.Command("cp", src, m.path("copy")).CombinedOutput()
				var exit *exec.ExitError
				if !errors.As(err, &exit) || exit.ExitCode() != 1 || !strings.Contains(string(out), "No space left on device") {
					t.Errorf("cp: %v\n%s", err, out)
				}
			})
		}
	}
}

package fusefs

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sshfs-bridge/fusefs/vfs"
)

// TestKernelRoundTrips holds the table of round trips as programs meet it: with
// everything that the kernel asks besides.
func TestKernelRoundTrips(t *testing.T) {
	stamp := time.Unix(1_600_000_000, 0)
	cases := []struct {
		name  string
		do    func(t *testing.T, dir string)
		want  int
		reads bool // it ends with the CLOSE of a file that was only read
	}{
		{"stat", func(t *testing.T, dir string) { _, err := os.Stat(dir + "/a"); must(t, err) }, 0, false},
		{"stat of an absent name", func(t *testing.T, dir string) { os.Stat(dir + "/absent") }, 0, false},
		{"access and getxattr", func(t *testing.T, dir string) {
			must(t, unix.Access(dir+"/a", unix.R_OK))
			unix.Getxattr(dir+"/a", "user.DOSATTRIB", make([]byte, 100))
			unix.Listxattr(dir+"/a", make([]byte, 100))
		}, 0, false},
		{"list and stat everything", func(t *testing.T, dir string) {
			entries, err := os.ReadDir(dir)
			must(t, err)
			for _, e := range entries {
				_, err := e.Info()
				must(t, err)
			}
		}, 0, false},
		{"read a small file", func(t *testing.T, dir string) { wantFile(t, dir+"/a", "hello") }, 2, true},
		{"create, write, chmod, times, close", func(t *testing.T, dir string) {
			f, err := os.OpenFile(dir+"/new", os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
			must(t, err)
			for range 4 {
				_, err = f.Write(make([]byte, 64<<10))
				must(t, err)
			}
			must(t, f.Chmod(0o644))
			tv := unix.NsecToTimeval(stamp.UnixNano())
			must(t, unix.Futimes(int(f.Fd()), []unix.Timeval{tv, tv}))
			must(t, f.Close())
		}, 2, false},
		{"overwrite", func(t *testing.T, dir string) { must(t, os.WriteFile(dir+"/a", []byte("again"), 0o644)) }, 2, false},
		{"append", func(t *testing.T, dir string) {
			f, err := os.OpenFile(dir+"/a", os.O_APPEND|os.O_WRONLY, 0)
			must(t, err)
			_, err = f.WriteString("more")
			must(t, err)
			must(t, f.Close())
		}, 2, false},
		{"mkdir", func(t *testing.T, dir string) { must(t, os.Mkdir(dir+"/newdir", 0o755)) }, 1, false},
		{"rmdir", func(t *testing.T, dir string) { must(t, unix.Rmdir(dir+"/d")) }, 1, false},
		{"unlink", func(t *testing.T, dir string) { must(t, unix.Unlink(dir+"/a")) }, 1, false},
		{"rename over", func(t *testing.T, dir string) { must(t, unix.Rename(dir+"/a", dir+"/b")) }, 1, false},
		{"symlink and readlink", func(t *testing.T, dir string) {
			must(t, os.Symlink("a", dir+"/link"))
			_, err := os.Readlink(dir + "/link")
			must(t, err)
		}, 2, false},
		{"link", func(t *testing.T, dir string) { must(t, os.Link(dir+"/a", dir+"/hard")) }, 1, false},
		{"chmod", func(t *testing.T, dir string) { must(t, unix.Chmod(dir+"/a", 0o640)) }, 1, false},
		{"utimes", func(t *testing.T, dir string) { must(t, os.Chtimes(dir+"/a", stamp, stamp)) }, 1, false},
		{"safe save", func(t *testing.T, dir string) {
			must(t, os.WriteFile(dir+"/a.tmp", []byte("saved"), 0o644))
			must(t, unix.Rename(dir+"/a.tmp", dir+"/a"))
		}, 3, false},
		// As GNU tar does it: the mode and the times of a directory come last.
		{"unpack a directory of three files", func(t *testing.T, dir string) {
			sub := dir + "/unpacked"
			must(t, unix.Mkdir(sub, 0o700))
			times := []unix.Timespec{{Nsec: unix.UTIME_OMIT}, unix.NsecToTimespec(stamp.UnixNano())}
			for _, name := range []string{"a", "b", "c"} {
				f, err := os.OpenFile(sub+"/"+name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o640)
				must(t, err)
				_, err = f.Write(make([]byte, 4096))
				must(t, err)
				must(t, unix.UtimesNanoAt(unix.AT_FDCWD, fmt.Sprintf("/proc/self/fd/%d", f.Fd()), times, 0))
				must(t, f.Close())
			}
			must(t, unix.UtimesNanoAt(unix.AT_FDCWD, sub, times, unix.AT_SYMLINK_NOFOLLOW))
			_, err := os.Lstat(sub)
			must(t, err)
			must(t, unix.Chmod(sub, 0o750))
		}, 9, false},
		{"copy_file_range", func(t *testing.T, dir string) {
			a, err := os.Open(dir + "/large")
			must(t, err)
			b, err := os.Create(dir + "/copy")
			must(t, err)
			for range 4 {
				_, err := unix.CopyFileRange(int(a.Fd()), nil, int(b.Fd()), nil, 1<<20, 0)
				must(t, err)
			}
			must(t, b.Close())
			must(t, a.Close())
		}, 4, true},
	}
	// Each has a directory on the one mount, at which nobody has looked before.
	root := t.TempDir()
	for _, c := range cases {
		dir := filepath.Join(root, c.name)
		must(t, os.MkdirAll(dir+"/d", 0o755))
		must(t, os.WriteFile(dir+"/a", []byte("hello"), 0o644))
		must(t, os.WriteFile(dir+"/b", []byte("there"), 0o644))
		must(t, os.WriteFile(dir+"/large", randomBytes(4<<20), 0o644))
		for _, name := range []string{"a", "b", "large"} {
			must(t, os.Chtimes(filepath.Join(dir, name), stamp, stamp))
		}
	}
	m := mountDir(t, serveSpec{Dir: root, Delay: 20 * time.Millisecond, Options: fixed(vfs.CacheDefault)})
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			_, err := os.ReadDir(m.path(c.name))
			must(t, err)
			got := m.rounds(func() { c.do(t, m.path(c.name)) })
			t.Logf("%d round trips, %v", got.Depth, got.Requests)
			want := c.want
			if c.reads && got.Requests["close"] > 0 {
				// The answer to a reader's CLOSE, for which nobody waits, was there
				// before this busy machine had counted.
				want++
			}
			if got.Depth > want {
				t.Errorf("%d round trips, want at most %d (%v)", got.Depth, want, got.Requests)
			}
			if c.name == "copy_file_range" && got.BytesRead+got.BytesWritten > 0 {
				t.Errorf("%d bytes came and %d went, of a copy on the server", got.BytesRead, got.BytesWritten)
			}
		})
	}
}

// A cold walk costs round trips by level, a copy of a directory's files far
// fewer than one a file.
func TestKernelWalkAndSiblings(t *testing.T) {
	dir := t.TempDir()
	for i := range 5 {
		for j := range 5 {
			must(t, os.MkdirAll(fmt.Sprintf("%s/d%d/e%d", dir, i, j), 0o755))
			for k := range 4 {
				must(t, os.WriteFile(fmt.Sprintf("%s/d%d/e%d/f%d", dir, i, j, k), []byte("x"), 0o644))
			}
		}
	}
	must(t, os.Mkdir(dir+"/many", 0o755))
	for i := range 100 {
		name := fmt.Sprintf("%s/many/f%03d", dir, i)
		must(t, os.WriteFile(name, fmt.Appendf(nil, "file %d", i), 0o644))
		// What has just changed is not trusted for long.
		old := time.Now().Add(-time.Hour)
		must(t, os.Chtimes(name, old, old))
	}
	m := mountDir(t, serveSpec{Dir: dir, Delay: 20 * time.Millisecond, Options: fixed(vfs.CacheDefault)})
	files := 0
	got := m.rounds(func() {
		must(t, filepath.WalkDir(m.mnt, func(_ string, d fs.DirEntry, err error) error {
			if err == nil && !d.IsDir() {
				files++
			}
			return err
		}))
	})
	t.Logf("walk: %d round trips, %v", got.Depth, got.Requests)
	if files != 200 || got.Depth > 15 {
		t.Errorf("%d files in %d round trips", files, got.Depth)
	}
	got = m.rounds(func() {
		for i := range 100 {
			wantFile(t, fmt.Sprintf("%s/many/f%03d", m.mnt, i), fmt.Sprintf("file %d", i))
		}
	})
	t.Logf("100 files: %d round trips, %v", got.Depth, got.Requests)
	if got.Depth > 33 {
		t.Errorf("%d round trips for 100 files", got.Depth)
	}
}

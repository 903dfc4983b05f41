package sftp_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"sshfs-bridge/fusefs/sftp"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// has skips what the server does not offer, and checks that it is refused
// without a request.
func has(t *testing.T, c *sftp.Client, ext string, call func() error) bool {
	t.Helper()
	if c.Has(ext) {
		return true
	}
	before := c.Counters().Requests
	if err := call(); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("without %s: %v, want ErrUnsupported", ext, err)
	}
	if after := c.Counters().Requests; len(after) != len(before) {
		t.Errorf("without %s a request was sent: %v", ext, after)
	}
	return false
}

func TestStat(t *testing.T) {
	eachServer(t, func(t *testing.T, s server, c *sftp.Client, dir string) {
		ctx := testContext(t)
		must(t, os.WriteFile(filepath.Join(dir, "f"), []byte("hello"), 0o640))
		must(t, os.Chmod(filepath.Join(dir, "f"), 0o640))
		must(t, os.Symlink("f", filepath.Join(dir, "l")))
		a, err := c.Stat(ctx, "l")
		must(t, err)
		if a.Size != 5 || a.Mode != syscall.S_IFREG|0o640 || a.Valid != sftp.AttrSize|sftp.AttrUIDGID|sftp.AttrMode|sftp.AttrTimes {
			t.Errorf("stat: %+v", a)
		}
		a, err = c.Lstat(ctx, dir+"/l")
		must(t, err)
		if a.Mode&syscall.S_IFMT != syscall.S_IFLNK {
			t.Errorf("lstat: %+v", a)
		}
		_, err = c.Stat(ctx, "none")
		var status *sftp.StatusError
		if !errors.Is(err, fs.ErrNotExist) || !errors.As(err, &status) || status.Op != "stat" || status.Path != "none" {
			t.Errorf("stat of nothing: %v", err)
		}
		if _, err := c.Stat(ctx, "a\x00b"); !errors.Is(err, fs.ErrInvalid) || !errors.Is(err, sftp.ErrNotSent) {
			t.Errorf("path with NUL: %v", err)
		}
	})
}

func TestSetstat(t *testing.T) {
	eachServer(t, func(t *testing.T, s server, c *sftp.Client, dir string) {
		ctx := testContext(t)
		file := filepath.Join(dir, "f")
		must(t, os.WriteFile(file, []byte("hello"), 0o644))
		must(t, c.Setstat(ctx, "f", sftp.Attrs{
			Valid: sftp.AttrSize | sftp.AttrMode | sftp.AttrTimes, Size: 3, Mode: 0o600, Atime: 1_000_000, Mtime: 2_000_000,
		}))
		a, err := c.Stat(ctx, "f")
		must(t, err)
		if a.Size != 3 || a.Mode != syscall.S_IFREG|0o600 || a.Atime != 1_000_000 && !s.noAtime || a.Mtime != 2_000_000 {
			t.Errorf("after setstat: %+v", a)
		}
		h, err := c.Open(ctx, "f", sftp.FlagRead|sftp.FlagWrite, sftp.Attrs{})
		must(t, err)
		must(t, c.Fsetstat(ctx, h, sftp.Attrs{Valid: sftp.AttrSize | sftp.AttrTimes, Size: 1 << 33, Atime: 5, Mtime: 6}))
		a, err = c.Fstat(ctx, h)
		must(t, err)
		if a.Size != 1<<33 || a.Mtime != 6 {
			t.Errorf("after fsetstat: %+v", a)
		}
		must(t, c.CloseHandle(ctx, h))

		must(t, os.Symlink("f", filepath.Join(dir, "l")))
		lset := sftp.Attrs{Valid: sftp.AttrTimes, Atime: 7, Mtime: 8}
		if has(t, c, sftp.ExtLsetstat, func() error { return c.Lsetstat(ctx, "l", lset) }) {
			must(t, c.Lsetstat(ctx, "l", lset))
			link, err := c.Lstat(ctx, "l")
			must(t, err)
			target, err := c.Stat(ctx, "l")
			must(t, err)
			if link.Mtime != 8 || target.Mtime != 6 {
				t.Errorf("after lsetstat: link %+v, target %+v", link, target)
			}
		}
	})
}

func TestTree(t *testing.T) {
	eachServer(t, func(t *testing.T, s server, c *sftp.Client, dir string) {
		ctx := testContext(t)
		must(t, c.Mkdir(ctx, "d", sftp.Attrs{Valid: sftp.AttrMode, Mode: 0o700}))
		a, err := c.Stat(ctx, "d")
		must(t, err)
		if a.Mode&syscall.S_IFMT != syscall.S_IFDIR {
			t.Errorf("mkdir: %+v", a)
		}
		if err := c.Mkdir(ctx, "d", sftp.Attrs{}); err == nil {
			t.Error("mkdir twice: no error")
		}
		must(t, os.WriteFile(filepath.Join(dir, "d/x"), []byte("x"), 0o600))
		must(t, os.WriteFile(filepath.Join(dir, "d/y"), []byte("y"), 0o600))
		if err := c.Rmdir(ctx, "d"); err == nil {
			t.Error("rmdir of a full directory: no error")
		}
		must(t, c.Rename(ctx, "d/x", "d/z"))
		if _, err := os.Lstat(filepath.Join(dir, "d/z")); err != nil {
			t.Error(err)
		}
		if has(t, c, sftp.ExtPosixRename, func() error { return c.PosixRename(ctx, "d/z", "d/y") }) {
			must(t, c.PosixRename(ctx, "d/z", "d/y"))
			if b, _ := os.ReadFile(filepath.Join(dir, "d/y")); string(b) != "x" {
				t.Errorf("rename over: %q", b)
			}
		}
		if has(t, c, sftp.ExtHardlink, func() error { return c.Link(ctx, "d/y", "d/hard") }) {
			must(t, c.Link(ctx, "d/y", "d/hard"))
			must(t, c.Remove(ctx, "d/hard"))
		}
		if !s.wholeLinks {
			must(t, c.Symlink(ctx, "../any thing/that", "d/link"))
		} else {
			must(t, os.Symlink("../any thing/that", filepath.Join(dir, "d/link")))
		}
		target, err := c.Readlink(ctx, "d/link")
		must(t, err)
		if local, _ := os.Readlink(filepath.Join(dir, "d/link")); target != "../any thing/that" || local != target {
			t.Errorf("symlink: %q here, %q there", target, local)
		}
		real, err := c.Realpath(ctx, ".")
		must(t, err)
		if real != dir {
			t.Errorf("realpath: %q, want %q", real, dir)
		}
		must(t, os.RemoveAll(filepath.Join(dir, "d")))
		must(t, os.Mkdir(filepath.Join(dir, "d"), 0o700))
		must(t, c.Rmdir(ctx, "d"))
	})
}

func TestReadDir(t *testing.T) {
	for _, n := range []int{0, 1, 100, 301, 1200} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			eachServer(t, func(t *testing.T, s server, c *sftp.Client, dir string) {
				ctx := testContext(t)
				var want []string
				must(t, os.Mkdir(filepath.Join(dir, "d"), 0o755))
				for i := range n {
					name := fmt.Sprintf("entry %d %s", i, strings.Repeat("ü", i%50))
					want = append(want, name)
					must(t, os.WriteFile(filepath.Join(dir, "d", name), make([]byte, i), 0o644))
				}
				names, err := c.ReadDir(ctx, "d")
				must(t, err)
				var got []string
				for _, name := range names {
					got = append(got, name.Name)
					var i int
					if fmt.Sscanf(name.Name, "entry %d", &i); name.Attrs.Size != uint64(i) || name.Attrs.Mode&syscall.S_IFMT != syscall.S_IFREG {
						t.Fatalf("%q: %+v", name.Name, name.Attrs)
					}
				}
				slices.Sort(got)
				slices.Sort(want)
				if !slices.Equal(got, want) {
					t.Errorf("%d names, want %d", len(got), len(want))
				}
				if _, err := c.ReadDir(ctx, "none"); !errors.Is(err, fs.ErrNotExist) {
					t.Errorf("list nothing: %v", err)
				}
			})
		})
	}
}

func TestQueries(t *testing.T) {
	eachServer(t, func(t *testing.T, s server, c *sftp.Client, dir string) {
		ctx := testContext(t)
		if has(t, c, sftp.ExtStatVFS, func() error { _, err := c.StatVFS(ctx, "."); return err }) {
			s, err := c.StatVFS(ctx, ".")
			must(t, err)
			var local syscall.Statfs_t
			must(t, syscall.Statfs(dir, &local))
			if s.Blocks != local.Blocks || s.BlockSize != uint64(local.Bsize) || s.NameMax != uint64(local.Namelen) || s.FragmentSize == 0 {
				t.Errorf("statvfs: %+v, want %+v", s, local)
			}
		}
		home, err := c.ExpandPath(ctx, "~")
		must(t, err)
		if !filepath.IsAbs(home) {
			t.Errorf("~ is %q", home)
		}
		if has(t, c, sftp.ExtUsersGroupsByID, func() error { _, err := c.UsersGroupsByID(ctx, nil, nil); return err }) {
			ug, err := c.UsersGroupsByID(ctx, []uint32{0, 4_000_000_000}, []uint32{0})
			must(t, err)
			if !slices.Equal(ug.Users, []string{"root", ""}) || !slices.Equal(ug.Groups, []string{"root"}) {
				t.Errorf("names of ids: %+v", ug)
			}
		}
		if l := c.Limits(); l.MaxRead < 32*1024 || l.MaxRead > 255*1024 || l.MaxWrite < 32*1024 || l.MaxWrite > 255*1024 {
			t.Errorf("limits: %+v", l)
		}
	})
}

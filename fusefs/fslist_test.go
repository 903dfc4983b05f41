package fusefs

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sshfs-bridge/e2e/testenv"
	"sshfs-bridge/fusefs/vfs"
)

// fsTests are what every mount must do, whatever its cache mode, its server and
// its sessions. Each gets a directory of its own on the mount, and what that is on
// the server.
var fsTests = []struct {
	name string
	run  func(t *testing.T, dir, server string)
}{
	{"a closed file is on the server", testWriteThrough},
	{"a large file keeps every byte", testLargeFile},
	{"an unlinked open file stays usable", testUnlinkedOpen},
	{"a file renamed over an open one", testRenameOverOpen},
	{"appends go to the end", testAppend},
	{"an exclusive create fails on a name that is taken", testExclusive},
	{"renameat2 keeps its promises", testRenameFlags},
	{"a directory that is not empty stays", testNotEmpty},
	{"sparse files and offsets beyond 4 GiB", testSparse},
	{"two handles of a file see one file", testTwoHandles},
	{"mapped pages reach the server", testMmap},
	{"mapped pages of a file open for appending", testMmapAppend},
	{"locks hold between processes' descriptors", testLocks},
	{"times and modes are set and kept", testAttributes},
	{"every byte in names", testByteNames},
	{"names of 255 bytes, and no longer", testLongNames},
	{"a name in either normal form finds the file", testNormalForms},
	{"an editor's safe save", testSafeSave},
	{"a hundred writers at once", testParallelWriters},
	{"a deep tree", testDeepTree},
	{"extended attributes follow their file", testXattrs},
	{"copy_file_range copies", testCopyRange},
	{"an inode number is kept", testInodes},
	{"a fifo is refused", testFifo},
	{"records appended by several handles at once", testParallelAppend},
	{"a hundred writers in one file", testParallelParts},
	{"a file that is replaced is always whole", testAtomicReplace},
	{"an editor's safe save, as vim does it", testEditor},
	{"room is refused, and made by writing", testFallocate},
	{"all of a file is data", testSeekData},
	{"sizes are right while a file is written", testSizeWhileWritten},
	{"a file on several channels keeps the order", testStriped},
}

// TestFilesystem runs the list in every cache mode, with one channel and with
// several, on OpenSSH's server and on pkg/sftp's, and as the other kinds of mounts
// have it.
func TestFilesystem(t *testing.T) {
	for _, mode := range cacheModes {
		for _, channels := range []int{1, 4} {
			for _, server := range []string{"openssh", "pkg"} {
				t.Run(fmt.Sprintf("%s/%d channels/%s", mode, channels, server), func(t *testing.T) {
					t.Parallel()
					runFSTests(t, serveSpec{Server: server, Delay: severalChannels, Channel: channels, Options: fixed(mode)}, nil)
				})
			}
		}
	}
	for _, kind := range []mountKind{kindShare, kindPosix} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			var skips map[string]string
			if kind == kindShare {
				skips = fsShareSkips
			}
			runFSTests(t, serveSpec{Server: "openssh", Delay: severalChannels, Channel: 4, Options: kind.options(vfs.CacheDefault)}, skips)
		})
	}
}

// fsShareSkips are what is otherwise on a share, each with the reason.
var fsShareSkips = map[string]string{
	"every byte in names": "names that SMB cannot carry are shown otherwise (TestShareNames)",
}

func runFSTests(t *testing.T, spec serveSpec, skips map[string]string) {
	spec.Dir = t.TempDir()
	for i := range fsTests {
		must(t, os.Mkdir(fmt.Sprintf("%s/t%02d", spec.Dir, i), 0o755))
	}
	m := mountDir(t, spec)
	waitChannels(t, m, spec.Channel)
	for i, c := range fsTests {
		t.Run(c.name, func(t *testing.T) {
			if why := skips[c.name]; why != "" {
				t.Log("left out: " + why)
				return
			}
			name := fmt.Sprintf("t%02d", i)
			c.run(t, m.path(name), filepath.Join(m.dir, name))
		})
	}
	wantStripes(t, m, spec.Channel)
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func readFile(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(name)
	must(t, err)
	return b
}

func wantFile(t testing.TB, name, want string) {
	t.Helper()
	if got := readFile(t, name); string(got) != want {
		t.Errorf("%s has %.60q (%d bytes), want %.60q", filepath.Base(name), got, len(got), want)
	}
}

func wantErrno(t testing.TB, err error, want syscall.Errno) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("got %v, want %v", err, want)
	}
}

func randomBytes(n int) []byte {
	b := make([]byte, n)
	r := rand.NewChaCha8([32]byte{1})
	r.Read(b)
	return b
}

func testWriteThrough(t *testing.T, dir, server string) {
	f, err := os.Create(dir + "/f")
	must(t, err)
	for i := range 10 {
		_, err := fmt.Fprintf(f, "line %d\n", i)
		must(t, err)
	}
	must(t, f.Chmod(0o640))
	must(t, f.Close())
	want := "line 0\nline 1\nline 2\nline 3\nline 4\nline 5\nline 6\nline 7\nline 8\nline 9\n"
	wantFile(t, server+"/f", want)
	wantFile(t, dir+"/f", want)
	st, err := os.Stat(server + "/f")
	must(t, err)
	if st.Mode() != 0o640 {
		t.Errorf("mode on the server: %v", st.Mode())
	}
	must(t, os.WriteFile(dir+"/f", []byte("short"), 0o644))
	wantFile(t, server+"/f", "short")
	wantFile(t, dir+"/f", "short")
}

func testLargeFile(t *testing.T, dir, server string) {
	data := randomBytes(6<<20 + 12345)
	must(t, os.WriteFile(dir+"/large", data, 0o644))
	if sha256.Sum256(readFile(t, server+"/large")) != sha256.Sum256(data) {
		t.Fatal("the server has other bytes")
	}
	dropPages(t, dir+"/large")
	if got := readFile(t, dir+"/large"); !bytes.Equal(got, data) {
		t.Fatalf("read %d other bytes", len(got))
	}
	f, err := os.Open(dir + "/large")
	must(t, err)
	defer f.Close()
	buf := make([]byte, 7000)
	for range 50 {
		off := rand.Int64N(int64(len(data) - len(buf)))
		_, err := f.ReadAt(buf, off)
		must(t, err)
		if !bytes.Equal(buf, data[off:off+int64(len(buf))]) {
			t.Fatalf("other bytes at %d", off)
		}
	}
}

// dropPages has the kernel forget what it has of a file.
func dropPages(t testing.TB, name string) {
	t.Helper()
	f, err := os.Open(name)
	must(t, err)
	defer f.Close()
	must(t, unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED))
}

func testUnlinkedOpen(t *testing.T, dir, server string) {
	f, err := os.Create(dir + "/f")
	must(t, err)
	defer f.Close()
	_, err = f.WriteString("before ")
	must(t, err)
	must(t, os.Remove(dir+"/f"))
	if _, err := os.Lstat(dir + "/f"); !os.IsNotExist(err) {
		t.Errorf("still there: %v", err)
	}
	_, err = f.WriteString("after")
	must(t, err)
	must(t, f.Sync())
	buf := make([]byte, 20)
	n, err := f.ReadAt(buf, 0)
	if !errors.Is(err, io.EOF) || string(buf[:n]) != "before after" {
		t.Errorf("read %q, %v", buf[:n], err)
	}
	must(t, f.Truncate(6))
	st, err := f.Stat()
	must(t, err)
	if st.Size() != 6 || st.Sys().(*syscall.Stat_t).Nlink != 0 {
		t.Errorf("size %d, nlink %d", st.Size(), st.Sys().(*syscall.Stat_t).Nlink)
	}
	must(t, os.WriteFile(dir+"/f", []byte("another"), 0o644))
	wantFile(t, dir+"/f", "another")
	wantFile(t, server+"/f", "another")
}

func testRenameOverOpen(t *testing.T, dir, server string) {
	must(t, os.WriteFile(dir+"/old", []byte("old content"), 0o644))
	must(t, os.WriteFile(dir+"/new", []byte("new"), 0o644))
	old, err := os.Open(dir + "/old")
	must(t, err)
	defer old.Close()
	must(t, os.Rename(dir+"/new", dir+"/old"))
	got, err := io.ReadAll(old)
	must(t, err)
	if string(got) != "old content" {
		t.Errorf("the open file has %q", got)
	}
	wantFile(t, dir+"/old", "new")
	wantFile(t, server+"/old", "new")
	w, err := os.OpenFile(dir+"/old", os.O_RDWR, 0)
	must(t, err)
	_, err = w.WriteString("NEW")
	must(t, err)
	must(t, os.Rename(dir+"/old", dir+"/moved"))
	_, err = w.WriteAt([]byte("!"), 3)
	must(t, err)
	must(t, w.Close())
	wantFile(t, server+"/moved", "NEW!")
}

func testAppend(t *testing.T, dir, server string) {
	must(t, os.WriteFile(dir+"/log", []byte("0"), 0o644))
	var files []*os.File
	for range 2 {
		f, err := os.OpenFile(dir+"/log", os.O_WRONLY|os.O_APPEND, 0)
		must(t, err)
		files = append(files, f)
	}
	for i := 1; i < 10; i++ {
		_, err := fmt.Fprint(files[i%2], i)
		must(t, err)
	}
	for _, f := range files {
		must(t, f.Close())
	}
	wantFile(t, server+"/log", "0123456789")
	// The server's file grew behind our back: an append goes behind that.
	must(t, os.WriteFile(server+"/log", []byte("grown on the server"), 0o644))
	f, err := os.OpenFile(dir+"/log", os.O_WRONLY|os.O_APPEND, 0)
	must(t, err)
	_, err = f.WriteString("+")
	must(t, err)
	must(t, f.Close())
	wantFile(t, server+"/log", "grown on the server+")
	wantFile(t, dir+"/log", "grown on the server+")
}

func testExclusive(t *testing.T, dir, server string) {
	must(t, os.WriteFile(server+"/behind", nil, 0o644))
	_, err := os.OpenFile(dir+"/behind", os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	wantErrno(t, err, syscall.EEXIST)
	f, err := os.OpenFile(dir+"/f", os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	must(t, err)
	f.Close()
	_, err = os.OpenFile(dir+"/f", os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	wantErrno(t, err, syscall.EEXIST)
	wantErrno(t, os.Mkdir(dir+"/f", 0o755), syscall.EEXIST)
	wantErrno(t, os.Symlink("x", dir+"/f"), syscall.EEXIST)
	wantErrno(t, os.Link(dir+"/f", dir+"/behind"), syscall.EEXIST)
}

func testRenameFlags(t *testing.T, dir, server string) {
	must(t, os.WriteFile(dir+"/a", []byte("a"), 0o644))
	must(t, os.WriteFile(dir+"/b", []byte("b"), 0o644))
	wantErrno(t, unix.Renameat2(unix.AT_FDCWD, dir+"/a", unix.AT_FDCWD, dir+"/b", unix.RENAME_NOREPLACE), syscall.EEXIST)
	wantErrno(t, unix.Renameat2(unix.AT_FDCWD, dir+"/a", unix.AT_FDCWD, dir+"/b", unix.RENAME_EXCHANGE), syscall.EINVAL)
	must(t, unix.Renameat2(unix.AT_FDCWD, dir+"/a", unix.AT_FDCWD, dir+"/c", unix.RENAME_NOREPLACE))
	wantFile(t, server+"/c", "a")
	must(t, os.WriteFile(server+"/behind", []byte("x"), 0o644))
	if err := unix.Renameat2(unix.AT_FDCWD, dir+"/c", unix.AT_FDCWD, dir+"/b", unix.RENAME_NOREPLACE); !errors.Is(err, syscall.EEXIST) {
		t.Errorf("got %v", err)
	}
}

func testNotEmpty(t *testing.T, dir, server string) {
	must(t, os.MkdirAll(dir+"/d/sub", 0o755))
	must(t, os.Mkdir(dir+"/e", 0o755))
	wantErrno(t, syscall.Rmdir(dir+"/d"), syscall.ENOTEMPTY)
	wantErrno(t, syscall.Rename(dir+"/e", dir+"/d"), syscall.ENOTEMPTY)
	wantErrno(t, syscall.Unlink(dir+"/d"), syscall.EISDIR)
	must(t, os.Remove(dir+"/d/sub"))
	must(t, syscall.Rename(dir+"/e", dir+"/d"))
	must(t, os.RemoveAll(dir+"/d"))
	if _, err := os.Lstat(server + "/d"); !os.IsNotExist(err) {
		t.Errorf("still on the server: %v", err)
	}
}

func testSparse(t *testing.T, dir, server string) {
	f, err := os.Create(dir + "/sparse")
	must(t, err)
	const far = 5 << 30
	_, err = f.WriteAt([]byte("end"), far)
	must(t, err)
	must(t, f.Close())
	st, err := os.Stat(dir + "/sparse")
	must(t, err)
	if st.Size() != far+3 {
		t.Errorf("size %d", st.Size())
	}
	r, err := os.Open(dir + "/sparse")
	must(t, err)
	defer r.Close()
	buf := make([]byte, 6)
	_, err = r.ReadAt(buf, far-3)
	must(t, err)
	if string(buf) != "\x00\x00\x00end" {
		t.Errorf("read %q", buf)
	}
	_, err = r.ReadAt(buf, 1<<30)
	must(t, err)
	if string(buf) != "\x00\x00\x00\x00\x00\x00" {
		t.Errorf("a hole has %q", buf)
	}
	must(t, os.Truncate(dir+"/sparse", 10))
	st, err = os.Stat(server + "/sparse")
	must(t, err)
	if st.Size() != 10 {
		t.Errorf("size on the server: %d", st.Size())
	}
	if got := readFile(t, dir+"/sparse"); !bytes.Equal(got, make([]byte, 10)) {
		t.Errorf("read %q", got)
	}
}

func testTwoHandles(t *testing.T, dir, server string) {
	w, err := os.Create(dir + "/f")
	must(t, err)
	defer w.Close()
	r, err := os.Open(dir + "/f")
	must(t, err)
	defer r.Close()
	w2, err := os.OpenFile(dir+"/f", os.O_WRONLY, 0)
	must(t, err)
	defer w2.Close()
	for i := range 20 {
		_, err := w.WriteAt([]byte{byte('a' + i)}, int64(2*i))
		must(t, err)
		_, err = w2.WriteAt([]byte{'.'}, int64(2*i+1))
		must(t, err)
		st, err := r.Stat()
		must(t, err)
		if st.Size() != int64(2*i+2) {
			t.Fatalf("size %d after %d writes", st.Size(), 2*i+2)
		}
		buf := make([]byte, 2)
		_, err = r.ReadAt(buf, int64(2*i))
		must(t, err)
		if string(buf) != string([]byte{byte('a' + i), '.'}) {
			t.Fatalf("read %q", buf)
		}
	}
	must(t, w.Truncate(4))
	if got, err := os.ReadFile(dir + "/f"); err != nil || string(got) != "a.b." {
		t.Errorf("read %q, %v", got, err)
	}
}

func testMmap(t *testing.T, dir, server string) {
	f, err := os.OpenFile(dir+"/f", os.O_RDWR|os.O_CREATE, 0o644)
	must(t, err)
	must(t, f.Truncate(10_000))
	m, err := unix.Mmap(int(f.Fd()), 0, 10_000, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	must(t, err)
	copy(m[5000:], "through a mapping")
	must(t, f.Close())
	copy(m[9000:], "after close")
	must(t, unix.Msync(m, unix.MS_SYNC))
	must(t, unix.Munmap(m))
	waitFor(t, "the mapped pages", func() bool {
		got := readFile(t, server+"/f")
		return len(got) == 10_000 && string(got[5000:5017]) == "through a mapping" && string(got[9000:9011]) == "after close"
	})
}

// Pages of a mapping stay where they are, also where the file is open for
// appending.
func testMmapAppend(t *testing.T, dir, server string) {
	must(t, os.WriteFile(dir+"/f", bytes.Repeat([]byte("."), 8192), 0o644))
	f, err := os.OpenFile(dir+"/f", os.O_RDWR|os.O_APPEND, 0)
	must(t, err)
	defer f.Close()
	m, err := unix.Mmap(int(f.Fd()), 0, 8192, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	must(t, err)
	copy(m[100:], "mapped")
	must(t, unix.Msync(m, unix.MS_SYNC))
	_, err = f.WriteString("appended")
	must(t, err)
	must(t, unix.Munmap(m))
	must(t, f.Sync())
	got := readFile(t, server+"/f")
	if len(got) != 8200 || string(got[100:106]) != "mapped" || string(got[8192:]) != "appended" {
		t.Errorf("%d bytes, %q, %q", len(got), got[100:106], got[min(len(got), 8192):])
	}
	tr, err := os.OpenFile(dir+"/f", os.O_RDONLY|os.O_TRUNC, 0)
	must(t, err)
	tr.Close()
	wantFile(t, dir+"/f", "")
	must(t, f.Sync())
	wantFile(t, server+"/f", "")
}

// waitFor polls, for what may take a moment to arrive.
func waitFor(t testing.TB, what string, ok func() bool) {
	t.Helper()
	testenv.Eventually(t, 10*time.Second, what, ok)
}

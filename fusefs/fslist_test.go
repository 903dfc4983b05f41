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
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
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
}

func TestFilesystem(t *testing.T) {
	for _, mode := range cacheModes {
		for _, server := range []string{"count", "pkg"} {
			for _, channels := range []int{1, 4} {
				if server == "pkg" && channels != 4 {
					continue
				}
				t.Run(fmt.Sprintf("%s/%s/%d channels", mode, server, channels), func(t *testing.T) {
					t.Parallel()
					dir := t.TempDir()
					for i := range fsTests {
						must(t, os.Mkdir(fmt.Sprintf("%s/t%02d", dir, i), 0o755))
					}
					m := mountDir(t, serveSpec{Dir: dir, Server: server, Channel: channels, Options: fixed(mode)})
					for i, c := range fsTests {
						t.Run(c.name, func(t *testing.T) {
							name := fmt.Sprintf("t%02d", i)
							c.run(t, m.path(name), filepath.Join(m.dir, name))
						})
					}
				})
			}
		}
	}
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
	data := randomBytes(24<<20 + 12345)
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
	if err != io.EOF || string(buf[:n]) != "before after" {
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

// waitFor polls, for what may take a moment to arrive.
func waitFor(t testing.TB, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("still not: %s", what)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func testLocks(t *testing.T, dir, server string) {
	open := func() *os.File {
		f, err := os.OpenFile(dir+"/lock", os.O_RDWR|os.O_CREATE, 0o644)
		must(t, err)
		t.Cleanup(func() { f.Close() })
		return f
	}
	a, b := open(), open()
	must(t, syscall.Flock(int(a.Fd()), syscall.LOCK_EX|syscall.LOCK_NB))
	wantErrno(t, syscall.Flock(int(b.Fd()), syscall.LOCK_EX|syscall.LOCK_NB), syscall.EWOULDBLOCK)
	must(t, syscall.Flock(int(a.Fd()), syscall.LOCK_UN))
	must(t, syscall.Flock(int(b.Fd()), syscall.LOCK_EX|syscall.LOCK_NB))
	lock := unix.Flock_t{Type: unix.F_WRLCK, Len: 10}
	must(t, unix.FcntlFlock(a.Fd(), unix.F_OFD_SETLK, &lock))
	other := unix.Flock_t{Type: unix.F_WRLCK, Start: 5, Len: 10}
	wantErrno(t, unix.FcntlFlock(b.Fd(), unix.F_OFD_SETLK, &other), syscall.EAGAIN)
	other = unix.Flock_t{Type: unix.F_WRLCK, Start: 10, Len: 10}
	must(t, unix.FcntlFlock(b.Fd(), unix.F_OFD_SETLK, &other))
}

func testAttributes(t *testing.T, dir, server string) {
	must(t, os.WriteFile(dir+"/f", []byte("x"), 0o600))
	must(t, os.Chmod(dir+"/f", 0o751))
	at := time.Unix(1_234_567_890, 0)
	must(t, os.Chtimes(dir+"/f", at, at.Add(time.Hour)))
	for _, name := range []string{dir + "/f", server + "/f"} {
		st, err := os.Stat(name)
		must(t, err)
		if st.Mode() != 0o751 || !st.ModTime().Equal(at.Add(time.Hour)) {
			t.Errorf("%s: %v %v", name, st.Mode(), st.ModTime())
		}
	}
	// futimens before close must not be overtaken by the write.
	f, err := os.Create(dir + "/g")
	must(t, err)
	_, err = f.WriteString("data")
	must(t, err)
	tv := unix.NsecToTimeval(at.UnixNano())
	must(t, unix.Futimes(int(f.Fd()), []unix.Timeval{tv, tv}))
	must(t, f.Close())
	for _, name := range []string{dir + "/g", server + "/g"} {
		st, err := os.Stat(name)
		must(t, err)
		if !st.ModTime().Equal(at) || st.Size() != 4 {
			t.Errorf("%s: %v, %d bytes", name, st.ModTime(), st.Size())
		}
	}
	must(t, os.Mkdir(dir+"/d", 0o755))
	must(t, os.Chtimes(dir+"/d", at, at))
	st, err := os.Stat(dir + "/d")
	must(t, err)
	if !st.ModTime().Equal(at) || !st.IsDir() {
		t.Errorf("directory: %v %v", st.ModTime(), st.Mode())
	}
}

func testByteNames(t *testing.T, dir, server string) {
	for c := 1; c < 256; c++ {
		if c == '/' {
			continue
		}
		name := "x" + string([]byte{byte(c)})
		must(t, os.WriteFile(filepath.Join(dir, name), []byte{byte(c)}, 0o644))
		wantFile(t, server+"/"+name, string([]byte{byte(c)}))
	}
	entries, err := os.ReadDir(dir)
	must(t, err)
	if len(entries) != 254 {
		t.Errorf("%d names", len(entries))
	}
	for _, e := range entries {
		must(t, os.Remove(dir+"/"+e.Name()))
	}
}

func testLongNames(t *testing.T, dir, server string) {
	name := strings.Repeat("n", 255)
	must(t, os.WriteFile(dir+"/"+name, []byte("long"), 0o644))
	wantFile(t, server+"/"+name, "long")
	wantErrno(t, os.WriteFile(dir+"/"+name+"n", nil, 0o644), syscall.ENAMETOOLONG)
}

func testNormalForms(t *testing.T, dir, server string) {
	nfc, nfd := "caf\u00e9", "cafe\u0301"
	must(t, os.WriteFile(server+"/"+nfd, []byte("decomposed"), 0o644))
	entries, err := os.ReadDir(dir)
	must(t, err)
	if len(entries) != 1 || entries[0].Name() != nfd {
		t.Errorf("listed %v", entries)
	}
	wantFile(t, dir+"/"+nfc, "decomposed")
	must(t, os.WriteFile(dir+"/"+nfc, []byte("rewritten"), 0o644))
	wantFile(t, server+"/"+nfd, "rewritten")
	must(t, os.Remove(dir+"/"+nfc))
	if entries, _ := os.ReadDir(server); len(entries) != 0 {
		t.Errorf("left on the server: %v", entries)
	}
}

func testSafeSave(t *testing.T, dir, server string) {
	must(t, os.WriteFile(dir+"/doc", []byte("version 0"), 0o644))
	for i := 1; i < 6; i++ {
		want := fmt.Sprintf("version %d", i)
		tmp := fmt.Sprintf("%s/.doc.tmp%d", dir, i)
		f, err := os.OpenFile(tmp, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
		must(t, err)
		_, err = f.WriteString(want)
		must(t, err)
		must(t, f.Sync())
		must(t, f.Chmod(0o644))
		must(t, f.Close())
		must(t, os.Rename(dir+"/doc", dir+"/doc~"))
		must(t, os.Rename(tmp, dir+"/doc"))
		must(t, os.Remove(dir+"/doc~"))
		wantFile(t, dir+"/doc", want)
		wantFile(t, server+"/doc", want)
	}
	entries, err := os.ReadDir(dir)
	must(t, err)
	if len(entries) != 1 {
		t.Errorf("left over: %v", entries)
	}
}

func testParallelWriters(t *testing.T, dir, server string) {
	var wg sync.WaitGroup
	for i := range 100 {
		wg.Go(func() {
			data := bytes.Repeat([]byte{byte(i)}, 10_000+i)
			if err := os.WriteFile(fmt.Sprintf("%s/f%d", dir, i), data, 0o644); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for i := range 100 {
		if got := readFile(t, fmt.Sprintf("%s/f%d", server, i)); !bytes.Equal(got, bytes.Repeat([]byte{byte(i)}, 10_000+i)) {
			t.Errorf("file %d has %d other bytes", i, len(got))
		}
	}
}

func testDeepTree(t *testing.T, dir, server string) {
	deep := strings.Repeat("/level", 30)
	must(t, os.MkdirAll(dir+deep, 0o755))
	must(t, os.WriteFile(dir+deep+"/leaf", []byte("deep"), 0o644))
	wantFile(t, server+deep+"/leaf", "deep")
	must(t, os.Rename(dir+"/level", dir+"/renamed"))
	wantFile(t, dir+"/renamed"+strings.TrimPrefix(deep, "/level")+"/leaf", "deep")
	must(t, os.RemoveAll(dir+"/renamed"))
}

func testXattrs(t *testing.T, dir, server string) {
	must(t, os.WriteFile(dir+"/f", nil, 0o644))
	must(t, unix.Setxattr(dir+"/f", "user.tag", []byte("red"), 0))
	must(t, os.Rename(dir+"/f", dir+"/g"))
	buf := make([]byte, 100)
	n, err := unix.Getxattr(dir+"/g", "user.tag", buf)
	must(t, err)
	if string(buf[:n]) != "red" {
		t.Errorf("got %q", buf[:n])
	}
	n, err = unix.Listxattr(dir+"/g", buf)
	must(t, err)
	if string(buf[:n]) != "user.tag\x00" {
		t.Errorf("listed %q", buf[:n])
	}
	must(t, os.Remove(dir+"/g"))
	must(t, os.WriteFile(dir+"/g", nil, 0o644))
	_, err = unix.Getxattr(dir+"/g", "user.tag", buf)
	wantErrno(t, err, syscall.ENODATA)
	entries, err := os.ReadDir(server)
	must(t, err)
	if len(entries) != 1 {
		t.Errorf("on the server: %v", entries)
	}
}

func testCopyRange(t *testing.T, dir, server string) {
	data := randomBytes(3<<20 + 17)
	must(t, os.WriteFile(dir+"/a", data, 0o644))
	a, err := os.Open(dir + "/a")
	must(t, err)
	defer a.Close()
	b, err := os.Create(dir + "/b")
	must(t, err)
	for left := len(data); left > 0; {
		n, err := unix.CopyFileRange(int(a.Fd()), nil, int(b.Fd()), nil, min(left, 1<<20), 0)
		must(t, err)
		if n == 0 {
			t.Fatal("copied nothing")
		}
		left -= n
	}
	must(t, b.Close())
	if !bytes.Equal(readFile(t, server+"/b"), data) {
		t.Error("the copy is another")
	}
	if !bytes.Equal(readFile(t, dir+"/b"), data) {
		t.Error("the copy reads as another")
	}
}

func testInodes(t *testing.T, dir, server string) {
	ino := func(name string) uint64 {
		t.Helper()
		st, err := os.Lstat(dir + "/" + name)
		must(t, err)
		return st.Sys().(*syscall.Stat_t).Ino
	}
	must(t, os.WriteFile(dir+"/f", nil, 0o644))
	must(t, os.Mkdir(dir+"/d", 0o755))
	must(t, os.WriteFile(dir+"/d/in", nil, 0o644))
	f, in := ino("f"), ino("d/in")
	must(t, os.Rename(dir+"/f", dir+"/g"))
	must(t, os.Rename(dir+"/d", dir+"/e"))
	if ino("g") != f || ino("e/in") != in {
		t.Error("a rename changed an inode number")
	}
	must(t, os.WriteFile(dir+"/f", nil, 0o644))
	if ino("f") == f {
		t.Error("a new file has the number of another")
	}
}

func testFifo(t *testing.T, dir, server string) {
	wantErrno(t, unix.Mkfifo(dir+"/fifo", 0o644), syscall.EOPNOTSUPP)
	must(t, unix.Mknod(dir+"/plain", unix.S_IFREG|0o644, 0))
	wantFile(t, server+"/plain", "")
}

package fusefs

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

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
	var bytes []byte
	for c := 1; c < 256; c++ {
		if c != '/' {
			bytes = append(bytes, byte(c))
		}
	}
	names := 0
	for part := range slices.Chunk(bytes, 5) {
		for _, name := range []string{string(part), "x" + string(part[:1])} {
			must(t, os.WriteFile(filepath.Join(dir, name), []byte(name), 0o644))
			wantFile(t, server+"/"+name, name)
			names++
		}
	}
	entries, err := os.ReadDir(dir)
	must(t, err)
	if len(entries) != names {
		t.Errorf("%d names of %d", len(entries), names)
	}
	for _, e := range entries {
		wantFile(t, server+"/"+e.Name(), e.Name())
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

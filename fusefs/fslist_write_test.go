package fusefs

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"sshfs-bridge/e2e/testenv"
)

// Records that several handles append at once are all there, whole, once.
func testParallelAppend(t *testing.T, dir, server string) {
	const handles, records, size = 6, 40, 500
	var wg sync.WaitGroup
	for h := range handles {
		f, err := os.OpenFile(dir+"/log", os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
		must(t, err)
		wg.Go(func() {
			defer f.Close()
			for i := range records {
				rec := bytes.Repeat([]byte{byte('a' + h)}, size)
				binary.BigEndian.PutUint32(rec, uint32(i))
				if _, err := f.Write(rec); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	log := readFile(t, server+"/log")
	if len(log) != handles*records*size {
		t.Fatalf("%d bytes, want %d", len(log), handles*records*size)
	}
	next := map[byte]uint32{}
	for len(log) > 0 {
		rec, h := log[:size], log[size-1]
		if i := binary.BigEndian.Uint32(rec); i != next[h] || !bytes.Equal(rec[4:], bytes.Repeat([]byte{h}, size-4)) {
			t.Fatalf("record %d of %c, want number %d: %q", i, h, next[h], rec[:20])
		}
		next[h]++
		log = log[size:]
	}
}

// A hundred writers, each with a handle of its own and its own part of one file.
func testParallelParts(t *testing.T, dir, server string) {
	const writers, part = 100, 7001
	want := make([]byte, writers*part)
	for i := range want {
		want[i] = byte(i / part)
	}
	must(t, os.WriteFile(dir+"/f", nil, 0o644))
	var wg sync.WaitGroup
	for i := range writers {
		wg.Go(func() {
			f, err := os.OpenFile(dir+"/f", os.O_WRONLY, 0)
			if err != nil {
				t.Error(err)
				return
			}
			defer f.Close()
			for at := i * part; at < (i+1)*part; at += 1000 {
				if _, err := f.WriteAt(want[at:min(at+1000, (i+1)*part)], int64(at)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	for _, name := range []string{dir + "/f", server + "/f"} {
		if got := readFile(t, name); !bytes.Equal(got, want) {
			t.Errorf("%s: %d other bytes, want %d", name, len(got), len(want))
		}
	}
}

// While a file is replaced again and again, who opens it finds one version or the
// other, whole, and never nothing; ESTALE only by the rarest of chances.
func testAtomicReplace(t *testing.T, dir, server string) {
	version := func(i int) []byte { return bytes.Repeat([]byte{byte('a' + i%26)}, 1000+100*(i%26)) }
	must(t, os.WriteFile(dir+"/f", version(0), 0o644))
	stop := make(chan struct{})
	var stale atomic.Int64
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				f, err := os.Open(dir + "/f")
				if errors.Is(err, syscall.ESTALE) {
					// The kernel looks again once, and the file was replaced twice
					// meanwhile.
					stale.Add(1)
					continue
				}
				if err != nil {
					t.Errorf("open: %v", err)
					return
				}
				b, err := io.ReadAll(f)
				f.Close()
				if err != nil || len(b) == 0 || !bytes.Equal(b, version(int(b[0]-'a'))) {
					t.Errorf("read %d bytes, %.5q to %.5q, %v", len(b), b, b[max(0, len(b)-5):], err)
					return
				}
			}
		})
	}
	for i := 1; i < 30; i++ {
		must(t, os.WriteFile(dir+"/f.tmp", version(i), 0o644))
		must(t, os.Rename(dir+"/f.tmp", dir+"/f"))
	}
	close(stop)
	wg.Wait()
	if n := stale.Load(); n > 3 {
		t.Errorf("%d opens were told that the file is stale, of 29 replacements", n)
	}
	if got := readFile(t, server+"/f"); !bytes.Equal(got, version(29)) {
		t.Errorf("left on the server: %d bytes of %.5q", len(got), got)
	}
}

// As vim does it: a probe of the directory, the old file moved to a backup with its
// mode, the new one written and synced, the backup removed; and, where a file is to
// stay what it is (backupcopy=yes), a copy and the file rewritten in place.
func testEditor(t *testing.T, dir, server string) {
	doc, backup := dir+"/doc.txt", dir+"/doc.txt~"
	must(t, os.WriteFile(doc, []byte("version 0\n"), 0o640))
	write := func(name, content string, flag int, mode os.FileMode) {
		t.Helper()
		f, err := os.OpenFile(name, flag, mode)
		must(t, err)
		_, err = f.WriteString(content)
		must(t, err)
		must(t, f.Sync())
		must(t, f.Close())
	}
	for i := 1; i < 5; i++ {
		st, err := os.Stat(doc)
		must(t, err)
		owner := st.Sys().(*syscall.Stat_t)
		want := fmt.Sprintf("version %d, and as long as that\n", i)
		if i%2 == 0 {
			probe, err := os.OpenFile(dir+"/4913", os.O_CREATE|os.O_EXCL|os.O_WRONLY|unix.O_NOFOLLOW, st.Mode())
			must(t, err)
			must(t, probe.Chown(int(owner.Uid), int(owner.Gid)))
			must(t, probe.Close())
			pst, err := os.Lstat(dir + "/4913")
			must(t, err)
			if pst.Mode() != st.Mode() {
				t.Errorf("a new file of mode %v has %v", st.Mode(), pst.Mode())
			}
			must(t, os.Remove(dir+"/4913"))
			must(t, os.Rename(doc, backup))
			write(doc, want, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o666)
			must(t, os.Chmod(doc, st.Mode()))
		} else {
			write(backup, string(readFile(t, doc)), os.O_CREATE|os.O_EXCL|os.O_WRONLY, st.Mode())
			must(t, os.Chtimes(backup, st.ModTime(), st.ModTime()))
			write(doc, want, os.O_TRUNC|os.O_WRONLY, 0)
			now, err := os.Stat(doc)
			must(t, err)
			if now.Sys().(*syscall.Stat_t).Ino != owner.Ino {
				t.Error("written in place, and another inode number")
			}
		}
		must(t, os.Remove(backup))
		wantFile(t, doc, want)
		wantFile(t, server+"/doc.txt", want)
		if st, err := os.Stat(server + "/doc.txt"); err != nil || st.Mode() != 0o640 {
			t.Errorf("on the server: %v, %v", st.Mode(), err)
		}
	}
	if entries, err := os.ReadDir(server); err != nil || len(entries) != 1 {
		t.Errorf("left over: %v, %v", entries, err)
	}
}

// SFTP cannot reserve room. That is said, and the C library then makes room itself,
// by writing: what is promised is true.
func testFallocate(t *testing.T, dir, server string) {
	f, err := os.Create(dir + "/f")
	must(t, err)
	defer f.Close()
	_, err = f.WriteString("content")
	must(t, err)
	for _, mode := range []uint32{0, unix.FALLOC_FL_KEEP_SIZE, unix.FALLOC_FL_PUNCH_HOLE | unix.FALLOC_FL_KEEP_SIZE, unix.FALLOC_FL_ZERO_RANGE} {
		wantErrno(t, unix.Fallocate(int(f.Fd()), mode, 0, 1<<20), syscall.EOPNOTSUPP)
	}
	must(t, f.Sync())
	wantFile(t, server+"/f", "content")
	testenv.Require(t, "fallocate")
	const size = 300_000
	if out, err := exec.Command("fallocate", "--posix", "--length", fmt.Sprint(size), dir+"/f").CombinedOutput(); err != nil {
		t.Fatalf("posix_fallocate: %v, %s", err, out)
	}
	if got := readFile(t, server+"/f"); len(got) != size || string(got[:7]) != "content" || !bytes.Equal(got[7:], make([]byte, size-7)) {
		t.Errorf("%d bytes on the server, %.10q", len(got), got)
	}
	var st unix.Stat_t
	must(t, unix.Stat(server+"/f", &st))
	if st.Blocks*512 < size {
		t.Errorf("the server has %d bytes of room for %d", st.Blocks*512, size)
	}
}

// Where holes are, SFTP does not tell: all of a file counts as data, and its end is
// the one hole, also while it is being written.
func testSeekData(t *testing.T, dir, server string) {
	f, err := os.Create(dir + "/f")
	must(t, err)
	defer f.Close()
	for _, size := range []int64{1 << 20, 6 << 30} {
		_, err := f.WriteAt([]byte("end"), size-3)
		must(t, err)
		for _, c := range []struct {
			off  int64
			how  int
			want int64
		}{{0, unix.SEEK_DATA, 0}, {500_000, unix.SEEK_DATA, 500_000}, {0, unix.SEEK_HOLE, size}, {size - 1, unix.SEEK_HOLE, size}} {
			got, err := unix.Seek(int(f.Fd()), c.off, c.how)
			if err != nil || got != c.want {
				t.Errorf("seek %d from %d of %d: %d, %v; want %d", c.how, c.off, size, got, err, c.want)
			}
		}
		for _, how := range []int{unix.SEEK_DATA, unix.SEEK_HOLE} {
			if _, err := unix.Seek(int(f.Fd()), size, how); !errors.Is(err, syscall.ENXIO) {
				t.Errorf("seek %d from the end: %v", how, err)
			}
		}
	}
	must(t, f.Truncate(0))
}

// Whoever asks sees the size that a file has by what is written to it right now:
// by name, by a handle that only reads, in a listing.
func testSizeWhileWritten(t *testing.T, dir, server string) {
	w, err := os.Create(dir + "/f")
	must(t, err)
	defer w.Close()
	r, err := os.Open(dir + "/f")
	must(t, err)
	defer r.Close()
	block := make([]byte, 100_000)
	check := func(want int64) {
		t.Helper()
		byHandle, err := r.Stat()
		must(t, err)
		byName, err := os.Lstat(dir + "/f")
		must(t, err)
		entries, err := os.ReadDir(dir)
		must(t, err)
		listed, err := entries[0].Info()
		must(t, err)
		if byHandle.Size() != want || byName.Size() != want || listed.Size() != want {
			t.Fatalf("by handle %d, by name %d, listed %d; want %d", byHandle.Size(), byName.Size(), listed.Size(), want)
		}
		if n, err := r.ReadAt(make([]byte, 10), want-5); n != min(5, int(want)) || err != io.EOF {
			t.Fatalf("at the end: %d bytes, %v", n, err)
		}
	}
	for i := range int64(10) {
		_, err := w.WriteAt(block, i*100_000)
		must(t, err)
		check((i + 1) * 100_000)
	}
	must(t, w.Truncate(123))
	check(123)
	must(t, os.Truncate(dir+"/f", 100_000))
	check(100_000)
	other, err := os.OpenFile(dir+"/f", os.O_WRONLY|os.O_TRUNC, 0)
	must(t, err)
	defer other.Close()
	_, err = w.WriteAt([]byte("12345"), 0)
	must(t, err)
	check(5)
}

package localmeta

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"sshfs-bridge/e2e/testenv"
)

func memory(t *testing.T, limit int64) *Store {
	t.Helper()
	s, err := Open(Options{MaxBytes: limit})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func TestBounds(t *testing.T) {
	s := memory(t, 100<<10)
	big := bytes.Repeat([]byte{1}, 40<<10)
	for i, want := range []error{nil, nil, syscall.ENOSPC} {
		if err := s.SetXattr(fmt.Sprint(i), "user.a", big, 0); !errors.Is(err, want) {
			t.Fatalf("attribute %d: %v, want %v", i, err, want)
		}
	}
	// In place of an old value there is room.
	if err := s.SetXattr("1", "user.a", big, XattrReplace); err != nil {
		t.Error(err)
	}
	info, err := s.Create("f", 0o100644, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.WriteAt(info.ID, big, 0, 0); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("a file beyond the bound: %v", err)
	}
	if err := s.WriteAt(info.ID, []byte("far"), 200<<10, 0); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("a sparse file beyond the bound: %v", err)
	}
	if err := s.Remove("0", nil); err != nil {
		t.Fatal(err)
	}
	if err := s.WriteAt(info.ID, big, 0, 0); err != nil {
		t.Errorf("after a removal: %v", err)
	}
	// Overwriting takes no room.
	for range 5 {
		if err := s.WriteAt(info.ID, big, 0, 0); err != nil {
			t.Fatal(err)
		}
	}
	if used, limit := s.Usage(); used > limit {
		t.Errorf("%d of %d", used, limit)
	}
}

// A file that is removed while somebody has it open is there until that ends, and
// not longer, also when the end was a kill.
func TestRemovedWhileOpen(t *testing.T) {
	dir := t.TempDir()
	s := openAt(t, dir, Options{CommitEvery: time.Hour})
	info, err := s.Create("d/f", 0o100644, 0)
	if err != nil {
		t.Fatal(err)
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(s.WriteAt(info.ID, []byte("content"), 0, 0))
	must(s.Remove("d", []uint64{info.ID}))
	if _, ok := s.Lookup("d/f"); ok {
		t.Error("it still has a name")
	}
	must(s.WriteAt(info.ID, []byte("C"), 0, 0))
	buf := make([]byte, 10)
	if n, err := s.ReadAt(info.ID, buf, 0); err != nil || string(buf[:n]) != "Content" {
		t.Errorf("read %q, %v", buf[:n], err)
	}
	killed := openAt(t, copyStore(t, dir), Options{})
	if used, _ := killed.Usage(); used != 0 {
		t.Errorf("%d bytes of it outlive a kill", used)
	}
	must(s.Release(info.ID))
	must(s.Release(info.ID))
	if used, _ := s.Usage(); used != 0 {
		t.Errorf("%d bytes of it outlive its last user", used)
	}
	if _, err := s.ReadAt(info.ID, buf, 0); !errors.Is(err, syscall.ESTALE) {
		t.Errorf("read after the end: %v", err)
	}
}

func TestXattrFlags(t *testing.T) {
	s := memory(t, 0)
	if err := s.SetXattr("f", "user.a", nil, XattrReplace); !errors.Is(err, syscall.ENODATA) {
		t.Errorf("replace of none: %v", err)
	}
	if err := s.SetXattr("f", "user.a", nil, XattrCreate); err != nil {
		t.Error(err)
	}
	if v, ok := s.Xattr("f", "user.a"); !ok || len(v) != 0 {
		t.Errorf("an empty value: %q, %v", v, ok)
	}
	if err := s.SetXattr("f", "user.a", nil, XattrCreate); !errors.Is(err, syscall.EEXIST) {
		t.Errorf("create of one: %v", err)
	}
	if err := s.RemoveXattr("f", "user.b"); !errors.Is(err, syscall.ENODATA) {
		t.Errorf("removal of none: %v", err)
	}
	for _, bad := range []string{"/f", "f/", "a//b", "a\x00b"} {
		if err := s.SetXattr(bad, "user.a", nil, 0); err == nil {
			t.Errorf("path %q is taken", bad)
		}
	}
}

// What was set is kept, whatever the caller does with its buffer afterwards.
func TestXattrIsACopy(t *testing.T) {
	s := memory(t, 0)
	value := []byte("red")
	if err := s.SetXattr("f", "user.label", value, 0); err != nil {
		t.Fatal(err)
	}
	copy(value, "???")
	if v, ok := s.Xattr("f", "user.label"); !ok || string(v) != "red" {
		t.Errorf("the value is now %q, %v", v, ok)
	}
}

// Closing a thousand small files costs a handful of commits and not a thousand.
func TestCommitsAreGrouped(t *testing.T) {
	dir := t.TempDir()
	s := openAt(t, dir, Options{CommitEvery: time.Hour})
	before := s.gen
	for i := range 1000 {
		info, err := s.Create(fmt.Sprintf("d%d/.DS_Store", i), 0o100644, 0)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.WriteAt(info.ID, make([]byte, 6148), 0, 0); err != nil {
			t.Fatal(err)
		}
	}
	if n := s.gen - before; n > 3 {
		t.Errorf("%d commits for 6 MiB in 1000 files", n)
	}
	if err := s.Sync(); err != nil {
		t.Fatal(err)
	}
	if fi, err := os.Stat(filepath.Join(dir, journalFile)); err != nil || fi.Size() > 100 {
		t.Errorf("the journal after a commit: %v, %v", fi.Size(), err)
	}
}

// A change waits for its commit no longer than it should.
func TestCommitComesByItself(t *testing.T) {
	dir := t.TempDir()
	s := openAt(t, dir, Options{CommitEvery: 5 * time.Millisecond})
	if err := s.SetXattr("f", "user.a", []byte("1"), 0); err != nil {
		t.Fatal(err)
	}
	testenv.Eventually(t, 20*time.Second, "a commit", func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.dirty == 0
	})
	// Without its journal the file has it all the same.
	left := copyStore(t, dir)
	if err := os.Remove(filepath.Join(left, journalFile)); err != nil {
		t.Fatal(err)
	}
	if v, _ := openAt(t, left, Options{}).Xattr("f", "user.a"); string(v) != "1" {
		t.Errorf("the file has %q", v)
	}
}

// A journal that cannot be written refuses changes, keeps what was there, and is
// used again when it can be.
func TestJournalCannotBeWritten(t *testing.T) {
	dir := t.TempDir()
	s := openAt(t, dir, Options{CommitEvery: time.Hour})
	if err := s.SetXattr("f", "user.a", []byte("1"), 0); err != nil {
		t.Fatal(err)
	}
	full, err := os.OpenFile("/dev/full", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer full.Close()
	good := s.journal.f
	s.journal.f = full
	if err := s.SetXattr("f", "user.a", []byte("2"), 0); !errors.Is(err, syscall.ENOSPC) && !errors.Is(err, syscall.EINVAL) {
		t.Errorf("a change that could not be recorded: %v", err)
	}
	if err := s.Sync(); err == nil {
		t.Error("a journal that was not begun anew is not told")
	}
	if err := s.SetXattr("f", "user.a", []byte("3"), 0); err == nil {
		t.Error("a change without a journal is taken")
	}
	if v, _ := s.Xattr("f", "user.a"); string(v) != "1" {
		t.Errorf("kept is %q", v)
	}
	s.journal.f = good
	if err := s.SetXattr("f", "user.a", []byte("4"), 0); err != nil {
		t.Error(err)
	}
	if v, _ := openAt(t, copyStore(t, dir), Options{}).Xattr("f", "user.a"); string(v) != "4" {
		t.Errorf("after a kill: %q", v)
	}
}

func FuzzJournal(f *testing.F) {
	var b []byte
	b = append(append(b, journalMagic...), 1, 0, 0, 0, 0, 0, 0, 0)
	for _, r := range []*record{
		{kind: opCreate, path: "a/.DS_Store", mode: 0o100644, time: 5}, {kind: opWrite, id: 1, off: 20000, data: []byte("data")},
		{kind: opSetXattr, path: "a", name: "user.x", data: []byte("v")}, {kind: opRename, path: "a", to: "b", ids: []uint64{1}},
		{kind: opSetAttr, id: 1, mask: setSize | setMode, off: 3, mode: 0o100600}, {kind: opUnsetXattr, path: "b", name: "user.x"},
		{kind: opRemove, path: "b", ids: []uint64{1, 2}}, {kind: opRelease, id: 1},
	} {
		b = appendRecord(b, r, 1)
	}
	f.Add(b)
	f.Add(b[:len(b)-3])
	f.Add([]byte(journalMagic))
	f.Fuzz(func(t *testing.T, b []byte) {
		s := memory(t, 0)
		if len(b) >= journalHead {
			copy(b[len(journalMagic):journalHead], []byte{1, 0, 0, 0, 0, 0, 0, 0})
		}
		n, err := replay(b, 1, s.t.apply)
		if err != nil || n > len(b) {
			t.Fatalf("%d of %d, %v", n, len(b), err)
		}
		checkBytes(t, s)
	})
}

// FuzzRecord makes records that no writer made: what is inside a frame whose
// checksum is right.
func FuzzRecord(f *testing.F) {
	for _, r := range []*record{{kind: opWrite, id: 1, off: 1 << 40, data: []byte("x")}, {kind: opRename, path: "a", to: "a/b"}, {kind: opSetAttr, id: 1, mask: 7, off: 1 << 43}} {
		f.Add(appendRecord(nil, r, 1)[frameSize:])
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := parseRecord(b)
		if err != nil {
			return
		}
		again, err := parseRecord(appendRecord(nil, &r, 1)[frameSize:])
		if err != nil || fmt.Sprint(again) != fmt.Sprint(r) {
			t.Fatalf("%+v became %+v, %v", r, again, err)
		}
		s := memory(t, 0)
		for _, p := range []string{"a", "a/b", "c"} {
			if _, err := s.Create(p, 0o100644, 0); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.t.apply(&r); err != nil {
			t.Fatal(err)
		}
		checkBytes(t, s)
	})
}

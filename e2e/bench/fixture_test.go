package bench

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// fixture is what lies on the server before anything is measured, below one
// directory of this machine:
//
//	large/file   many/f000...   tree/d0/d0/f00...
//
// and an archive of small files beside it, which is unpacked onto a mount.
type fixture struct {
	dir     string // the server's directory
	archive string
	data    []byte // the content of large/file; small files are parts of it
	set     settings
	seq     int // names of what measurements make
}

// fixtureTime is old enough that no cache doubts it, and what the archive's
// files shall have.
var fixtureTime = time.Now().Add(-time.Hour).Truncate(time.Second)

// archiveMode is unlike what a umask makes.
const archiveMode = 0o640

func makeFixture(tb testing.TB, dir string, set settings) *fixture {
	tb.Helper()
	f := &fixture{dir: dir, set: set, archive: filepath.Join(tb.TempDir(), "small.tar"), data: make([]byte, set.large())}
	rand.NewChaCha8([32]byte{1}).Read(f.data)
	f.file(tb, "large/file", f.data)
	for i := range set.many() {
		f.file(tb, fmt.Sprintf("many/f%03d", i), f.small(i))
	}
	for i := range set.fan() {
		for j := range set.fan() {
			for k := range set.leaves() {
				f.file(tb, fmt.Sprintf("tree/d%d/d%d/f%02d", i, j, k), []byte("content"))
			}
		}
	}
	if set.keep {
		for i := range keptDirs {
			must(tb, os.Mkdir(filepath.Join(dir, newName(i+1)), 0o777))
		}
	}
	f.pack(tb)
	return f
}

func (f *fixture) file(tb testing.TB, rel string, content []byte) {
	tb.Helper()
	path := filepath.Join(f.dir, rel)
	must(tb, os.MkdirAll(filepath.Dir(path), 0o755))
	must(tb, os.WriteFile(path, content, 0o644))
	must(tb, os.Chtimes(path, fixtureTime, fixtureTime))
}

// small is the content of the i-th small file; all differ.
func (f *fixture) small(i int) []byte {
	offset := i * 997 % (len(f.data) - smallSize)
	return f.data[offset : offset+smallSize]
}

// packed is the name in the archive of the i-th file: ten to a directory.
func packed(i int) string { return fmt.Sprintf("pack/d%d/f%02d", i/10, i) }

func (f *fixture) pack(tb testing.TB) {
	tb.Helper()
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	header := func(name string, mode, size int64, typ byte) {
		must(tb, w.WriteHeader(&tar.Header{Name: name, Mode: mode, Size: size, ModTime: fixtureTime, Typeflag: typ}))
	}
	header("pack/", 0o750, 0, tar.TypeDir)
	for i := range f.set.fresh() {
		if i%10 == 0 {
			header(filepath.Dir(packed(i))+"/", 0o750, 0, tar.TypeDir)
		}
		header(packed(i), archiveMode, smallSize, tar.TypeReg)
		_, err := w.Write(f.small(i))
		must(tb, err)
	}
	must(tb, w.Close())
	must(tb, os.WriteFile(f.archive, buf.Bytes(), 0o644))
}

// keptDirs are enough for all works on all systems, once.
const keptDirs = 32

// newDir returns the name of an empty directory on the server, for one measurement
// to fill. Those for mounts that are kept were there before the mounts, which
// may not look for new ones for a while.
func (f *fixture) newDir() (string, error) {
	f.seq++
	name := newName(f.seq)
	err := os.Mkdir(filepath.Join(f.dir, name), 0o777)
	if f.set.keep && errors.Is(err, os.ErrExist) {
		err = nil
	}
	return name, err
}

func newName(i int) string { return fmt.Sprintf("new%03d", i) }

// landed says whether the server has a file with so many bytes.
func (f *fixture) landed(rel string, size int64) bool {
	info, err := os.Stat(filepath.Join(f.dir, rel))
	return err == nil && info.Size() == size
}

// same compares a file on the server with what it should hold.
func (f *fixture) same(rel string, want []byte) error {
	got, err := os.ReadFile(filepath.Join(f.dir, rel))
	if err == nil && !bytes.Equal(got, want) {
		err = fmt.Errorf("%s on the server has %d bytes, and other ones than those %d that were written", rel, len(got), len(want))
	}
	return err
}

// sameMode checks that an unpacked file has the archive's mode and time.
func (f *fixture) sameMode(rel string) error {
	info, err := os.Stat(filepath.Join(f.dir, rel))
	if err == nil && (info.Mode().Perm() != archiveMode || !info.ModTime().Equal(fixtureTime)) {
		err = fmt.Errorf("%s on the server: mode %v, time %v", rel, info.Mode(), info.ModTime())
	}
	return err
}

var errServerLacks = errors.New("the server does not get the bytes")

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

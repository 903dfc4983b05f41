package localmeta

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// The files in a store's directory.
const (
	dbFile      = "metadata.db"
	journalFile = "metadata.journal"
	damagedFile = "metadata.damaged"
)

// Files are a store's files, open for reading and writing. Whoever uses a store
// needs no right to its directory, nor to be the owner of any of it: a worker is
// given the files, and can reach nothing else.
type Files struct {
	// DB and Journal are the store; Damaged takes a copy of a DB that cannot be
	// read.
	DB, Journal, Damaged *os.File
}

// OpenFiles opens a store's files in dir, which exists, and makes those that are
// not there.
func OpenFiles(dir string) (*Files, error) {
	f := &Files{}
	for name, to := range map[string]**os.File{dbFile: &f.DB, journalFile: &f.Journal, damagedFile: &f.Damaged} {
		var err error
		if *to, err = os.OpenFile(filepath.Join(dir, name), os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o600); err != nil {
			f.Close()
			return nil, fmt.Errorf("local metadata: %w", err)
		}
	}
	return f, nil
}

// List gives the files in the order in which FilesOf takes them.
func (f *Files) List() []*os.File { return []*os.File{f.DB, f.Journal, f.Damaged} }

// FilesOf takes over descriptors that another process passed, the first of them
// and the next two, as List had them.
func FilesOf(first uintptr) *Files {
	return &Files{
		DB: os.NewFile(first, dbFile), Journal: os.NewFile(first+1, journalFile), Damaged: os.NewFile(first+2, damagedFile),
	}
}

// Close closes the files.
func (f *Files) Close() {
	for _, file := range f.List() {
		if file != nil {
			file.Close()
		}
	}
}

// setAside copies the store to where damaged ones go, in place of an earlier one,
// and empties it.
func (f *Files) setAside() error {
	if err := f.Damaged.Truncate(0); err != nil {
		return fmt.Errorf("set aside: %w", err)
	}
	if _, err := io.Copy(io.NewOffsetWriter(f.Damaged, 0), io.NewSectionReader(f.DB, 0, 1<<40)); err != nil {
		return fmt.Errorf("set aside: %w", err)
	}
	for _, file := range []*os.File{f.DB, f.Journal} {
		if err := file.Truncate(0); err != nil {
			return fmt.Errorf("set aside: %w", err)
		}
	}
	return nil
}

// again gives a file another descriptor, which can be closed by itself.
func again(f *os.File) (*os.File, error) {
	fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.Name(), err)
	}
	return os.NewFile(uintptr(fd), f.Name()), nil
}

// memoryFile is a file that ends with the process.
func memoryFile() (*os.File, error) {
	fd, err := unix.MemfdCreate(strings.TrimSuffix(dbFile, ".db"), unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("memory for metadata: %w", err)
	}
	return os.NewFile(uintptr(fd), dbFile), nil
}

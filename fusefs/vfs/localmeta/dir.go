package localmeta

import (
	"fmt"
	"io/fs"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// The files in a store's directory.
const (
	dbFile      = "metadata.db"
	journalFile = "metadata.journal"
	// damaged is what a file is called, besides, that was set aside.
	damaged = ".damaged"
)

// dir is a directory that is known by a descriptor only: whoever has it may
// have no right to any directory above.
type dir struct{ f *os.File }

func (d dir) open(name string, flag int, mode fs.FileMode) (*os.File, error) {
	fd, err := unix.Openat(int(d.f.Fd()), name, flag|unix.O_CLOEXEC|unix.O_NOFOLLOW, uint32(mode.Perm()))
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	return os.NewFile(uintptr(fd), name), nil
}

// setAside gives both files other names, in place of what was set aside before.
func (d dir) setAside() error {
	for _, name := range []string{dbFile, journalFile} {
		err := unix.Renameat(int(d.f.Fd()), name, int(d.f.Fd()), name+damaged)
		if err != nil && err != unix.ENOENT {
			return fmt.Errorf("set %s aside: %w", name, err)
		}
	}
	return nil
}

// memoryFile is a file that ends with the process.
func memoryFile() (*os.File, error) {
	fd, err := unix.MemfdCreate(strings.TrimSuffix(dbFile, ".db"), unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("memory for metadata: %w", err)
	}
	return os.NewFile(uintptr(fd), dbFile), nil
}

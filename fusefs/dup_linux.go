package fusefs

import (
	"os"

	"golang.org/x/sys/unix"
)

// dup gives another descriptor for f, which no exec inherits.
func dup(f *os.File) (int, error) {
	conn, err := f.SyscallConn()
	if err != nil {
		return -1, err
	}
	fd, derr := -1, error(nil)
	if err := conn.Control(func(p uintptr) {
		fd, derr = unix.FcntlInt(p, unix.F_DUPFD_CLOEXEC, 3)
	}); err != nil {
		return -1, err
	}
	return fd, derr
}

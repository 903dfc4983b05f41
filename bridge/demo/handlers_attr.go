package demo

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"sort"
	"time"

	"github.com/pkg/sftp"
	"golang.org/x/sys/unix"
)

// setstat changes what the attributes name, in the order of OpenSSH: size,
// mode, times, owner.
func (h *handlers) setstat(r *sftp.Request, name string) error {
	flags, attrs := r.AttrFlags(), r.Attributes()
	if attrs == nil {
		return sftp.ErrSSHFxBadMessage
	}
	if f := h.handleOf(r); f != nil {
		return setHandle(f, flags, attrs)
	}
	if flags.Size {
		f, err := h.root.OpenFile(name, os.O_WRONLY|unix.O_NONBLOCK, 0)
		if err != nil {
			return err
		}
		if err := errors.Join(f.Truncate(int64(attrs.Size)), f.Close()); err != nil {
			return err
		}
	}
	if flags.Permissions {
		if err := h.root.Chmod(name, attrs.FileMode()); err != nil {
			return err
		}
	}
	if flags.Acmodtime {
		if err := h.root.Chtimes(name, attrs.AccessTime(), attrs.ModTime()); err != nil {
			return err
		}
	}
	if flags.UidGid {
		return h.root.Chown(name, int(attrs.UID), int(attrs.GID))
	}
	return nil
}

// setHandle is setstat on an open file.
func setHandle(f *os.File, flags sftp.FileAttrFlags, attrs *sftp.FileStat) error {
	if flags.Size {
		if err := f.Truncate(int64(attrs.Size)); err != nil {
			return err
		}
	}
	if flags.Permissions {
		if err := f.Chmod(attrs.FileMode()); err != nil {
			return err
		}
	}
	if flags.Acmodtime {
		if err := futimes(f, attrs.AccessTime(), attrs.ModTime()); err != nil {
			return err
		}
	}
	if flags.UidGid {
		return f.Chown(int(attrs.UID), int(attrs.GID))
	}
	return nil
}

// futimes sets the times of an open file.
func futimes(f *os.File, atime, mtime time.Time) error {
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	tv := []unix.Timeval{unix.NsecToTimeval(atime.UnixNano()), unix.NsecToTimeval(mtime.UnixNano())}
	ctlErr := raw.Control(func(fd uintptr) { err = unix.Futimes(int(fd), tv) })
	return errors.Join(ctlErr, err)
}

// Filelist answers STAT, FSTAT and the listing of a directory.
func (h *handlers) Filelist(r *sftp.Request) (sftp.ListerAt, error) {
	name := local(r.Filepath)
	switch r.Method {
	case "List":
		return h.list(name)
	case "Stat":
		if f := h.handleOf(r); f != nil {
			return one(f.Stat())
		}
		return one(h.root.Stat(name))
	default:
		return nil, sftp.ErrSSHFxOpUnsupported
	}
}

// Lstat answers LSTAT.
func (h *handlers) Lstat(r *sftp.Request) (sftp.ListerAt, error) {
	return one(h.root.Lstat(local(r.Filepath)))
}

// Readlink answers READLINK with the target as it is stored.
func (h *handlers) Readlink(p string) (string, error) {
	target, err := h.root.Readlink(local(p))
	return target, plain(err)
}

// list reads a directory. An entry that vanishes meanwhile is left out.
func (h *handlers) list(name string) (sftp.ListerAt, error) {
	dir, err := h.root.OpenFile(name, os.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return nil, plain(err)
	}
	entries, err := dir.ReadDir(-1)
	if err := errors.Join(err, dir.Close()); err != nil {
		return nil, plain(err)
	}
	sort.Slice(entries, func(i, j int) bool { return entries[i].Name() < entries[j].Name() })
	list := make(lister, 0, len(entries))
	for _, entry := range entries {
		info, err := h.root.Lstat(local(name + "/" + entry.Name()))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		list = append(list, info)
	}
	return list, nil
}

// lister is a finished list of entries.
type lister []os.FileInfo

func one(info os.FileInfo, err error) (sftp.ListerAt, error) {
	if err != nil {
		return nil, plain(err)
	}
	return lister{info}, nil
}

// ListAt copies the entries from offset on.
func (l lister) ListAt(out []os.FileInfo, offset int64) (int, error) {
	if offset >= int64(len(l)) {
		return 0, io.EOF
	}
	n := copy(out, l[offset:])
	if n < len(out) {
		return n, io.EOF
	}
	return n, nil
}

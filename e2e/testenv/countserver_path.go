package testenv

import (
	"errors"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

func (c *countSession) doPath(packet byte, id uint32, f *fields) []byte {
	first := f.str()
	local := c.local(first)
	var second string
	var a setAttrs
	switch packet {
	case fxpRename, fxpSymlink:
		second = f.str()
	case fxpSetstat, fxpMkdir:
		a = f.attrs()
	}
	if f.bad {
		return errReply(id, errBadMessage)
	}
	switch packet {
	case fxpLstat, fxpStat:
		var st syscall.Stat_t
		stat := syscall.Stat
		if packet == fxpLstat {
			stat = syscall.Lstat
		}
		if err := stat(local, &st); err != nil {
			return errReply(id, err)
		}
		return newReply(fxpAttrs, id).attrs(&st).done()
	case fxpSetstat:
		return errReply(id, setPath(local, a, false))
	case fxpRemove:
		return errReply(id, syscall.Unlink(local))
	case fxpMkdir:
		mode := uint32(0o777)
		if a.flags&4 != 0 {
			mode = a.mode & 0o777
		}
		return errReply(id, syscall.Mkdir(local, mode))
	case fxpRmdir:
		return errReply(id, syscall.Rmdir(local))
	case fxpRename:
		return errReply(id, renameV3(local, c.local(second)))
	case fxpSymlink:
		return errReply(id, syscall.Symlink(first, c.local(second)))
	case fxpReadlink:
		target, err := os.Readlink(local)
		return nameReply(id, target, err)
	default: // fxpRealpath
		path, err := realpath(local)
		return nameReply(id, path, err)
	}
}

func nameReply(id uint32, name string, err error) []byte {
	if err != nil {
		return errReply(id, err)
	}
	return newReply(fxpName, id).u32(1).str(name).str(name).u32(0).done()
}

// realpath resolves what exists and keeps a last element that does not.
func realpath(path string) (string, error) {
	resolved, err := filepath.EvalSymlinks(path)
	if errors.Is(err, os.ErrNotExist) {
		dir, derr := filepath.EvalSymlinks(filepath.Dir(path))
		if derr != nil {
			return "", err
		}
		return filepath.Join(dir, filepath.Base(path)), nil
	}
	return resolved, err
}

// renameV3 does not replace what is there.
func renameV3(from, to string) error {
	return unix.Renameat2(unix.AT_FDCWD, from, unix.AT_FDCWD, to, unix.RENAME_NOREPLACE)
}

// setPath changes what a names of a file; link: of a symbolic link itself.
func setPath(path string, a setAttrs, link bool) error {
	flag := 0
	if link {
		flag = unix.AT_SYMLINK_NOFOLLOW
	}
	var errs []error
	if a.flags&1 != 0 {
		if link {
			return errBadMessage
		}
		errs = append(errs, syscall.Truncate(path, a.size))
	}
	if a.flags&4 != 0 {
		errs = append(errs, unix.Fchmodat(unix.AT_FDCWD, path, a.mode&0o7777, flag))
	}
	if a.flags&8 != 0 {
		errs = append(errs, unix.UtimesNanoAt(unix.AT_FDCWD, path, []unix.Timespec{
			unix.NsecToTimespec(a.atime.UnixNano()), unix.NsecToTimespec(a.mtime.UnixNano()),
		}, flag))
	}
	if a.flags&2 != 0 {
		errs = append(errs, unix.Fchownat(unix.AT_FDCWD, path, a.uid, a.gid, flag))
	}
	return errors.Join(errs...)
}

// extended serves what OpenSSH has beyond version 3.
func (c *countSession) extended(ext string, id uint32, f *fields) []byte {
	if !c.offers(ext) {
		return statusReply(id, statusUnsupported, "no such extension")
	}
	switch ext {
	case "posix-rename@openssh.com":
		from, to := f.str(), f.str()
		return errReply(id, syscall.Rename(c.local(from), c.local(to)))
	case "hardlink@openssh.com":
		from, to := f.str(), f.str()
		return errReply(id, syscall.Link(c.local(from), c.local(to)))
	case "lsetstat@openssh.com":
		path := f.str()
		return errReply(id, setPath(c.local(path), f.attrs(), true))
	case "statvfs@openssh.com":
		var st unix.Statfs_t
		err := unix.Statfs(c.local(f.str()), &st)
		return statvfsReply(id, &st, err)
	case "limits@openssh.com":
		o := c.s.o
		return newReply(fxpExtendedReply, id).u64(uint64(o.MaxPacket)).u64(uint64(o.MaxRead)).u64(uint64(o.MaxWrite)).
			u64(uint64(o.MaxHandles)).done()
	case "expand-path@openssh.com":
		path, err := realpath(c.local(c.expand(f.str())))
		return nameReply(id, path, err)
	case "users-groups-by-id@openssh.com":
		return usersGroups(id, f)
	case "copy-data":
		return c.copyData(id, f)
	}
	h := c.handles[f.str()]
	if h == nil {
		return statusReply(id, statusFailure, "no such handle")
	}
	switch ext {
	case "fsync@openssh.com":
		return errReply(id, h.file.Sync())
	}
	return statusReply(id, statusUnsupported, "no such extension")
}

func statvfsReply(id uint32, st *unix.Statfs_t, err error) []byte {
	if err != nil {
		return errReply(id, err)
	}
	return newReply(fxpExtendedReply, id).u64(uint64(st.Bsize)).u64(uint64(st.Frsize)).u64(st.Blocks).u64(st.Bfree).
		u64(st.Bavail).u64(st.Files).u64(st.Ffree).u64(st.Ffree).u64(0).u64(0).u64(uint64(st.Namelen)).done()
}

// expand knows "~" as the starting directory.
func (c *countSession) expand(path string) string {
	if path == "~" || strings.HasPrefix(path, "~/") {
		return c.s.o.Dir + path[1:]
	}
	return path
}

func usersGroups(id uint32, f *fields) []byte {
	lists := [2]*reply{{}, {}}
	for i, list := range lists {
		ids := fields{b: f.bytes()}
		for len(ids.b) >= 4 {
			n := strconv.Itoa(int(ids.u32()))
			name := ""
			if i == 0 {
				if u, err := user.LookupId(n); err == nil {
					name = u.Username
				}
			} else if g, err := user.LookupGroupId(n); err == nil {
				name = g.Name
			}
			list.str(name)
		}
	}
	return newReply(fxpExtendedReply, id).bytes(lists[0].b).bytes(lists[1].b).done()
}

func (c *countSession) copyData(id uint32, f *fields) []byte {
	from, fromOff, n := c.handles[f.str()], int64(f.u64()), int64(f.u64())
	to, toOff := c.handles[f.str()], int64(f.u64())
	if f.bad || from == nil || to == nil {
		return statusReply(id, statusFailure, "no such handle")
	}
	buf := make([]byte, 256*1024)
	for all := n == 0; all || n > 0; {
		piece := buf
		if !all {
			piece = buf[:min(n, int64(len(buf)))]
		}
		k, err := from.file.ReadAt(piece, fromOff)
		if _, werr := to.file.WriteAt(piece[:k], toOff); werr != nil {
			return errReply(id, werr)
		}
		fromOff, toOff, n = fromOff+int64(k), toOff+int64(k), n-int64(k)
		if err != nil {
			break // the end: less than asked is no error, as with OpenSSH
		}
	}
	return errReply(id, nil)
}

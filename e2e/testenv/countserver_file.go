package testenv

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

func (c *countSession) doHandle(packet byte, id uint32, f *fields) []byte {
	switch packet {
	case fxpOpen:
		return c.open(id, f.str(), f.u32(), f.attrs(), f)
	case fxpOpendir:
		return c.opendir(id, f.str())
	}
	name := f.str()
	h := c.handles[name]
	if h == nil || f.bad {
		return statusReply(id, statusFailure, "no such handle")
	}
	switch packet {
	case fxpClose:
		delete(c.handles, name)
		return errReply(id, h.file.Close())
	case fxpRead:
		return c.read(id, h, int64(f.u64()), int(f.u32()))
	case fxpWrite:
		return c.write(id, h, int64(f.u64()), f.bytes(), f)
	case fxpFstat:
		var st syscall.Stat_t
		if err := syscall.Fstat(int(h.file.Fd()), &st); err != nil {
			return errReply(id, err)
		}
		return newReply(fxpAttrs, id).attrs(&st).done()
	case fxpFsetstat:
		return errReply(id, setFile(h.file, f.attrs()))
	default: // fxpReaddir
		return c.readdir(id, h)
	}
}

func (c *countSession) add(id uint32, h *countHandle) []byte {
	if len(c.handles) >= c.s.o.MaxHandles {
		h.file.Close()
		return statusReply(id, statusFailure, "too many handles")
	}
	c.next++
	name := "handle " + strconv.Itoa(c.next)
	c.handles[name] = h
	return newReply(fxpHandle, id).str(name).done()
}

func (c *countSession) open(id uint32, path string, flags uint32, a setAttrs, f *fields) []byte {
	if f.bad {
		return errReply(id, errBadMessage)
	}
	mode := 0
	switch flags & 3 {
	case 2:
		mode = os.O_WRONLY
	case 3:
		mode = os.O_RDWR
	}
	for bit, o := range map[uint32]int{8: os.O_CREATE, 16: os.O_TRUNC, 32: os.O_EXCL} {
		if flags&bit != 0 {
			mode |= o
		}
	}
	perm := os.FileMode(0o666)
	if a.flags&4 != 0 {
		perm = os.FileMode(a.mode & 0o777)
	}
	file, err := os.OpenFile(c.local(path), mode|syscall.O_NOCTTY, perm)
	if err != nil {
		return errReply(id, err)
	}
	return c.add(id, &countHandle{path: path, file: file, append: flags&4 != 0})
}

func (c *countSession) read(id uint32, h *countHandle, off int64, n int) []byte {
	c.asked = n
	n = min(n, c.s.o.MaxRead)
	buf := make([]byte, 13+n)
	k, err := h.file.ReadAt(buf[13:], off)
	switch {
	case k == 0 && n > 0 && errors.Is(err, io.EOF):
		return statusReply(id, statusEOF, "End of file")
	case err != nil && !errors.Is(err, io.EOF):
		return errReply(id, err)
	}
	c.s.addBytes(k, 0)
	r := newReply(fxpData, id).u32(uint32(k))
	copy(buf, r.b)
	return (&reply{b: buf[:13+k]}).done()
}

func (c *countSession) write(id uint32, h *countHandle, off int64, data []byte, f *fields) []byte {
	if f.bad {
		return errReply(id, errBadMessage)
	}
	c.s.addBytes(0, len(data))
	if h.append {
		end, err := h.file.Seek(0, io.SeekEnd)
		if err != nil {
			return errReply(id, err)
		}
		off = end
	}
	_, err := h.file.WriteAt(data, off)
	return errReply(id, err)
}

// setFile changes what a names of an open file.
func setFile(file *os.File, a setAttrs) error {
	fd := int(file.Fd())
	var errs []error
	if a.flags&1 != 0 {
		errs = append(errs, syscall.Ftruncate(fd, a.size))
	}
	if a.flags&4 != 0 {
		errs = append(errs, syscall.Fchmod(fd, a.mode&0o7777))
	}
	if a.flags&8 != 0 {
		errs = append(errs, unix.Futimes(fd, []unix.Timeval{
			unix.NsecToTimeval(a.atime.UnixNano()), unix.NsecToTimeval(a.mtime.UnixNano()),
		}))
	}
	if a.flags&2 != 0 {
		errs = append(errs, syscall.Fchown(fd, a.uid, a.gid))
	}
	return errors.Join(errs...)
}

func (c *countSession) opendir(id uint32, path string) []byte {
	local := c.local(path)
	file, err := os.OpenFile(local, os.O_RDONLY|syscall.O_DIRECTORY, 0)
	if err != nil {
		return errReply(id, err)
	}
	names, err := file.Readdirnames(-1)
	if err != nil {
		file.Close()
		return errReply(id, err)
	}
	return c.add(id, &countHandle{path: path, file: file, dir: true, names: append([]string{".", ".."}, names...)})
}

func (c *countSession) readdir(id uint32, h *countHandle) []byte {
	if !h.dir {
		return statusReply(id, statusFailure, "not a directory")
	}
	if len(h.names) == 0 {
		return statusReply(id, statusEOF, "End of file")
	}
	n := min(c.s.o.NamesPerReply, len(h.names))
	r := newReply(fxpName, id).u32(0)
	count := uint32(0)
	for _, name := range h.names[:n] {
		var st syscall.Stat_t
		if err := syscall.Lstat(filepath.Join(h.file.Name(), name), &st); err != nil {
			continue // gone meanwhile
		}
		r.str(name).str("-rw-r--r--    1 user     group    " + strconv.FormatInt(st.Size, 10) + " " + name).attrs(&st)
		count++
	}
	h.names = h.names[n:]
	copy(r.b[9:13], (&reply{}).u32(count).b)
	return r.done()
}

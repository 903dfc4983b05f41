package testenv

import (
	"encoding/binary"
	"errors"
	"io/fs"
	"syscall"
	"time"
)

// The wire codec here is the test kit's own, so that it does not share the
// client's mistakes.

const (
	fxpInit, fxpVersion                                            = 1, 2
	fxpOpen, fxpClose, fxpRead, fxpWrite, fxpLstat, fxpFstat       = 3, 4, 5, 6, 7, 8
	fxpSetstat, fxpFsetstat, fxpOpendir, fxpReaddir, fxpRemove     = 9, 10, 11, 12, 13
	fxpMkdir, fxpRmdir, fxpRealpath, fxpStat, fxpRename            = 14, 15, 16, 17, 18
	fxpReadlink, fxpSymlink                                        = 19, 20
	fxpStatus, fxpHandle, fxpData, fxpName, fxpAttrs               = 101, 102, 103, 104, 105
	fxpExtended, fxpExtendedReply                                  = 200, 201
	statusOK, statusEOF, statusNoFile, statusDenied, statusFailure = 0, 1, 2, 3, 4
	statusBadMessage, statusUnsupported                            = 5, 8
)

var countOps = map[byte]string{
	fxpOpen: "open", fxpClose: "close", fxpRead: "read", fxpWrite: "write", fxpLstat: "lstat", fxpFstat: "fstat",
	fxpSetstat: "setstat", fxpFsetstat: "fsetstat", fxpOpendir: "opendir", fxpReaddir: "readdir", fxpRemove: "remove",
	fxpMkdir: "mkdir", fxpRmdir: "rmdir", fxpRealpath: "realpath", fxpStat: "stat", fxpRename: "rename",
	fxpReadlink: "readlink", fxpSymlink: "symlink",
}

// reply is a reply while it is put together.
type reply struct{ b []byte }

func newReply(packet byte, id uint32) *reply {
	return (&reply{b: []byte{0, 0, 0, 0, packet}}).u32(id)
}

func (r *reply) u32(v uint32) *reply {
	r.b = binary.BigEndian.AppendUint32(r.b, v)
	return r
}

func (r *reply) u64(v uint64) *reply {
	r.b = binary.BigEndian.AppendUint64(r.b, v)
	return r
}

func (r *reply) str(s string) *reply {
	r.u32(uint32(len(s)))
	r.b = append(r.b, s...)
	return r
}

func (r *reply) bytes(p []byte) *reply {
	r.u32(uint32(len(p)))
	r.b = append(r.b, p...)
	return r
}

func (r *reply) attrs(st *syscall.Stat_t) *reply {
	return r.u32(0xf).u64(uint64(st.Size)).u32(st.Uid).u32(st.Gid).u32(st.Mode).u32(uint32(st.Atim.Sec)).u32(uint32(st.Mtim.Sec))
}

func (r *reply) done() []byte {
	binary.BigEndian.PutUint32(r.b, uint32(len(r.b)-4))
	return r.b
}

func statusReply(id, code uint32, msg string) []byte {
	return newReply(fxpStatus, id).u32(code).str(msg).str("").done()
}

// errReply is the status that OpenSSH gives for an error.
func errReply(id uint32, err error) []byte {
	code := uint32(statusFailure)
	var errno syscall.Errno
	switch {
	case err == nil:
		code = statusOK
	case errors.As(err, &errno):
		switch errno {
		case syscall.ENOENT, syscall.ENOTDIR, syscall.EBADF, syscall.ELOOP:
			code = statusNoFile
		case syscall.EPERM, syscall.EACCES, syscall.EFAULT:
			code = statusDenied
		case syscall.ENAMETOOLONG, syscall.EINVAL:
			code = statusBadMessage
		case syscall.ENOSYS:
			code = statusUnsupported
		}
	case errors.Is(err, fs.ErrNotExist):
		code = statusNoFile
	case errors.Is(err, errBadMessage):
		code = statusBadMessage
	}
	msg := "Success"
	if err != nil {
		msg = err.Error()
	}
	return statusReply(id, code, msg)
}

var errBadMessage = errors.New("bad message")

// fields takes a request's fields; bad is set when it is too short.
type fields struct {
	b   []byte
	bad bool
}

func (f *fields) take(n int) []byte {
	if f.bad || n < 0 || len(f.b) < n {
		f.bad = true
		return make([]byte, min(max(n, 0), 8))
	}
	p := f.b[:n]
	f.b = f.b[n:]
	return p
}

func (f *fields) u32() uint32   { return binary.BigEndian.Uint32(f.take(4)) }
func (f *fields) u64() uint64   { return binary.BigEndian.Uint64(f.take(8)) }
func (f *fields) bytes() []byte { return f.take(int(f.u32())) }
func (f *fields) str() string   { return string(f.bytes()) }

// setAttrs are the attributes of a request.
type setAttrs struct {
	flags        uint32
	size         int64
	uid, gid     int
	mode         uint32
	atime, mtime time.Time
}

func (f *fields) attrs() setAttrs {
	a := setAttrs{flags: f.u32()}
	if a.flags&1 != 0 {
		a.size = int64(f.u64())
	}
	if a.flags&2 != 0 {
		a.uid, a.gid = int(f.u32()), int(f.u32())
	}
	if a.flags&4 != 0 {
		a.mode = f.u32()
	}
	if a.flags&8 != 0 {
		a.atime, a.mtime = time.Unix(int64(f.u32()), 0), time.Unix(int64(f.u32()), 0)
	}
	return a
}

package demo

import (
	"errors"
	"io"
	"os"
	"path"
	"strings"
	"sync"
	"syscall"

	"github.com/pkg/sftp"
	"golang.org/x/sys/unix"
)

// handlers answers the SFTP requests of one session. Every path goes through
// the os.Root, so that symlinks work inside it and lead nowhere else.
type handlers struct {
	root *os.Root

	// mu guards open.
	mu sync.Mutex
	// open are the open files by the path they were opened with. FSTAT and
	// FSETSTAT reach us with that path only, and must mean the file even
	// after it was renamed or removed.
	open map[string][]*os.File
}

func newHandlers(root *os.Root) *handlers {
	return &handlers{root: root, open: make(map[string][]*os.File)}
}

// local is the path within the root: "." for the root itself.
func local(p string) string {
	p = strings.TrimPrefix(path.Clean("/"+p), "/")
	if p == "" {
		return "."
	}
	return p
}

// openFile is one open handle; closing it forgets its path.
type openFile struct {
	*os.File
	close func() error
}

func (f *openFile) Close() error { return f.close() }

// Fileread opens for reading.
func (h *handlers) Fileread(r *sftp.Request) (io.ReaderAt, error) { return h.openPath(r) }

// Filewrite opens for writing.
func (h *handlers) Filewrite(r *sftp.Request) (io.WriterAt, error) { return h.openPath(r) }

// OpenFile opens for reading and writing.
func (h *handlers) OpenFile(r *sftp.Request) (sftp.WriterAtReaderAt, error) { return h.openPath(r) }

func (h *handlers) openPath(r *sftp.Request) (*openFile, error) {
	flags := 0
	p := r.Pflags()
	switch {
	case p.Read && p.Write:
		flags = os.O_RDWR
	case p.Write || p.Append:
		flags = os.O_WRONLY
	default:
		flags = os.O_RDONLY
	}
	// APPEND is left out: it does not go with writes at an offset, and
	// every client sends the offset.
	if p.Creat {
		flags |= os.O_CREATE
	}
	if p.Trunc {
		flags |= os.O_TRUNC
	}
	if p.Excl {
		flags |= os.O_EXCL
	}
	// A FIFO among the files must not hold a worker.
	f, err := h.root.OpenFile(local(r.Filepath), flags|unix.O_NONBLOCK, openMode(r))
	if err != nil {
		return nil, plain(err)
	}
	h.mu.Lock()
	h.open[r.Filepath] = append(h.open[r.Filepath], f)
	h.mu.Unlock()
	return &openFile{File: f, close: func() error {
		h.forget(r.Filepath, f)
		return f.Close()
	}}, nil
}

// openMode is the mode that OPEN carries. pkg/sftp keeps the attributes'
// bytes but not their flags; four bytes can only be a mode.
func openMode(r *sftp.Request) os.FileMode {
	if len(r.Attrs) != 4 {
		return 0o644
	}
	return os.FileMode(uint32(r.Attrs[2])<<8|uint32(r.Attrs[3])) & 0o777
}

func (h *handlers) forget(p string, f *os.File) {
	h.mu.Lock()
	defer h.mu.Unlock()
	files := h.open[p]
	for i := range files {
		if files[i] == f {
			files = append(files[:i:i], files[i+1:]...)
			break
		}
	}
	if len(files) == 0 {
		delete(h.open, p)
		return
	}
	h.open[p] = files
}

// handleOf is the open file that an FSTAT or FSETSTAT means, nil for a
// request by path. pkg/sftp gives a context to requests by path only.
func (h *handlers) handleOf(r *sftp.Request) *os.File {
	if r.Context().Done() != nil {
		return nil
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	files := h.open[r.Filepath]
	if len(files) == 0 {
		return nil
	}
	return files[len(files)-1]
}

// plain is the errno within an error: pkg/sftp finds the status for that, but
// not for one that is wrapped twice, or in an os.LinkError.
func plain(err error) error {
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return errno
	}
	return err
}

// Filecmd carries out the requests that change something.
func (h *handlers) Filecmd(r *sftp.Request) error { return plain(h.command(r)) }

func (h *handlers) command(r *sftp.Request) error {
	name := local(r.Filepath)
	switch r.Method {
	case "Setstat":
		return h.setstat(r, name)
	case "Rename":
		// SFTP v3: the target must not exist.
		if _, err := h.root.Lstat(local(r.Target)); err == nil {
			return sftp.ErrSSHFxFailure
		}
		return h.root.Rename(name, local(r.Target))
	case "Rmdir":
		info, err := h.root.Lstat(name)
		if err != nil {
			return err
		}
		if !info.IsDir() {
			return unix.ENOTDIR
		}
		return h.root.Remove(name)
	case "Remove":
		info, err := h.root.Lstat(name)
		if err != nil {
			return err
		}
		if info.IsDir() {
			return unix.EISDIR
		}
		return h.root.Remove(name)
	case "Mkdir":
		return h.root.Mkdir(name, 0o755)
	case "Link":
		return h.root.Link(name, local(r.Target))
	case "Symlink":
		// The target is kept as it was given: it means something only when
		// it is followed, and then the root decides.
		return h.root.Symlink(r.Filepath, local(r.Target))
	default:
		return sftp.ErrSSHFxOpUnsupported
	}
}

// PosixRename replaces the target at once.
func (h *handlers) PosixRename(r *sftp.Request) error {
	return plain(h.root.Rename(local(r.Filepath), local(r.Target)))
}

// StatVFS tells the free space of the directory's filesystem.
func (h *handlers) StatVFS(r *sftp.Request) (*sftp.StatVFS, error) {
	f, err := h.root.OpenFile(local(r.Filepath), os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, plain(err)
	}
	defer f.Close()
	var st unix.Statfs_t
	if err := unix.Fstatfs(int(f.Fd()), &st); err != nil {
		return nil, err
	}
	frsize := uint64(max(st.Frsize, 0))
	if frsize == 0 {
		frsize = uint64(max(st.Bsize, 0))
	}
	return &sftp.StatVFS{
		Bsize: uint64(max(st.Bsize, 0)), Frsize: frsize,
		Blocks: st.Blocks, Bfree: st.Bfree, Bavail: st.Bavail,
		Files: st.Files, Ffree: st.Ffree, Favail: st.Ffree,
		Flag: 0, Namemax: uint64(max(st.Namelen, 0)),
	}, nil
}

package fusefs

import (
	"syscall"

	"github.com/hanwen/go-fuse/v2/fuse"

	"sshfs-bridge/fusefs/vfs"
)

// Lookup finds a name.
func (s *Server) Lookup(cancel <-chan struct{}, h *fuse.InHeader, name string, out *fuse.EntryOut) fuse.Status {
	ctx, stop := s.look(cancel)
	defer stop()
	n, err := s.fs.Lookup(ctx, h.NodeId, name)
	if err == syscall.ENOENT && n.EntryTTL > 0 {
		// A node number of 0 lets the kernel remember that there is none.
		out.SetEntryTimeout(n.EntryTTL)
		return fuse.OK
	}
	return s.entry("lookup", h.NodeId, n, err, out)
}

// Forget takes back lookups.
func (s *Server) Forget(nodeid, nlookup uint64) { s.fs.Forget(nodeid, nlookup) }

// Mknod makes an empty regular file.
func (s *Server) Mknod(cancel <-chan struct{}, in *fuse.MknodIn, name string, out *fuse.EntryOut) fuse.Status {
	ctx, stop := s.change(cancel)
	defer stop()
	n, err := s.fs.Mknod(ctx, in.NodeId, name, in.Mode)
	return s.entry("mknod", in.NodeId, n, err, out)
}

// Mkdir makes a directory.
func (s *Server) Mkdir(cancel <-chan struct{}, in *fuse.MkdirIn, name string, out *fuse.EntryOut) fuse.Status {
	ctx, stop := s.change(cancel)
	defer stop()
	n, err := s.fs.Mkdir(ctx, in.NodeId, name, in.Mode)
	return s.entry("mkdir", in.NodeId, n, err, out)
}

// Unlink removes a name that is not a directory's.
func (s *Server) Unlink(cancel <-chan struct{}, h *fuse.InHeader, name string) fuse.Status {
	ctx, stop := s.change(cancel)
	defer stop()
	return s.status("unlink", h.NodeId, s.fs.Unlink(ctx, h.NodeId, name))
}

// Rmdir removes an empty directory.
func (s *Server) Rmdir(cancel <-chan struct{}, h *fuse.InHeader, name string) fuse.Status {
	ctx, stop := s.change(cancel)
	defer stop()
	return s.status("rmdir", h.NodeId, s.fs.Rmdir(ctx, h.NodeId, name))
}

// Rename moves a name.
func (s *Server) Rename(cancel <-chan struct{}, in *fuse.RenameIn, oldName, newName string) fuse.Status {
	ctx, stop := s.change(cancel)
	defer stop()
	return s.status("rename", in.NodeId, s.fs.Rename(ctx, in.NodeId, oldName, in.Newdir, newName, in.Flags))
}

// Link makes a hard link.
func (s *Server) Link(cancel <-chan struct{}, in *fuse.LinkIn, name string, out *fuse.EntryOut) fuse.Status {
	ctx, stop := s.change(cancel)
	defer stop()
	n, err := s.fs.Link(ctx, in.Oldnodeid, in.NodeId, name)
	return s.entry("link", in.NodeId, n, err, out)
}

// Symlink makes a symbolic link.
func (s *Server) Symlink(cancel <-chan struct{}, h *fuse.InHeader, target, name string, out *fuse.EntryOut) fuse.Status {
	ctx, stop := s.change(cancel)
	defer stop()
	n, err := s.fs.Symlink(ctx, h.NodeId, name, target)
	return s.entry("symlink", h.NodeId, n, err, out)
}

// Readlink gives a link's target.
func (s *Server) Readlink(cancel <-chan struct{}, h *fuse.InHeader) ([]byte, fuse.Status) {
	ctx, stop := s.look(cancel)
	defer stop()
	target, err := s.fs.Readlink(ctx, h.NodeId)
	return []byte(target), s.status("readlink", h.NodeId, err)
}

// entry fills in the answer that shows a node.
func (s *Server) entry(op string, parent uint64, n vfs.Node, err error, out *fuse.EntryOut) fuse.Status {
	if err != nil {
		return s.status(op, parent, err)
	}
	fillEntry(out, n)
	return fuse.OK
}

func fillEntry(out *fuse.EntryOut, n vfs.Node) {
	out.NodeId = n.Ino
	out.SetEntryTimeout(n.EntryTTL)
	out.SetAttrTimeout(n.AttrTTL)
	fillAttr(&out.Attr, n.Attr)
}

// blockSize is what programs take for the best size of a read or write.
const blockSize = 128 << 10

func fillAttr(out *fuse.Attr, a vfs.Attr) {
	out.Ino = a.Ino
	out.Mode = a.Mode
	out.Size = a.Size
	out.Blocks = (a.Size + 511) / 512
	out.Blksize = blockSize
	out.Nlink = a.Nlink
	out.Uid, out.Gid = a.UID, a.GID
	out.Atime, out.Mtime, out.Ctime = uint64(a.Atime), uint64(a.Mtime), uint64(a.Mtime)
}

package fusefs

import (
	"syscall"

	"github.com/hanwen/go-fuse/v2/fuse"

	"sshfs-bridge/fusefs/vfs"
)

// GetAttr tells what a node looks like.
func (s *Server) GetAttr(cancel <-chan struct{}, in *fuse.GetAttrIn, out *fuse.AttrOut) fuse.Status {
	ctx, stop := s.look(cancel)
	defer stop()
	a, ttl, err := s.fs.GetAttr(ctx, in.NodeId)
	if err != nil {
		return s.status("getattr", in.NodeId, err)
	}
	out.SetTimeout(ttl)
	fillAttr(&out.Attr, a)
	return fuse.OK
}

// SetAttr changes attributes.
func (s *Server) SetAttr(cancel <-chan struct{}, in *fuse.SetAttrIn, out *fuse.AttrOut) fuse.Status {
	ctx, stop := s.change(cancel)
	defer stop()
	var set vfs.SetAttr
	if v, ok := in.GetMode(); ok {
		set.Mode = &v
	}
	if v, ok := in.GetUID(); ok {
		set.UID = &v
	}
	if v, ok := in.GetGID(); ok {
		set.GID = &v
	}
	if v, ok := in.GetSize(); ok {
		set.Size = &v
	}
	if v, ok := in.GetATime(); ok {
		set.Atime = &v
	}
	if v, ok := in.GetMTime(); ok {
		set.Mtime = &v
	}
	if fh, ok := in.GetFh(); ok {
		set.FH = fh
	}
	a, ttl, err := s.fs.SetAttrs(ctx, in.NodeId, set)
	if err != nil {
		return s.status("setattr", in.NodeId, err)
	}
	out.SetTimeout(ttl)
	fillAttr(&out.Attr, a)
	return fuse.OK
}

// Access says whether a file may be used. On a share the kernel is told that
// nobody has to ask.
func (s *Server) Access(cancel <-chan struct{}, in *fuse.AccessIn) fuse.Status {
	if s.share {
		return fuse.ENOSYS // the kernel never asks again
	}
	ctx, stop := s.look(cancel)
	defer stop()
	return s.status("access", in.NodeId, s.fs.Access(ctx, in.NodeId, in.Mask))
}

// StatFs tells the free space.
func (s *Server) StatFs(cancel <-chan struct{}, in *fuse.InHeader, out *fuse.StatfsOut) fuse.Status {
	ctx, stop := s.look(cancel)
	defer stop()
	st, err := s.fs.StatFS(ctx)
	if err != nil {
		return s.status("statfs", in.NodeId, err)
	}
	out.Bsize = uint32(st.BlockSize)
	out.Frsize = uint32(st.FragmentSize)
	out.Blocks, out.Bfree, out.Bavail = st.Blocks, st.BlocksFree, st.BlocksAvailable
	out.Files, out.Ffree = st.Files, st.FilesFree
	out.NameLen = uint32(st.NameMax)
	return fuse.OK
}

// GetXAttr gives an extended attribute.
func (s *Server) GetXAttr(_ <-chan struct{}, h *fuse.InHeader, name string, dest []byte) (uint32, fuse.Status) {
	v, err := s.fs.GetXattr(h.NodeId, name)
	if err != nil {
		return 0, s.status("getxattr", h.NodeId, err)
	}
	return give(dest, v)
}

// ListXAttr gives the names of the extended attributes.
func (s *Server) ListXAttr(_ <-chan struct{}, h *fuse.InHeader, dest []byte) (uint32, fuse.Status) {
	names, err := s.fs.ListXattr(h.NodeId)
	if err != nil {
		return 0, s.status("listxattr", h.NodeId, err)
	}
	var all []byte
	for _, name := range names {
		all = append(append(all, name...), 0)
	}
	return give(dest, all)
}

func give(dest, v []byte) (uint32, fuse.Status) {
	if len(v) > len(dest) {
		return uint32(len(v)), fuse.ERANGE
	}
	return uint32(copy(dest, v)), fuse.OK
}

// SetXAttr sets an extended attribute.
func (s *Server) SetXAttr(_ <-chan struct{}, in *fuse.SetXAttrIn, name string, data []byte) fuse.Status {
	return s.status("setxattr", in.NodeId, s.fs.SetXattr(in.NodeId, name, data, in.Flags))
}

// RemoveXAttr removes an extended attribute.
func (s *Server) RemoveXAttr(_ <-chan struct{}, h *fuse.InHeader, name string) fuse.Status {
	return s.status("removexattr", h.NodeId, s.fs.RemoveXattr(h.NodeId, name))
}

// Fallocate is refused: the protocol can reserve no room, and zeros written to
// do so would not be what was asked for.
func (s *Server) Fallocate(_ <-chan struct{}, _ *fuse.FallocateIn) fuse.Status {
	return fuse.Status(syscall.EOPNOTSUPP)
}

package fusefs

import (
	"syscall"

	"github.com/hanwen/go-fuse/v2/fuse"

	"sshfs-bridge/fusefs/vfs"
)

// Create makes and opens a regular file.
func (s *Server) Create(cancel <-chan struct{}, in *fuse.CreateIn, name string, out *fuse.CreateOut) fuse.Status {
	ctx, stop := s.change(cancel)
	defer stop()
	n, o, err := s.fs.Create(ctx, in.NodeId, name, in.Flags, in.Mode)
	if err != nil {
		return s.status("create", in.NodeId, err)
	}
	fillEntry(&out.EntryOut, n)
	out.Fh = o.FH
	if s.share {
		out.OpenFlags |= fuse.FOPEN_DIRECT_IO
	}
	return fuse.OK
}

// Open opens a file.
func (s *Server) Open(cancel <-chan struct{}, in *fuse.OpenIn, out *fuse.OpenOut) fuse.Status {
	begin := s.look
	if in.Flags&syscall.O_TRUNC != 0 {
		begin = s.change
	}
	ctx, stop := begin(cancel)
	defer stop()
	o, err := s.fs.Open(ctx, in.NodeId, in.Flags)
	if err != nil {
		return s.status("open", in.NodeId, err)
	}
	out.Fh = o.FH
	switch {
	case s.share:
		// The kernel's pages would be a second copy of what the cache here and the
		// client's own have, and it fills them by 128 KiB (its bound for reading ahead)
		// where smbd asks for a MiB and more.
		out.OpenFlags |= fuse.FOPEN_DIRECT_IO
	case o.KeepCache:
		out.OpenFlags |= fuse.FOPEN_KEEP_CACHE
	}
	if o.Changed && s.fuse != nil {
		// The size that the kernel knows bounds its reads. This takes no lock
		// that could be waiting for us.
		kernel{s.fuse}.InvalAttr(in.NodeId)
	}
	return fuse.OK
}

// Read reads.
func (s *Server) Read(cancel <-chan struct{}, in *fuse.ReadIn, buf []byte) (fuse.ReadResult, fuse.Status) {
	if int(in.Size) < len(buf) {
		buf = buf[:in.Size]
	}
	ctx, stop := s.look(cancel)
	defer stop()
	n, vec, err := s.fs.Read(ctx, in.Fh, buf, int64(in.Offset))
	switch {
	case err != nil:
		return nil, s.status("read", in.NodeId, err)
	case len(vec) == 1:
		return fuse.ReadResultData(vec[0]), fuse.OK
	case len(vec) > 1:
		return fuse.ReadResultVector(vec), fuse.OK
	}
	return fuse.ReadResultData(buf[:n]), fuse.OK
}

// Write writes.
func (s *Server) Write(cancel <-chan struct{}, in *fuse.WriteIn, data []byte) (uint32, fuse.Status) {
	ctx, stop := s.change(cancel)
	defer stop()
	var how vfs.WriteHow
	if in.WriteFlags&fuse.WRITE_KILL_SUIDGID != 0 {
		how |= vfs.WriteKill
	}
	if in.Flags&syscall.O_APPEND != 0 && in.WriteFlags&fuse.WRITE_CACHE == 0 {
		how |= vfs.WriteAppend
	}
	if err := s.fs.Write(ctx, in.Fh, data, int64(in.Offset), how); err != nil {
		return 0, s.status("write", in.NodeId, err)
	}
	return uint32(len(data)), fuse.OK
}

// Flush is what close(2) waits for.
func (s *Server) Flush(cancel <-chan struct{}, in *fuse.FlushIn) fuse.Status {
	ctx, stop := s.change(cancel)
	defer stop()
	return s.status("flush", in.NodeId, s.fs.Flush(ctx, in.Fh))
}

// Fsync waits until the data are on the server's disk.
func (s *Server) Fsync(cancel <-chan struct{}, in *fuse.FsyncIn) fuse.Status {
	ctx, stop := s.change(cancel)
	defer stop()
	return s.status("fsync", in.NodeId, s.fs.Fsync(ctx, in.Fh))
}

// Release closes a file.
func (s *Server) Release(_ <-chan struct{}, in *fuse.ReleaseIn) { s.fs.Release(in.Fh) }

// CopyFileRange copies within the server.
func (s *Server) CopyFileRange(cancel <-chan struct{}, in *fuse.CopyFileRangeIn) (uint32, fuse.Status) {
	ctx, stop := s.change(cancel)
	defer stop()
	size := int64(min(in.Len, 1<<30))
	n, err := s.fs.CopyRange(ctx, in.FhIn, int64(in.OffIn), in.FhOut, int64(in.OffOut), size)
	return uint32(n), s.status("copy_file_range", in.NodeId, err)
}

// OpenDir opens a directory.
func (s *Server) OpenDir(cancel <-chan struct{}, in *fuse.OpenIn, out *fuse.OpenOut) fuse.Status {
	ctx, stop := s.look(cancel)
	defer stop()
	fh, err := s.fs.OpenDir(ctx, in.NodeId)
	if err != nil {
		return s.status("opendir", in.NodeId, err)
	}
	out.Fh = fh
	return fuse.OK
}

// ReadDir lists names.
func (s *Server) ReadDir(cancel <-chan struct{}, in *fuse.ReadIn, out *fuse.DirEntryList) fuse.Status {
	ctx, stop := s.look(cancel)
	defer stop()
	err := s.fs.ReadDir(ctx, in.Fh, in.Offset, false, func(e vfs.DirEntry) bool {
		return out.AddDirEntry(fuse.DirEntry{Name: e.Name, Ino: e.Ino, Mode: e.Mode, Off: e.Off})
	})
	return s.status("readdir", in.NodeId, err)
}

// ReadDirPlus lists names and attributes.
func (s *Server) ReadDirPlus(cancel <-chan struct{}, in *fuse.ReadIn, out *fuse.DirEntryList) fuse.Status {
	ctx, stop := s.look(cancel)
	defer stop()
	err := s.fs.ReadDir(ctx, in.Fh, in.Offset, true, func(e vfs.DirEntry) bool {
		entry := out.AddDirLookupEntry(fuse.DirEntry{Name: e.Name, Ino: e.Ino, Mode: e.Mode, Off: e.Off})
		if entry == nil {
			return false
		}
		if e.Node.Ino != 0 {
			fillEntry(entry, e.Node)
		}
		return true
	})
	return s.status("readdirplus", in.NodeId, err)
}

// ReleaseDir closes a directory.
func (s *Server) ReleaseDir(in *fuse.ReleaseIn) { s.fs.Release(in.Fh) }

// FsyncDir has nothing to do: a name is on the server when its operation returns.
func (s *Server) FsyncDir(_ <-chan struct{}, _ *fuse.FsyncIn) fuse.Status { return fuse.OK }

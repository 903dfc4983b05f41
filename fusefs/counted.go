package fusefs

import "github.com/hanwen/go-fuse/v2/fuse"

// counted is the Server as the kernel sees it: every operation that somebody waits
// for is timed here, and nowhere else.
type counted struct{ *Server }

func (c counted) Lookup(cancel <-chan struct{}, h *fuse.InHeader, name string, out *fuse.EntryOut) fuse.Status {
	defer c.ops.over(opLookup, c.ops.begin())
	return c.Server.Lookup(cancel, h, name, out)
}

func (c counted) Mknod(cancel <-chan struct{}, in *fuse.MknodIn, name string, out *fuse.EntryOut) fuse.Status {
	defer c.ops.over(opCreate, c.ops.begin())
	return c.Server.Mknod(cancel, in, name, out)
}

func (c counted) Mkdir(cancel <-chan struct{}, in *fuse.MkdirIn, name string, out *fuse.EntryOut) fuse.Status {
	defer c.ops.over(opMkdir, c.ops.begin())
	return c.Server.Mkdir(cancel, in, name, out)
}

func (c counted) Unlink(cancel <-chan struct{}, h *fuse.InHeader, name string) fuse.Status {
	defer c.ops.over(opRemove, c.ops.begin())
	return c.Server.Unlink(cancel, h, name)
}

func (c counted) Rmdir(cancel <-chan struct{}, h *fuse.InHeader, name string) fuse.Status {
	defer c.ops.over(opRemove, c.ops.begin())
	return c.Server.Rmdir(cancel, h, name)
}

func (c counted) Rename(cancel <-chan struct{}, in *fuse.RenameIn, oldName, newName string) fuse.Status {
	defer c.ops.over(opRename, c.ops.begin())
	return c.Server.Rename(cancel, in, oldName, newName)
}

func (c counted) Link(cancel <-chan struct{}, in *fuse.LinkIn, name string, out *fuse.EntryOut) fuse.Status {
	defer c.ops.over(opLink, c.ops.begin())
	return c.Server.Link(cancel, in, name, out)
}

func (c counted) Symlink(cancel <-chan struct{}, h *fuse.InHeader, target, name string, out *fuse.EntryOut) fuse.Status {
	defer c.ops.over(opLink, c.ops.begin())
	return c.Server.Symlink(cancel, h, target, name, out)
}

func (c counted) Readlink(cancel <-chan struct{}, h *fuse.InHeader) ([]byte, fuse.Status) {
	defer c.ops.over(opReadlink, c.ops.begin())
	return c.Server.Readlink(cancel, h)
}

func (c counted) GetAttr(cancel <-chan struct{}, in *fuse.GetAttrIn, out *fuse.AttrOut) fuse.Status {
	defer c.ops.over(opGetattr, c.ops.begin())
	return c.Server.GetAttr(cancel, in, out)
}

func (c counted) SetAttr(cancel <-chan struct{}, in *fuse.SetAttrIn, out *fuse.AttrOut) fuse.Status {
	defer c.ops.over(opSetattr, c.ops.begin())
	return c.Server.SetAttr(cancel, in, out)
}

func (c counted) Access(cancel <-chan struct{}, in *fuse.AccessIn) fuse.Status {
	defer c.ops.over(opAccess, c.ops.begin())
	return c.Server.Access(cancel, in)
}

func (c counted) StatFs(cancel <-chan struct{}, in *fuse.InHeader, out *fuse.StatfsOut) fuse.Status {
	defer c.ops.over(opStatfs, c.ops.begin())
	return c.Server.StatFs(cancel, in, out)
}

func (c counted) GetXAttr(cancel <-chan struct{}, h *fuse.InHeader, name string, dest []byte) (uint32, fuse.Status) {
	defer c.ops.over(opXattr, c.ops.begin())
	return c.Server.GetXAttr(cancel, h, name, dest)
}

func (c counted) ListXAttr(cancel <-chan struct{}, h *fuse.InHeader, dest []byte) (uint32, fuse.Status) {
	defer c.ops.over(opXattr, c.ops.begin())
	return c.Server.ListXAttr(cancel, h, dest)
}

func (c counted) SetXAttr(cancel <-chan struct{}, in *fuse.SetXAttrIn, name string, data []byte) fuse.Status {
	defer c.ops.over(opXattr, c.ops.begin())
	return c.Server.SetXAttr(cancel, in, name, data)
}

func (c counted) RemoveXAttr(cancel <-chan struct{}, h *fuse.InHeader, name string) fuse.Status {
	defer c.ops.over(opXattr, c.ops.begin())
	return c.Server.RemoveXAttr(cancel, h, name)
}

func (c counted) Create(cancel <-chan struct{}, in *fuse.CreateIn, name string, out *fuse.CreateOut) fuse.Status {
	defer c.ops.over(opCreate, c.ops.begin())
	return c.Server.Create(cancel, in, name, out)
}

func (c counted) Open(cancel <-chan struct{}, in *fuse.OpenIn, out *fuse.OpenOut) fuse.Status {
	defer c.ops.over(opOpen, c.ops.begin())
	return c.Server.Open(cancel, in, out)
}

func (c counted) Read(cancel <-chan struct{}, in *fuse.ReadIn, buf []byte) (fuse.ReadResult, fuse.Status) {
	t, n := c.ops.begin(), 0
	r, status := c.Server.Read(cancel, in, buf)
	if status.Ok() && r != nil {
		n = r.Size()
	}
	c.ops.moved(opRead, t, &c.ops.read, n)
	return r, status
}

func (c counted) Write(cancel <-chan struct{}, in *fuse.WriteIn, data []byte) (uint32, fuse.Status) {
	t := c.ops.begin()
	n, status := c.Server.Write(cancel, in, data)
	c.ops.moved(opWrite, t, &c.ops.written, int(n))
	return n, status
}

func (c counted) Flush(cancel <-chan struct{}, in *fuse.FlushIn) fuse.Status {
	defer c.ops.over(opFlush, c.ops.begin())
	return c.Server.Flush(cancel, in)
}

func (c counted) Fsync(cancel <-chan struct{}, in *fuse.FsyncIn) fuse.Status {
	defer c.ops.over(opFsync, c.ops.begin())
	return c.Server.Fsync(cancel, in)
}

func (c counted) CopyFileRange(cancel <-chan struct{}, in *fuse.CopyFileRangeIn) (uint32, fuse.Status) {
	defer c.ops.over(opCopy, c.ops.begin())
	return c.Server.CopyFileRange(cancel, in)
}

func (c counted) OpenDir(cancel <-chan struct{}, in *fuse.OpenIn, out *fuse.OpenOut) fuse.Status {
	defer c.ops.over(opReaddir, c.ops.begin())
	return c.Server.OpenDir(cancel, in, out)
}

func (c counted) ReadDir(cancel <-chan struct{}, in *fuse.ReadIn, out *fuse.DirEntryList) fuse.Status {
	defer c.ops.over(opReaddir, c.ops.begin())
	return c.Server.ReadDir(cancel, in, out)
}

func (c counted) ReadDirPlus(cancel <-chan struct{}, in *fuse.ReadIn, out *fuse.DirEntryList) fuse.Status {
	defer c.ops.over(opReaddir, c.ops.begin())
	return c.Server.ReadDirPlus(cancel, in, out)
}

package vfs

import (
	"context"

	"sshfs-bridge/fusefs/remote"
)

// Attrs, Entry and StatFS are the remote's.
type (
	Attrs  = remote.Attrs
	Entry  = remote.Entry
	StatFS = remote.StatFS
)

// OpenFlags says how a file is opened.
type OpenFlags = remote.OpenFlags

// Remote is what the filesystem needs of the remote tree. Paths are relative to
// its root, without a leading slash; "" is the root. All methods are safe for
// concurrent use and bound their own time. FromRemote makes one of a
// *remote.Remote.
type Remote interface {
	Lstat(ctx context.Context, path string) (Attrs, error)
	// Stat follows links on the server.
	Stat(ctx context.Context, path string) (Attrs, error)
	ReadDir(ctx context.Context, path string) ([]Entry, error)
	Mkdir(ctx context.Context, path string, mode uint32) error
	Rmdir(ctx context.Context, path string) error
	Remove(ctx context.Context, path string) error
	// Rename replaces what has the new name.
	Rename(ctx context.Context, oldPath, newPath string) error
	Symlink(ctx context.Context, target, path string) error
	Readlink(ctx context.Context, path string) (string, error)
	Link(ctx context.Context, oldPath, newPath string) error
	Setstat(ctx context.Context, path string, a Attrs) error
	Lsetstat(ctx context.Context, path string, a Attrs) error
	StatFS(ctx context.Context) (StatFS, error)
	// Open opens a file and tells its attributes, in one round trip.
	Open(ctx context.Context, path string, flags OpenFlags, mode uint32) (File, Attrs, error)
}

// File is an open remote file, as *remote.File is.
type File interface {
	// ReadAt fills buf; it is short only at the end of the file, with io.EOF.
	ReadAt(ctx context.Context, buf []byte, off int64) (int, error)
	// WriteAt queues; an earlier failure may be returned here.
	WriteAt(ctx context.Context, data []byte, off int64) error
	// Setstat is queued behind the writes.
	Setstat(ctx context.Context, a Attrs) error
	// Flush waits until all that is queued is acknowledged.
	Flush(ctx context.Context) (Attrs, error)
	// Sync is Flush, and the server's own fsync.
	Sync(ctx context.Context) (Attrs, error)
	Stat(ctx context.Context) (Attrs, error)
	// CopyTo queues a copy within the server on dst.
	CopyTo(ctx context.Context, dst File, srcOff, dstOff, n int64) error
	Close(ctx context.Context) (Attrs, error)
}

// FromRemote makes a Remote of r.
func FromRemote(r *remote.Remote) Remote { return remoteAdapter{r} }

type remoteAdapter struct{ *remote.Remote }

func (a remoteAdapter) Open(ctx context.Context, path string, flags OpenFlags, mode uint32) (File, Attrs, error) {
	f, attrs, err := a.Remote.Open(ctx, path, flags, mode)
	if err != nil {
		return nil, attrs, err
	}
	return fileAdapter{f}, attrs, nil
}

type fileAdapter struct{ *remote.File }

func (f fileAdapter) CopyTo(ctx context.Context, dst File, srcOff, dstOff, n int64) error {
	d, ok := dst.(fileAdapter)
	if !ok {
		return remote.ErrUnsupported
	}
	return f.File.CopyTo(ctx, d.File, srcOff, dstOff, n)
}

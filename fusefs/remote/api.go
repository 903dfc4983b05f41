package remote

import (
	"context"
	"errors"
)

var errNotBuilt = errors.New("not built yet")

// Remote is one remote tree. It is safe for concurrent use.
type Remote struct{}

// New makes a Remote; it starts nothing.
func New(o Options) *Remote { return &Remote{} }

// Connect dials now, and waits. The root must exist and be a directory.
func (r *Remote) Connect(ctx context.Context, interactive bool) error { return errNotBuilt }

// Close waits for what is written (as long as ctx allows), and disconnects.
func (r *Remote) Close(ctx context.Context) error { return errNotBuilt }

// Status gives a snapshot.
func (r *Remote) Status() Status { return Status{} }

// Retry leaves down at a person's wish, without asking that person anything.
func (r *Remote) Retry() {}

// Root is the root directory's path on the server; "" until connected.
func (r *Remote) Root() string { return "" }

// RealRoot is Root with its symbolic links resolved; "" until connected.
func (r *Remote) RealRoot() string { return "" }

// ReadWindow is how many bytes a sequential reader does well to have asked for.
func (r *Remote) ReadWindow() int { return 0 }

// MaxRead is the most that one READ of the server carries.
func (r *Remote) MaxRead() int { return 0 }

// Lstat gives a path's attributes, those of the link if it is one.
func (r *Remote) Lstat(ctx context.Context, p string) (Attrs, error) { return Attrs{}, errNotBuilt }

// Stat gives a path's attributes, links followed by the server.
func (r *Remote) Stat(ctx context.Context, p string) (Attrs, error) { return Attrs{}, errNotBuilt }

// ReadDir lists a directory.
func (r *Remote) ReadDir(ctx context.Context, p string) ([]Entry, error) { return nil, errNotBuilt }

// Mkdir makes a directory.
func (r *Remote) Mkdir(ctx context.Context, p string, mode uint32) error { return errNotBuilt }

// Rmdir removes an empty directory.
func (r *Remote) Rmdir(ctx context.Context, p string) error { return errNotBuilt }

// Remove removes anything but a directory.
func (r *Remote) Remove(ctx context.Context, p string) error { return errNotBuilt }

// Rename moves oldp to newp, and replaces what is there.
func (r *Remote) Rename(ctx context.Context, oldp, newp string) error { return errNotBuilt }

// Symlink makes p a symbolic link to target.
func (r *Remote) Symlink(ctx context.Context, target, p string) error { return errNotBuilt }

// Readlink gives the target of a symbolic link, as it stands there.
func (r *Remote) Readlink(ctx context.Context, p string) (string, error) { return "", errNotBuilt }

// Link makes newp a hard link to oldp.
func (r *Remote) Link(ctx context.Context, oldp, newp string) error { return errNotBuilt }

// Setstat changes attributes, links followed by the server.
func (r *Remote) Setstat(ctx context.Context, p string, a Attrs) error { return errNotBuilt }

// Lsetstat changes attributes of the link itself.
func (r *Remote) Lsetstat(ctx context.Context, p string, a Attrs) error { return errNotBuilt }

// StatFS gives the free space where the root is.
func (r *Remote) StatFS(ctx context.Context) (StatFS, error) { return StatFS{}, errNotBuilt }

// OpenFlags say how a file is opened.
type OpenFlags struct{ Read, Write, Create, Exclusive, Truncate bool }

// Open opens a file.
func (r *Remote) Open(ctx context.Context, p string, flags OpenFlags, mode uint32) (*File, Attrs, error) {
	return nil, Attrs{}, errNotBuilt
}

// File is an open file.
type File struct{}

// ReadAt reads; it returns fewer bytes than asked for only with io.EOF.
func (f *File) ReadAt(ctx context.Context, buf []byte, off int64) (int, error) { return 0, errNotBuilt }

// WriteAt queues a copy of data.
func (f *File) WriteAt(ctx context.Context, data []byte, off int64) error { return errNotBuilt }

// Setstat queues a change of attributes behind the writes.
func (f *File) Setstat(ctx context.Context, a Attrs) error { return errNotBuilt }

// Flush waits until all that was queued is acknowledged.
func (f *File) Flush(ctx context.Context) (Attrs, error) { return Attrs{}, errNotBuilt }

// Sync is Flush, and the server's fsync.
func (f *File) Sync(ctx context.Context) error { return errNotBuilt }

// Stat gives the file's attributes.
func (f *File) Stat(ctx context.Context) (Attrs, error) { return Attrs{}, errNotBuilt }

// CopyTo queues a copy on the server.
func (f *File) CopyTo(ctx context.Context, dst *File, srcOff, dstOff, n int64) error {
	return errNotBuilt
}

// Close is Flush and the end of the file.
func (f *File) Close(ctx context.Context) (Attrs, error) { return Attrs{}, errNotBuilt }

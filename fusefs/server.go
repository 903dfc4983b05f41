package fusefs

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"runtime/debug"
	"slices"
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"

	"sshfs-bridge/fusefs/remote"
	"sshfs-bridge/fusefs/vfs"
)

// Options is what a server is made of.
type Options struct {
	vfs.Options
	// MaxBackground bounds the requests that the kernel sends without anyone
	// waiting for each (128).
	MaxBackground int
	// Debug logs each request of the kernel and its answer, at level Debug.
	Debug bool
}

// Server serves one mount.
type Server struct {
	fuse.RawFileSystem
	fs   *vfs.FS
	log  *slog.Logger
	fuse *fuse.Server
	ops  operations

	interrupts interrupts
	// share says that smbd is the only user: it asks for no permission but by
	// doing, and yet has the kernel check one at each change of directory.
	share bool
}

// NewServer begins to serve the mount behind dev, which Mount returned here or in
// another process; it takes dev over. It answers the kernel's first request and
// needs Serve for the others.
func NewServer(dev *os.File, r *remote.Remote, o Options) (*Server, error) {
	return newServer(dev, vfs.FromRemote(r), o)
}

func newServer(dev *os.File, r vfs.Remote, o Options) (*Server, error) {
	logger := o.Logger
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	o.Options.Logger = logger
	if o.MaxBackground <= 0 {
		o.MaxBackground = 128
	}
	s := &Server{
		RawFileSystem: fuse.NewDefaultRawFileSystem(),
		fs:            vfs.New(r, o.Options),
		log:           logger,
		share:         o.SMBNames || o.Symlinks == vfs.SymlinksXSym,
	}
	opts := &fuse.MountOptions{
		Name:                     "sshfs-bridge",
		FsName:                   "sshfs-bridge",
		MaxWrite:                 maxIO,
		MaxReadAhead:             maxIO,
		MaxBackground:            o.MaxBackground,
		IgnoreSecurityLabels:     true,
		ExplicitDataCacheControl: true,
		// There is no descriptor to splice from; go-fuse would fill a pipe each time to find that out.
		DisableSplice:     true,
		ExtraCapabilities: fuse.CAP_ATOMIC_O_TRUNC | fuse.CAP_HANDLE_KILLPRIV_V2 | fuse.CAP_ASYNC_DIO | fuse.CAP_DIRECT_IO_ALLOW_MMAP,
		Logger:            slog.NewLogLogger(logger.Handler(), slog.LevelDebug),
		Debug:             o.Debug,
		PanicHandler:      s.panicked,
	}
	// go-fuse takes the number and closes it in the end; the file must not.
	fd, err := dup(dev)
	if err != nil {
		s.fs.Close()
		return nil, fmt.Errorf("fuse device: %w", err)
	}
	dev.Close()
	s.fuse, err = fuse.NewServer(counted{s}, fmt.Sprintf("/dev/fd/%d", fd), opts)
	if err != nil {
		s.fs.Close()
		return nil, fmt.Errorf("start FUSE server: %w", err)
	}
	s.fs.SetKernel(kernel{s.fuse})
	return s, nil
}

// Serve answers the kernel until the mount is taken down, and then ends all work
// in the background. It must be called exactly once.
func (s *Server) Serve() error {
	s.fuse.Serve()
	s.interrupts.close()
	s.fs.Close()
	return nil
}

// Stats tells the filesystem's counters.
func (s *Server) Stats() vfs.Stats { return s.fs.Stats() }

// Operations tells how many operations the kernel asked for and how long they took.
func (s *Server) Operations() Operations { return s.ops.snapshot(time.Now()) }

// SetCacheBytes changes how much file data may be kept in memory. What is too much
// is dropped at once, the least recently used first.
func (s *Server) SetCacheBytes(n int64) { s.fs.SetCacheBytes(n) }

// Refresh has the next look at anything ask the server.
func (s *Server) Refresh() { s.fs.Refresh() }

// Drain waits until all that was written is on the server.
func (s *Server) Drain(ctx context.Context) error { return s.fs.Drain(ctx) }

// panicked keeps a defect in one operation from ending the mount.
func (s *Server) panicked(what any) fuse.Status {
	s.log.Error("panic in an operation", "err", what, "stack", string(debug.Stack()))
	return fuse.EIO
}

// String names the server for go-fuse.
func (s *Server) String() string { return "sshfs-bridge" }

// kernel tells the kernel what to forget. That it does not know it is as good.
type kernel struct{ *fuse.Server }

func (k kernel) InvalAttr(ino uint64)                  { k.InodeNotify(ino, -1, 0) }
func (k kernel) InvalData(ino uint64)                  { k.InodeNotify(ino, 0, 0) }
func (k kernel) InvalEntry(parent uint64, name string) { k.EntryNotify(parent, name) }

// Prune is FUSE_NOTIFY_PRUNE, which Linux has since 6.18.
func (k kernel) Prune(inos []uint64) bool {
	for part := range slices.Chunk(inos, 4096) {
		if !k.PruneNotify(part).Ok() {
			return false
		}
	}
	return true
}

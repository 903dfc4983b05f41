package mounttree

import (
	"context"
	"errors"
	"log/slog"
)

// ErrNoPrivilege says that this process may not mount.
var ErrNoPrivilege = errors.New("mounting is not permitted here")

var errNotBuilt = errors.New("mounttree: not built yet")

// Options are what a Tree needs.
type Options struct {
	// RunDir is the supervisor's run directory; mount points are made in
	// RunDir/mnt. It is created when it does not exist.
	RunDir string
	// Hub is the directory that shows every mount as a folder; it is created
	// when it does not exist. Empty: no hub.
	Hub string
	// Logger takes what is cleared and what could not be; nil discards it.
	Logger *slog.Logger
}

// Tree is the directory of mount points and the hub that shows it. Its
// methods are safe for concurrent use; none of them ever looks into a mount.
type Tree struct{ o Options }

// New returns a Tree; it touches nothing before Setup.
func New(o Options) *Tree { return &Tree{o: o} }

// Setup clears what a killed predecessor left (StaleMounts) and builds the
// tree. errors.Is(err, ErrNoPrivilege) where mount(2) is refused.
func (t *Tree) Setup(ctx context.Context) error { return errNotBuilt }

// Dir is the directory of the mount points, RunDir/mnt.
func (t *Tree) Dir() string { return "" }

// Hub is the hub's directory, empty where there is none.
func (t *Tree) Hub() string { return t.o.Hub }

// Mountpoint is the path of the mount point called name, made or not.
func (t *Tree) Mountpoint(name string) string { return "" }

// HubPath is where the mount called name is seen in the hub.
func (t *Tree) HubPath(name string) string { return "" }

// Add makes the mount point called name; it is no error when it exists.
func (t *Tree) Add(name string) error { return errNotBuilt }

// Remove deletes the bare mount point called name. Something still mounted
// there is an error (detach it first); a missing mount point is not.
func (t *Tree) Remove(name string) error { return errNotBuilt }

// Detach unmounts whatever is mounted at name, everywhere it is seen. lazy
// detaches it although files are open; otherwise a mount in use is an error
// (syscall.EBUSY). Nothing mounted is no error.
func (t *Tree) Detach(name string, lazy bool) error { return errNotBuilt }

// Mounts lists the names at which something is mounted.
func (t *Tree) Mounts() ([]string, error) { return nil, errNotBuilt }

// StaleMounts lists what a predecessor left below the run directory and the
// hub, outermost first. It reads the mount table only.
func (t *Tree) StaleMounts() ([]string, error) { return nil, errNotBuilt }

// Teardown detaches everything and takes the tree away.
func (t *Tree) Teardown(ctx context.Context) error { return errNotBuilt }

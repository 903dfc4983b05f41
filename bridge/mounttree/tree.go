package mounttree

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// Source is what the tree's tmpfs is called in the mount table.
const Source = "sshfs-bridge"

// FSType is what our FUSE mounts are called in the mount table.
const FSType = "fuse.sshfs-bridge"

// ErrNoPrivilege says that this process may not mount.
var ErrNoPrivilege = errors.New("mounting is not permitted here")

// ErrNotSetUp says that the tree is not there: Setup failed, was not called,
// or Teardown took it away.
var ErrNotSetUp = errors.New("the mount tree is not set up")

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
type Tree struct {
	runDir string
	hub    string
	log    *slog.Logger

	mu sync.Mutex
	// root is the writable mount of the tmpfs, in no namespace; nil before
	// Setup and after Teardown. GUARDED_BY(mu)
	root *os.File
}

// New returns a Tree; it touches nothing before Setup.
func New(o Options) *Tree {
	t := &Tree{runDir: clean(o.RunDir), hub: clean(o.Hub), log: o.Logger}
	if t.log == nil {
		t.log = slog.New(slog.DiscardHandler)
	}
	return t
}

// clean makes path absolute and resolves the symlinks of what lies above it,
// as the mount table shows it. The last element is left alone: it may be a
// dead mount.
func clean(path string) string {
	if path == "" {
		return ""
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		return path
	}
	// The parents may be missing yet: resolve the part that exists.
	dir, rest := filepath.Dir(abs), filepath.Base(abs)
	for {
		if real, err := filepath.EvalSymlinks(dir); err == nil {
			return filepath.Join(real, rest)
		}
		if dir == "/" || dir == "." {
			return abs
		}
		dir, rest = filepath.Dir(dir), filepath.Join(filepath.Base(dir), rest)
	}
}

// Dir is the directory of the mount points, RunDir/mnt.
func (t *Tree) Dir() string { return filepath.Join(t.runDir, "mnt") }

// Hub is the hub's directory, empty where there is none.
func (t *Tree) Hub() string { return t.hub }

// Mountpoint is the path of the mount point called name, made or not.
func (t *Tree) Mountpoint(name string) string { return filepath.Join(t.Dir(), name) }

// HubPath is where the mount called name is seen in the hub; empty without a
// hub.
func (t *Tree) HubPath(name string) string {
	if t.hub == "" {
		return ""
	}
	return filepath.Join(t.hub, name)
}

// Add makes the mount point called name; it is no error when it exists.
func (t *Tree) Add(name string) error {
	if err := checkName(name); err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.root == nil {
		return ErrNotSetUp
	}
	err := t.change(func(root int) error { return unix.Mkdirat(root, name, 0o555) })
	if err != nil && !errors.Is(err, unix.EEXIST) {
		return fmt.Errorf("make mount point %q: %w", name, err)
	}
	return nil
}

// change runs f on the writable mount. Its directory is 0555 otherwise, which
// even root has to respect where CAP_DAC_OVERRIDE is withheld. Called with mu
// held and root set.
func (t *Tree) change(f func(root int) error) error {
	root := int(t.root.Fd())
	if err := unix.Fchmod(root, 0o755); err != nil {
		return err
	}
	return errors.Join(f(root), unix.Fchmod(root, 0o555))
}

// Remove deletes the bare mount point called name. Something still mounted
// there is an error (syscall.EBUSY: detach it first); a missing mount point
// is not.
func (t *Tree) Remove(name string) error {
	if err := checkName(name); err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.root == nil {
		return ErrNotSetUp
	}
	err := t.change(func(root int) error { return unix.Unlinkat(root, name, unix.AT_REMOVEDIR) })
	if err != nil && !errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("remove mount point %q: %w", name, err)
	}
	return nil
}

// Detach unmounts whatever is mounted at name, in the hub and in every
// namespace that sees it. lazy detaches it although files are open; otherwise
// a mount in use is an error (syscall.EBUSY). Nothing mounted is no error.
func (t *Tree) Detach(name string, lazy bool) error {
	if err := checkName(name); err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for range maxStacked {
		done, err := unmount(t.Mountpoint(name), lazy)
		if err != nil {
			return fmt.Errorf("detach mount %q: %w", name, err)
		}
		if done {
			return nil
		}
	}
	return fmt.Errorf("detach mount %q: more than %d mounts upon each other", name, maxStacked)
}

// maxStacked is how many mounts upon each other are taken away before
// something is considered to put them there all the time.
const maxStacked = 64

// unmount takes the uppermost mount at path away; done says that nothing was
// mounted there.
func unmount(path string, lazy bool) (done bool, err error) {
	flags := unix.UMOUNT_NOFOLLOW
	if lazy {
		flags |= unix.MNT_DETACH
	}
	switch err := unix.Unmount(path, flags); err {
	case nil:
		return false, nil
	case unix.EINVAL, unix.ENOENT: // not a mount point (any more)
		return true, nil
	case unix.EPERM, unix.EACCES:
		return false, noPrivilege(err)
	default:
		return false, err
	}
}

// checkName refuses what is not the name of one directory.
func checkName(name string) error {
	if name == "" || name == "." || name == ".." || len(name) > 255 || strings.ContainsAny(name, "/\x00") {
		return fmt.Errorf("%q cannot name a mount point", name)
	}
	return nil
}

// noPrivilege says what to do where mounting is refused.
func noPrivilege(err error) error {
	return fmt.Errorf("%w (%w): run the container with --privileged, or with "+
		"--cap-add SYS_ADMIN --device /dev/fuse --security-opt apparmor=unconfined; outside a container, as root", ErrNoPrivilege, err)
}

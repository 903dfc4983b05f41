package mounttree

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// viewFlags are the flags of both views of the tree.
const viewFlags = unix.MS_RDONLY | unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC

// Setup clears what a killed predecessor left (StaleMounts) and builds the
// tree. errors.Is(err, ErrNoPrivilege) where mount(2) is refused. After an
// error nothing of the tree is left.
func (t *Tree) Setup(ctx context.Context) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.root != nil {
		return errors.New("set up the mount tree: it is set up already")
	}
	if err := t.clear(ctx); err != nil {
		return fmt.Errorf("clear what an earlier run left: %w", err)
	}
	root, err := t.build()
	if err != nil {
		// What was built so far must not stay: a half tree may be writable.
		if cerr := t.clear(context.WithoutCancel(ctx)); cerr != nil && !errors.Is(cerr, ErrNoPrivilege) {
			err = errors.Join(err, cerr)
		}
		return fmt.Errorf("set up the mount tree: %w", err)
	}
	t.root = root
	return nil
}

// build makes the tmpfs and its two views, and returns the writable mount.
func (t *Tree) build() (root *os.File, err error) {
	if err := os.MkdirAll(t.runDir, 0o755); err != nil {
		return nil, err
	}
	for _, dir := range []string{t.Dir(), t.staging()} {
		if err := os.MkdirAll(dir, 0o555); err != nil {
			return nil, err
		}
	}
	// The tmpfs holds directories only; the size is there so that no
	// mistake can eat memory.
	if err := mount(Source, t.staging(), "tmpfs", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "mode=0555,size=64k,nr_inodes=16k"); err != nil {
		return nil, err
	}
	root, err = os.OpenFile(t.staging(), os.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			root.Close()
		}
	}()
	if err := t.view(t.staging(), t.Dir()); err != nil {
		return nil, err
	}
	// Private first: below a shared mount ours is in a peer group with
	// copies in other namespaces, which must not take part.
	for _, flags := range []uintptr{unix.MS_PRIVATE, unix.MS_SHARED} {
		if err := mount("", t.Dir(), "", flags, ""); err != nil {
			return nil, err
		}
	}
	// From here on the writable mount is reachable through root alone.
	if err := unix.Unmount(t.staging(), unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW); err != nil {
		return nil, &os.PathError{Op: "unmount", Path: t.staging(), Err: err}
	}
	os.Remove(t.staging()) // only tidier: an empty directory does no harm
	if t.hub == "" {
		return root, nil
	}
	if err := t.makeHub(); err != nil {
		return nil, err
	}
	if err := t.view(t.Dir(), t.hub); err != nil {
		return nil, err
	}
	for _, flags := range []uintptr{unix.MS_SLAVE, unix.MS_SHARED} {
		if err := mount("", t.hub, "", flags, ""); err != nil {
			return nil, err
		}
	}
	return root, nil
}

// staging is where the writable tmpfs is for the moment in which the views
// are made from it.
func (t *Tree) staging() string { return filepath.Join(t.runDir, ".tree") }

// view shows the directory from at the directory at, read-only.
func (t *Tree) view(from, at string) error {
	if err := mount(from, at, "", unix.MS_BIND, ""); err != nil {
		return err
	}
	return mount("", at, "", unix.MS_REMOUNT|unix.MS_BIND|viewFlags, "")
}

// makeHub creates the hub's directory. Something mounted there is not looked
// at: it may be a foreign mount that is dead.
func (t *Tree) makeHub() error {
	all, err := table()
	if err != nil {
		return err
	}
	for _, m := range all {
		if m.Mountpoint == t.hub {
			return nil
		}
	}
	return os.MkdirAll(t.hub, 0o755)
}

// mount is mount(2) with errors that say what was tried and what to do.
func mount(source, target, fstype string, flags uintptr, data string) error {
	err := unix.Mount(source, target, fstype, flags, data)
	switch err {
	case nil:
		return nil
	case unix.EPERM, unix.EACCES:
		return noPrivilege(&os.PathError{Op: "mount", Path: target, Err: err})
	default:
		return &os.PathError{Op: "mount", Path: target, Err: err}
	}
}

// Teardown detaches every mount and takes the tree away, lazily: open files
// below do not keep it. It is idempotent; Setup may follow.
func (t *Tree) Teardown(ctx context.Context) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.root == nil {
		return nil
	}
	if err := t.clear(ctx); err != nil {
		return fmt.Errorf("take the mount tree away: %w", err)
	}
	t.root.Close()
	t.root = nil
	os.Remove(t.Dir()) // a directory that is not empty or busy elsewhere does no harm
	return nil
}

package bridge

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"
)

// outsideMounts remembers which mounts of ours lie at mount points that are not
// ours: a drop-in's mount may lie over the hub, and when somebody else has
// unmounted it, what is at its place then must stay.
type outsideMounts struct {
	mu      sync.Mutex
	devices map[string]device // GUARDED_BY(mu), by resolved mount point
}

// device is a mount's device number, which no other live mount of FUSE has.
type device struct{ major, minor int }

// note remembers the mount that was just made at a mount point.
func (o *outsideMounts) note(mountpoint string) {
	path := resolved(mountpoint)
	d, ok := topmost(path)
	if !ok {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.devices == nil {
		o.devices = map[string]device{}
	}
	o.devices[path] = d
}

// detach unmounts the mount that was noted, if it is still there.
func (o *outsideMounts) detach(mountpoint string, lazy bool) error {
	path := resolved(mountpoint)
	o.mu.Lock()
	noted, ok := o.devices[path]
	o.mu.Unlock()
	if now, there := topmost(path); !ok || !there || now != noted {
		return nil
	}
	flags := unix.UMOUNT_NOFOLLOW
	if lazy {
		flags |= unix.MNT_DETACH
	}
	switch err := unix.Unmount(path, flags); err {
	case nil:
		o.mu.Lock()
		defer o.mu.Unlock()
		delete(o.devices, path)
		return nil
	case unix.EINVAL, unix.ENOENT: // nothing is mounted there any more
		return nil
	default:
		return &os.PathError{Op: "unmount", Path: path, Err: err}
	}
}

// topmost is the mount that is seen at a path. Only the mount table is read:
// the path itself may hang.
func topmost(path string) (d device, ok bool) {
	mounts, err := mountinfo.GetMounts(func(m *mountinfo.Info) (skip, stop bool) { return m.Mountpoint != path, false })
	if err != nil || len(mounts) == 0 {
		return d, false
	}
	top := mounts[0]
	for _, m := range mounts[1:] { // on top is the one whose parent is another of them
		if m.Parent == top.ID {
			top = m
		}
	}
	return device{top.Major, top.Minor}, true
}

// checkMountpoint resolves a mount point that somebody asks for. What lies
// there may be a mount that hangs: then the goroutine stays until that ends,
// and the asker is told.
func checkMountpoint(path string) (string, error) {
	type result struct {
		path string
		err  error
	}
	found := make(chan result, 1)
	go func() {
		real, err := filepath.EvalSymlinks(path)
		if err == nil {
			var fi os.FileInfo
			if fi, err = os.Stat(real); err == nil && !fi.IsDir() {
				err = unix.ENOTDIR
			}
		}
		found <- result{real, err}
	}()
	select {
	case r := <-found:
		if r.err != nil {
			return "", fmt.Errorf("the mount point %s is no directory that can be used: %s", path, reason(r.err))
		}
		return r.path, nil
	case <-time.After(3 * time.Second):
		return "", fmt.Errorf("the mount point %s does not answer: a mount that hangs lies there", path)
	}
}

// resolved is a mount point as the mount table writes it. Only its parent is
// looked into, never the mount.
func resolved(mountpoint string) string {
	parent, err := filepath.EvalSymlinks(filepath.Dir(mountpoint))
	if err != nil {
		return filepath.Clean(mountpoint)
	}
	return filepath.Join(parent, filepath.Base(mountpoint))
}

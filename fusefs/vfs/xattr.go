package vfs

import (
	"maps"
	"slices"
	"strings"
	"sync"
	"syscall"
)

// TouchXattr is the name of an extended attribute that is taken and not kept:
// setting it changes nothing but wakes who watches the file (IN_ATTRIB), which an
// invalidation does not.
const TouchXattr = "user.sshfs-bridge.touch"

// Flags of SetXattr.
const (
	XattrCreate  = 1
	XattrReplace = 2
)

// xattrStore keeps extended attributes in memory, by remote path: SFTP has none.
// They follow renames and vanish with their file. A store that lasts takes its
// place behind the same methods.
type xattrStore struct {
	max int64

	mu    sync.Mutex
	files map[string]map[string][]byte
	total int64
}

func newXattrStore(limit int64) *xattrStore {
	return &xattrStore{max: limit, files: map[string]map[string][]byte{}}
}

func (x *xattrStore) get(path, name string) ([]byte, bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	v, ok := x.files[path][name]
	return v, ok
}

func (x *xattrStore) list(path string) []string {
	x.mu.Lock()
	defer x.mu.Unlock()
	return slices.Sorted(maps.Keys(x.files[path]))
}

func (x *xattrStore) set(path, name string, value []byte, flags uint32) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	old, ok := x.files[path][name]
	switch {
	case ok && flags&XattrCreate != 0:
		return syscall.EEXIST
	case !ok && flags&XattrReplace != 0:
		return syscall.ENODATA
	}
	grow := int64(len(value) - len(old))
	if !ok {
		grow += int64(len(name))
	}
	if x.total+grow > x.max {
		return syscall.ENOSPC
	}
	if x.files[path] == nil {
		x.files[path] = map[string][]byte{}
	}
	x.files[path][name] = slices.Clone(value)
	x.total += grow
	return nil
}

func (x *xattrStore) unset(path, name string) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	v, ok := x.files[path][name]
	if !ok {
		return syscall.ENODATA
	}
	x.total -= int64(len(v) + len(name))
	delete(x.files[path], name)
	if len(x.files[path]) == 0 {
		delete(x.files, path)
	}
	return nil
}

// remove forgets a path and all below it.
func (x *xattrStore) remove(path string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for p := range x.files {
		if p == path || strings.HasPrefix(p, path+"/") {
			x.dropLocked(p)
		}
	}
}

func (x *xattrStore) dropLocked(path string) {
	for name, v := range x.files[path] {
		x.total -= int64(len(v) + len(name))
	}
	delete(x.files, path)
}

// rename moves a path and all below it, in place of what was there.
func (x *xattrStore) rename(from, to string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if len(x.files) == 0 {
		return
	}
	x.dropLocked(to)
	for p, attrs := range maps.Clone(x.files) {
		if rest, ok := strings.CutPrefix(p, from); ok && (rest == "" || rest[0] == '/') {
			delete(x.files, p)
			x.files[to+rest] = attrs
		}
	}
}

// xattrPath finds where the attributes of a node are kept. Names of other
// namespaces than the user's mean something to a kernel, and nothing here.
func (f *FS) xattrPath(ino uint64, name string, change bool) (string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n, err := f.get(ino)
	switch {
	case err != nil:
		return "", err
	case change && f.opts.ReadOnly:
		return "", syscall.EROFS
	case name != "" && !strings.HasPrefix(name, "user.") && !strings.HasPrefix(name, "trusted."):
		return "", syscall.EOPNOTSUPP
	case len(name) > 255:
		return "", syscall.ERANGE
	case n.gone:
		return "", syscall.ENODATA
	}
	return f.linkPath(n)
}

// GetXattr gives the value of an extended attribute, without a round trip.
func (f *FS) GetXattr(ino uint64, name string) ([]byte, error) {
	path, err := f.xattrPath(ino, name, false)
	if err != nil {
		if err == syscall.EOPNOTSUPP && strings.HasPrefix(name, "security.") {
			err = syscall.ENODATA
		}
		return nil, err
	}
	if v, ok := f.xattr.get(path, name); ok {
		return v, nil
	}
	return nil, syscall.ENODATA
}

// ListXattr gives the names of the extended attributes, without a round trip.
func (f *FS) ListXattr(ino uint64) ([]string, error) {
	path, err := f.xattrPath(ino, "", false)
	if err != nil {
		if err == syscall.ENODATA {
			return nil, nil
		}
		return nil, err
	}
	return f.xattr.list(path), nil
}

// SetXattr sets an extended attribute, without a round trip.
func (f *FS) SetXattr(ino uint64, name string, value []byte, flags uint32) error {
	path, err := f.xattrPath(ino, name, name != TouchXattr)
	if err != nil || name == TouchXattr {
		return err
	}
	if len(value) > 64<<10 {
		return syscall.E2BIG
	}
	return f.xattr.set(path, name, value, flags)
}

// RemoveXattr removes an extended attribute, without a round trip.
func (f *FS) RemoveXattr(ino uint64, name string) error {
	path, err := f.xattrPath(ino, name, true)
	if err != nil {
		return err
	}
	return f.xattr.unset(path, name)
}

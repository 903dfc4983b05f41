package vfs

import (
	"strings"
	"syscall"

	"sshfs-bridge/fusefs/vfs/localmeta"
)

// TouchXattr is the name of an extended attribute that is taken and not kept:
// setting it changes nothing but wakes who watches the file (IN_ATTRIB), which an
// invalidation does not.
const TouchXattr = "user.sshfs-bridge.touch"

// Flags of SetXattr.
const (
	XattrCreate  = localmeta.XattrCreate
	XattrReplace = localmeta.XattrReplace
)

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
	if v, ok := f.local.Xattr(path, name); ok {
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
	return f.local.Xattrs(path), nil
}

// SetXattr sets an extended attribute, without a round trip of its own; it may wait for
// the one by which a file that is kept here becomes the server's.
func (f *FS) SetXattr(ino uint64, name string, value []byte, flags uint32) error {
	f.here.Lock() // the path is still the node's when the value is stored
	defer f.here.Unlock()
	path, err := f.xattrPath(ino, name, name != TouchXattr)
	if err != nil || name == TouchXattr {
		return err
	}
	if len(value) > 64<<10 {
		return syscall.E2BIG
	}
	return f.withRoom(func() error { return f.local.SetXattr(path, name, value, flags) })
}

// RemoveXattr removes an extended attribute, as SetXattr sets it.
func (f *FS) RemoveXattr(ino uint64, name string) error {
	f.here.Lock()
	defer f.here.Unlock()
	path, err := f.xattrPath(ino, name, true)
	if err != nil {
		return err
	}
	return f.local.RemoveXattr(path, name)
}

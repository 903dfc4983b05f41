package localmeta

import (
	"bytes"
	"syscall"
)

// Flags of SetXattr, as setxattr(2) has them.
const (
	XattrCreate  = 1
	XattrReplace = 2
)

// Xattr gives the value of an extended attribute.
func (s *Store) Xattr(path, name string) ([]byte, bool) {
	var out []byte
	_ = s.do(func() error {
		if e, ok := s.t.entry(path); ok {
			if v := s.t.b[tabXattrs].Get(xattrKey(e.id, name)); v != nil {
				out = append([]byte{}, v...)
			}
		}
		return nil
	})
	return out, out != nil
}

// Xattrs gives the names of a path's extended attributes, sorted.
func (s *Store) Xattrs(path string) []string {
	var out []string
	_ = s.do(func() error {
		e, ok := s.t.entry(path)
		if !ok {
			return nil
		}
		prefix := idKey(e.id)
		c := s.t.b[tabXattrs].Cursor()
		for k, _ := c.Seek(prefix); bytes.HasPrefix(k, prefix); k, _ = c.Next() {
			out = append(out, string(k[len(prefix):]))
		}
		return nil
	})
	return out
}

// SetXattr sets an extended attribute. EEXIST and ENODATA are what the flags ask
// for.
func (s *Store) SetXattr(path, name string, value []byte, flags uint32) error {
	r := &record{kind: opSetXattr, path: path, name: name, data: value}
	if !r.valid() {
		return syscall.ENAMETOOLONG
	}
	return s.do(func() error {
		var old []byte
		need := int64(len(value)) + rowBytes
		e, ok := s.t.entry(path)
		if ok {
			old = s.t.b[tabXattrs].Get(xattrKey(e.id, name))
		} else {
			need += int64(len(path))
		}
		switch {
		case old != nil && flags&XattrCreate != 0:
			return syscall.EEXIST
		case old == nil && flags&XattrReplace != 0:
			return syscall.ENODATA
		case old != nil:
			need = int64(len(value) - len(old))
		default:
			need += int64(len(name))
		}
		return s.changeLocked(r, need)
	})
}

// RemoveXattr removes an extended attribute; ENODATA says that there is none.
func (s *Store) RemoveXattr(path, name string) error {
	return s.do(func() error {
		e, ok := s.t.entry(path)
		if !ok || s.t.b[tabXattrs].Get(xattrKey(e.id, name)) == nil {
			return syscall.ENODATA
		}
		return s.changeLocked(&record{kind: opUnsetXattr, path: path, name: name}, 0)
	})
}

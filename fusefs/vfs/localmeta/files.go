package localmeta

import (
	"bytes"
	"syscall"
)

// Info is what a local file or directory looks like.
type Info struct {
	ID           uint64
	Mode         uint32 // type and permissions, as Linux has them
	Size         uint64
	Atime, Mtime uint32 // seconds since 1970
}

// Named is an Info and its name in its directory.
type Named struct {
	Name string
	Info
}

func infoOf(id uint64, n nodeRow) Info {
	return Info{ID: id, Mode: n.mode, Size: n.size, Atime: n.atime, Mtime: n.mtime}
}

// Lookup finds a local entry.
func (s *Store) Lookup(path string) (Info, bool) {
	var out Info
	found := false
	_ = s.do(func() error { // nothing is found in what is broken
		if e, ok := s.t.entry(path); ok && e.local {
			var n nodeRow
			n, found = s.t.node(e.id)
			out = infoOf(e.id, n)
		}
		return nil
	})
	return out, found
}

// List gives the local entries of a directory, in the order of their names.
func (s *Store) List(path string) []Named {
	var out []Named
	_ = s.do(func() error {
		prefix := []byte(path + "\x00")
		c := s.t.b[tabNames].Cursor()
		for k, v := c.Seek(prefix); k != nil && bytes.HasPrefix(k, prefix); k, v = c.Next() {
			e, ok := decodeEntry(v)
			if !ok || !e.local {
				continue
			}
			if n, ok := s.t.node(e.id); ok {
				out = append(out, Named{string(k[len(prefix):]), infoOf(e.id, n)})
			}
		}
		return nil
	})
	return out
}

// Paths gives every path of which something is kept.
func (s *Store) Paths() []string {
	var out []string
	_ = s.do(func() error {
		return s.t.b[tabNames].ForEach(func(k, _ []byte) error {
			if p, ok := pathOf(k); ok {
				out = append(out, p)
			}
			return nil
		})
	})
	return out
}

// Create makes a local file or directory, empty. mode is type and permissions, now
// its times. What the path had of attributes it keeps.
func (s *Store) Create(path string, mode, now uint32) (Info, error) {
	r := &record{kind: opCreate, path: path, mode: mode, time: now}
	err := s.change(r, int64(len(path))+rowBytes)
	if err != nil {
		return Info{}, err
	}
	info, ok := s.Lookup(path)
	if !ok {
		return Info{}, syscall.EIO
	}
	return info, nil
}

// ReadAt reads and gives what there is; it is short only at the end.
func (s *Store) ReadAt(id uint64, buf []byte, off int64) (int, error) {
	got := 0
	err := s.do(func() error {
		n, ok := s.t.node(id)
		switch {
		case !ok:
			return syscall.ESTALE
		case off < 0:
			return syscall.EINVAL
		case uint64(off) >= n.size:
			return nil
		}
		buf = buf[:min(uint64(len(buf)), n.size-uint64(off))]
		for got < len(buf) {
			at := uint64(off) + uint64(got)
			chunk := s.t.b[tabData].Get(chunkKey(id, at/chunkSize))
			piece := buf[got:min(len(buf), got+int(chunkSize-at%chunkSize))]
			clear(piece)
			if in := at % chunkSize; in < uint64(len(chunk)) {
				copy(piece, chunk[in:])
			}
			got += len(piece)
		}
		return nil
	})
	return got, err
}

// maxWrite is the most data of one record.
const maxWrite = 1 << 20

// WriteAt writes all of data, or a part when it returns an error.
func (s *Store) WriteAt(id uint64, data []byte, off int64, now uint32) error {
	switch {
	case off < 0:
		return syscall.EINVAL
	case off > s.o.MaxBytes-int64(len(data)):
		return syscall.ENOSPC
	}
	for len(data) > 0 {
		piece := data[:min(len(data), maxWrite)]
		err := s.do(func() error {
			n, ok := s.t.node(id)
			if !ok {
				return syscall.ESTALE
			}
			// What is within the file may be there already; holes are not counted on.
			need := off + int64(len(piece)) - min(int64(n.size), off+int64(len(piece)))
			if int64(n.size) > off {
				need = max(need, s.missing(id, off, int64(len(piece))))
			}
			r := &record{kind: opWrite, id: id, off: uint64(off), data: piece, time: now}
			return s.changeLocked(r, need+rowBytes*(int64(len(piece))/chunkSize+1))
		})
		if err != nil {
			return err
		}
		data, off = data[len(piece):], off+int64(len(piece))
	}
	return nil
}

// missing bounds what a write between off and off+size adds to the chunks.
func (s *Store) missing(id uint64, off, size int64) int64 {
	var sum int64
	for at := off / chunkSize; at*chunkSize < off+size; at++ {
		end := min(off+size-at*chunkSize, chunkSize)
		sum += max(0, end-int64(len(s.t.b[tabData].Get(chunkKey(id, uint64(at))))))
	}
	return sum
}

// SetAttr is a change of a local entry; nil fields stay.
type SetAttr struct {
	Mode         *uint32 // type and permissions
	Size         *uint64
	Atime, Mtime *uint32 // both or none
}

// SetAttrs changes a local entry; now is the time of a new size.
func (s *Store) SetAttrs(id uint64, a SetAttr, now uint32) error {
	r := &record{kind: opSetAttr, id: id, time: now}
	if a.Mode != nil {
		r.mask, r.mode = r.mask|setMode, *a.Mode
	}
	if a.Size != nil {
		if *a.Size > uint64(s.o.MaxBytes) {
			return syscall.ENOSPC
		}
		r.mask, r.off = r.mask|setSize, *a.Size
	}
	if a.Atime != nil && a.Mtime != nil {
		r.mask, r.atime, r.time = r.mask|setTimes, *a.Atime, *a.Mtime
	}
	return s.do(func() error {
		if _, ok := s.t.node(id); !ok {
			return syscall.ESTALE
		}
		return s.changeLocked(r, 0)
	})
}

// Remove forgets a path and all below it. The local files with the numbers in
// open live on, without a name, until Release.
func (s *Store) Remove(path string, open []uint64) error {
	if path == "" || !s.Has(path) {
		return nil
	}
	return s.change(&record{kind: opRemove, path: path, ids: open}, 0)
}

// Rename moves a path and all below it in place of what has the other name. open
// is as for Remove.
func (s *Store) Rename(from, to string, open []uint64) error {
	if from == "" || to == "" || !s.Has(from) && !s.Has(to) {
		return nil
	}
	return s.change(&record{kind: opRename, path: from, to: to, ids: open}, int64(max(0, len(to)-len(from))))
}

// Has says whether anything is kept of a path or below it.
func (s *Store) Has(path string) bool {
	found := false
	_ = s.do(func() error {
		_, found = s.t.entry(path)
		c := s.t.b[tabNames].Cursor()
		for _, end := range []string{"\x00", "/"} {
			k, _ := c.Seek([]byte(path + end))
			found = found || bytes.HasPrefix(k, []byte(path+end))
		}
		return nil
	})
	return found
}

// Release drops a file that was removed while it was open.
func (s *Store) Release(id uint64) error {
	return s.do(func() error {
		if s.t.b[tabOrphans].Get(idKey(id)) == nil {
			return nil
		}
		return s.changeLocked(&record{kind: opRelease, id: id}, 0)
	})
}

package localmeta

import (
	"bytes"
	"encoding/binary"
	"slices"
	"strings"
)

// Bits of record.mask.
const (
	setMode = 1 << iota
	setSize
	setTimes
)

// maxOffset is beyond every file that the bounds allow, and before the last
// chunk that has a number.
const maxOffset = 1 << 44

// apply does what a record says. It must do the same each time it is applied to
// the same state. Its error is the bbolt file's: what cannot be (a number that
// nothing has) is passed over.
func (t *tables) apply(r *record) error {
	switch r.kind {
	case opCreate:
		return t.create(r)
	case opSetXattr:
		e, err := t.ensure(r.path)
		if err != nil {
			return err
		}
		// bbolt keeps what it is given until the transaction ends; r.data is the
		// caller's buffer, which the next request of the kernel is read into.
		return t.put(tabXattrs, xattrKey(e.id, r.name), bytes.Clone(r.data))
	case opUnsetXattr:
		return t.unsetXattr(r)
	case opWrite:
		return t.write(r)
	case opSetAttr:
		return t.setAttr(r)
	case opRemove:
		return t.removeTree(r.path, r.ids)
	case opRename:
		return t.rename(r)
	case opRelease:
		if t.b[tabOrphans].Get(idKey(r.id)) == nil {
			return nil
		}
		if err := t.remove(tabOrphans, idKey(r.id)); err != nil {
			return err
		}
		return t.dropContent(r.id)
	}
	return nil
}

// ensure gives the entry of a path, made where there is none.
func (t *tables) ensure(path string) (entry, error) {
	if e, ok := t.entry(path); ok {
		return e, nil
	}
	id, err := t.b[tabNames].NextSequence()
	if err != nil {
		return entry{}, err
	}
	e := entry{id: id}
	return e, t.put(tabNames, nameKey(path), e.encode())
}

func (t *tables) create(r *record) error {
	e, err := t.ensure(r.path)
	if err != nil {
		return err
	}
	if err := t.cut(e.id, 0); err != nil {
		return err
	}
	e.local = true
	if err := t.put(tabNames, nameKey(r.path), e.encode()); err != nil {
		return err
	}
	return t.put(tabNodes, idKey(e.id), nodeRow{mode: r.mode, atime: r.time, mtime: r.time}.encode())
}

func (t *tables) unsetXattr(r *record) error {
	e, ok := t.entry(r.path)
	if !ok {
		return nil
	}
	if err := t.remove(tabXattrs, xattrKey(e.id, r.name)); err != nil {
		return err
	}
	if e.local {
		return nil
	}
	if k, _ := t.b[tabXattrs].Cursor().Seek(idKey(e.id)); bytes.HasPrefix(k, idKey(e.id)) {
		return nil
	}
	return t.remove(tabNames, nameKey(r.path))
}

func (t *tables) write(r *record) error {
	n, ok := t.node(r.id)
	if !ok || r.off > maxOffset {
		return nil
	}
	for data, off := r.data, r.off; len(data) > 0; {
		key, at := chunkKey(r.id, off/chunkSize), int(off%chunkSize)
		piece := min(len(data), chunkSize-at)
		old := t.b[tabData].Get(key)
		chunk := make([]byte, max(len(old), at+piece))
		copy(chunk, old)
		copy(chunk[at:], data[:piece])
		if err := t.put(tabData, key, chunk); err != nil {
			return err
		}
		data, off = data[piece:], off+uint64(piece)
	}
	n.size = max(n.size, r.off+uint64(len(r.data)))
	n.mtime = r.time
	return t.put(tabNodes, idKey(r.id), n.encode())
}

func (t *tables) setAttr(r *record) error {
	n, ok := t.node(r.id)
	if !ok {
		return nil
	}
	if r.mask&setMode != 0 {
		n.mode = r.mode
	}
	if r.mask&setSize != 0 {
		if err := t.cut(r.id, r.off); err != nil {
			return err
		}
		n.size, n.mtime = r.off, r.time
	}
	if r.mask&setTimes != 0 {
		n.atime, n.mtime = r.atime, r.time
	}
	return t.put(tabNodes, idKey(r.id), n.encode())
}

// cut removes what is beyond size.
func (t *tables) cut(id, size uint64) error {
	last := size / chunkSize
	for _, k := range t.keys(tabData, idKey(id)) {
		n := uint64(binary.BigEndian.Uint32(k[8:]))
		v := t.b[tabData].Get(k)
		var err error
		switch rest := size % chunkSize; {
		case n > last, n == last && rest == 0:
			err = t.remove(tabData, k)
		case n == last && uint64(len(v)) > rest:
			err = t.put(tabData, k, bytes.Clone(v[:rest]))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// removeTree removes a path and all below it. Local files in open live on without
// a name.
func (t *tables) removeTree(path string, open []uint64) error {
	for _, k := range append(t.below(path), nameKey(path)) {
		e, ok := decodeEntry(t.b[tabNames].Get(k))
		if !ok {
			continue
		}
		if err := t.remove(tabNames, k); err != nil {
			return err
		}
		var err error
		if e.local && slices.Contains(open, e.id) {
			err = t.put(tabOrphans, idKey(e.id), []byte{})
		} else {
			err = t.dropContent(e.id)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// dropContent removes all that has a number.
func (t *tables) dropContent(id uint64) error {
	for _, table := range []int{tabXattrs, tabData, tabNodes} {
		for _, k := range t.keys(table, idKey(id)) {
			if err := t.remove(table, k); err != nil {
				return err
			}
		}
	}
	return nil
}

// rename moves a path and all below it in place of what has the other name.
func (t *tables) rename(r *record) error {
	if r.path == r.to || strings.HasPrefix(r.to, r.path+"/") {
		return nil
	}
	if err := t.removeTree(r.to, r.ids); err != nil {
		return err
	}
	for _, k := range append(t.below(r.path), nameKey(r.path)) {
		v := bytes.Clone(t.b[tabNames].Get(k))
		path, ok := pathOf(k)
		if v == nil || !ok {
			continue
		}
		if err := t.remove(tabNames, k); err != nil {
			return err
		}
		if err := t.put(tabNames, nameKey(r.to+path[len(r.path):]), v); err != nil {
			return err
		}
	}
	return nil
}

// sweep drops what nobody has open any more: the process is another one.
func (t *tables) sweep() error {
	for _, k := range t.keys(tabOrphans, nil) {
		if err := t.apply(&record{kind: opRelease, id: binary.BigEndian.Uint64(k)}); err != nil {
			return err
		}
	}
	return nil
}

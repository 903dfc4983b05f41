package localmeta

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"

	"go.etcd.io/bbolt"
)

// The tables, each a bucket of the bbolt file.
const (
	tabNames   = iota // DIR 0 NAME -> number of the entry, 1 if it is local
	tabNodes          // number -> mode, atime, mtime, size of a local entry
	tabXattrs         // number NAME -> value
	tabData           // number, number of the chunk -> content
	tabOrphans        // number -> nothing
	tabInfo           // "generation" -> of the journal that continues this file
	tabCount
)

var tableNames = [tabCount]string{"names", "nodes", "xattrs", "data", "orphans", "info"}

// chunkSize is the piece of a file that is one value. A chunk that is missing is
// zeros, and one that is short ends in them.
const chunkSize = 16 << 10

// tables are the tables within one transaction, with what their contents come
// to: keys and values, in bytes.
type tables struct {
	b    [tabCount]*bbolt.Bucket
	used int64
}

// open finds the tables in tx, and makes them where it may.
func (t *tables) open(tx *bbolt.Tx) error {
	for i, name := range tableNames {
		b, err := tx.CreateBucketIfNotExists([]byte(name))
		if err != nil {
			return fmt.Errorf("table %s: %w", name, err)
		}
		t.b[i] = b
	}
	return nil
}

func (t *tables) put(table int, key, value []byte) error {
	old := t.b[table].Get(key)
	grow := int64(len(value) - len(old))
	if old == nil {
		grow += int64(len(key))
	}
	if value == nil {
		value = []byte{} // nil reads as nothing
	}
	if err := t.b[table].Put(key, value); err != nil {
		return err
	}
	t.used += grow
	return nil
}

func (t *tables) remove(table int, key []byte) error {
	old := t.b[table].Get(key)
	if old == nil {
		return nil
	}
	t.used -= int64(len(key) + len(old))
	return t.b[table].Delete(key)
}

// keys lists the keys that begin with prefix.
func (t *tables) keys(table int, prefix []byte) [][]byte {
	var out [][]byte
	c := t.b[table].Cursor()
	for k, _ := c.Seek(prefix); k != nil && bytes.HasPrefix(k, prefix); k, _ = c.Next() {
		out = append(out, bytes.Clone(k))
	}
	return out
}

// entry is a row of the names.
type entry struct {
	id    uint64
	local bool
}

func (e entry) encode() []byte {
	b := binary.BigEndian.AppendUint64(nil, e.id)
	if e.local {
		return append(b, 1)
	}
	return append(b, 0)
}

func decodeEntry(b []byte) (entry, bool) {
	if len(b) != 9 || b[8] > 1 {
		return entry{}, false
	}
	return entry{id: binary.BigEndian.Uint64(b), local: b[8] == 1}, true
}

// nodeRow is a row of the nodes.
type nodeRow struct {
	mode, atime, mtime uint32
	size               uint64
}

func (n nodeRow) encode() []byte {
	b := binary.BigEndian.AppendUint32(nil, n.mode)
	b = binary.BigEndian.AppendUint32(b, n.atime)
	b = binary.BigEndian.AppendUint32(b, n.mtime)
	return binary.BigEndian.AppendUint64(b, n.size)
}

func decodeNode(b []byte) (nodeRow, bool) {
	if len(b) != 20 {
		return nodeRow{}, false
	}
	return nodeRow{
		mode: binary.BigEndian.Uint32(b), atime: binary.BigEndian.Uint32(b[4:]), mtime: binary.BigEndian.Uint32(b[8:]),
		size: binary.BigEndian.Uint64(b[12:]),
	}, true
}

// nameKey is where a path is found. The zero byte keeps a directory's own
// children together, and apart from what is further below.
func nameKey(path string) []byte {
	i := strings.LastIndexByte(path, '/')
	b := make([]byte, 0, len(path)+1)
	if i >= 0 {
		b = append(b, path[:i]...)
	}
	b = append(b, 0)
	return append(b, path[i+1:]...)
}

// pathOf is the path of a key.
func pathOf(key []byte) (string, bool) {
	dir, name, ok := bytes.Cut(key, []byte{0})
	if !ok || bytes.IndexByte(name, 0) >= 0 || bytes.IndexByte(name, '/') >= 0 {
		return "", false
	}
	if len(dir) == 0 {
		return string(name), true
	}
	return string(dir) + "/" + string(name), true
}

// below lists the keys of all that is below a path.
func (t *tables) below(path string) [][]byte {
	return append(t.keys(tabNames, []byte(path+"\x00")), t.keys(tabNames, []byte(path+"/"))...)
}

func idKey(id uint64) []byte { return binary.BigEndian.AppendUint64(nil, id) }

func xattrKey(id uint64, name string) []byte { return append(idKey(id), name...) }

func chunkKey(id, n uint64) []byte { return binary.BigEndian.AppendUint32(idKey(id), uint32(n)) }

func (t *tables) entry(path string) (entry, bool) {
	return decodeEntry(t.b[tabNames].Get(nameKey(path)))
}

func (t *tables) node(id uint64) (nodeRow, bool) { return decodeNode(t.b[tabNodes].Get(idKey(id))) }

// check reads every row, says whether all of them can be what this package
// wrote, and counts their bytes.
func (t *tables) check() error {
	t.used = 0
	owners := map[uint64]entry{}
	for i := range tabCount {
		if i == tabInfo {
			continue
		}
		err := t.b[i].ForEach(func(k, v []byte) error {
			t.used += int64(len(k) + len(v))
			if !t.plausible(i, k, v, owners) {
				return fmt.Errorf("table %s: a row that cannot be: %.64q", tableNames[i], k)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// plausible looks at one row; the names come first and fill owners.
func (t *tables) plausible(table int, k, v []byte, owners map[uint64]entry) bool {
	if table == tabNames {
		e, ok := decodeEntry(v)
		_, valid := pathOf(k)
		_, twice := owners[e.id]
		owners[e.id] = e
		if _, has := t.node(e.id); ok && e.local != has {
			return false
		}
		return ok && valid && !twice && e.id != 0
	}
	if len(k) < 8 {
		return false
	}
	id := binary.BigEndian.Uint64(k)
	_, named := owners[id]
	orphan := t.b[tabOrphans].Get(k[:8]) != nil
	if !named && !orphan {
		return false
	}
	switch table {
	case tabNodes:
		_, ok := decodeNode(v)
		return ok && len(k) == 8
	case tabData:
		return len(k) == 12 && len(v) <= chunkSize
	case tabOrphans:
		return len(k) == 8 && !named
	}
	return true
}

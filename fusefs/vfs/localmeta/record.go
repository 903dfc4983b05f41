package localmeta

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"strings"
)

// kind is what a record does.
type kind byte

const (
	opCreate     kind = iota + 1 // path, mode, time
	opSetXattr                   // path, name, data
	opUnsetXattr                 // path, name
	opWrite                      // id, off, data, time
	opSetAttr                    // id, mask, off (size), mode, atime, time
	opRemove                     // path, ids (still open)
	opRename                     // path, to, ids (still open)
	opRelease                    // id
	opLast
)

// record is one operation, as it is in the journal. Which fields mean something
// depends on kind; the others are zero.
type record struct {
	kind     kind
	path, to string
	name     string
	id, off  uint64
	mask     uint32
	mode     uint32
	atime    uint32
	time     uint32
	ids      []uint64
	data     []byte
}

// frameSize is the head of a record in the journal: the length of what follows
// and its checksum, both in four bytes, little-endian. The checksum is over the
// journal's generation, too: a record that is left from an earlier one is none.
const frameSize = 8

// maxRecord bounds a record; a longer one is no record.
const maxRecord = 8 << 20

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

var errRecord = errors.New("not a record")

func checksum(gen uint64, body []byte) uint32 {
	of := crc32.Checksum(binary.LittleEndian.AppendUint64(nil, gen), castagnoli)
	return crc32.Update(of, castagnoli, body)
}

// appendRecord appends r, framed for the journal of a generation.
func appendRecord(b []byte, r *record, gen uint64) []byte {
	at := len(b)
	b = append(b, make([]byte, frameSize)...)
	b = append(b, byte(r.kind))
	b = appendString(b, r.path)
	b = appendString(b, r.to)
	b = appendString(b, r.name)
	for _, v := range []uint64{r.id, r.off, uint64(r.mask), uint64(r.mode), uint64(r.atime), uint64(r.time), uint64(len(r.ids))} {
		b = binary.AppendUvarint(b, v)
	}
	for _, id := range r.ids {
		b = binary.AppendUvarint(b, id)
	}
	b = append(b, r.data...)
	body := b[at+frameSize:]
	binary.LittleEndian.PutUint32(b[at:], uint32(len(body)))
	binary.LittleEndian.PutUint32(b[at+4:], checksum(gen, body))
	return b
}

func appendString(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// cutRecord takes the first record off b. The record's data are b's.
func cutRecord(b []byte, gen uint64) (r record, rest []byte, err error) {
	if len(b) < frameSize {
		return r, nil, errRecord
	}
	n := binary.LittleEndian.Uint32(b)
	if n > maxRecord || uint64(n) > uint64(len(b)-frameSize) {
		return r, nil, errRecord
	}
	body := b[frameSize : frameSize+int(n)]
	if checksum(gen, body) != binary.LittleEndian.Uint32(b[4:]) {
		return r, nil, errRecord
	}
	r, err = parseRecord(body)
	return r, b[frameSize+int(n):], err
}

// parseRecord reads what is in a frame.
func parseRecord(b []byte) (r record, err error) {
	if len(b) == 0 || kind(b[0]) == 0 || kind(b[0]) >= opLast {
		return r, errRecord
	}
	r.kind, b = kind(b[0]), b[1:]
	for _, s := range []*string{&r.path, &r.to, &r.name} {
		var n uint64
		if n, b, err = cutUvarint(b); err != nil || n > uint64(len(b)) {
			return r, errRecord
		}
		*s, b = string(b[:n]), b[n:]
	}
	var mask, mode, atime, time, ids uint64
	for _, v := range []*uint64{&r.id, &r.off, &mask, &mode, &atime, &time, &ids} {
		if *v, b, err = cutUvarint(b); err != nil {
			return r, err
		}
	}
	r.mask, r.mode, r.atime, r.time = uint32(mask), uint32(mode), uint32(atime), uint32(time)
	if ids > uint64(len(b)) {
		return r, errRecord
	}
	for range ids {
		var id uint64
		if id, b, err = cutUvarint(b); err != nil {
			return r, err
		}
		r.ids = append(r.ids, id)
	}
	if len(b) > 0 {
		r.data = b
	}
	if !r.valid() {
		return r, errRecord
	}
	return r, nil
}

// valid says that the paths are paths.
func (r *record) valid() bool {
	needsPath := r.kind == opCreate || r.kind == opRemove || r.kind == opRename
	switch {
	case needsPath && r.path == "", r.kind == opRename && r.to == "":
		return false
	}
	return validPath(r.path) && validPath(r.to) && r.off <= maxOffset
}

// validPath says whether p can be a path within the mount.
func validPath(p string) bool {
	return len(p) <= maxPath && strings.IndexByte(p, 0) < 0 && !strings.HasPrefix(p, "/") && !strings.HasSuffix(p, "/") && !strings.Contains(p, "//")
}

// maxPath is the longest path in bytes that bbolt's keys have room for.
const maxPath = 30 << 10

func cutUvarint(b []byte) (uint64, []byte, error) {
	v, n := binary.Uvarint(b)
	if n <= 0 {
		return 0, nil, errRecord
	}
	return v, b[n:], nil
}

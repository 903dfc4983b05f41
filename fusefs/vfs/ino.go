package vfs

// inoTable gives nodes their numbers. A number follows from the parent's number
// and the name, so that it is the same after a restart where a file keeps its
// path. A node that is renamed keeps its number: the table remembers it under
// its new name, and keeps the number from being given to another.
type inoTable struct {
	moved map[inoKey]uint64
	taken map[uint64]inoKey
}

type inoKey struct {
	parent uint64
	name   string
}

// maxMoved bounds what is remembered of renames: beyond it a renamed file whose
// node was forgotten gets a number by its path, as after a restart.
const maxMoved = 1 << 16

func newInoTable() inoTable {
	return inoTable{moved: map[inoKey]uint64{}, taken: map[uint64]inoKey{}}
}

// assign gives the number for a name; live says that a number is in use.
func (t *inoTable) assign(parent uint64, name string, live func(uint64) bool) uint64 {
	key := inoKey{parent, name}
	if ino, ok := t.moved[key]; ok && !live(ino) {
		return ino
	}
	for try := byte(0); ; try++ {
		ino := hashIno(parent, name, try)
		if _, taken := t.taken[ino]; !taken && !live(ino) {
			if try > 0 {
				t.remember(key, ino)
			}
			return ino
		}
	}
}

// move remembers that a node has a new name.
func (t *inoTable) move(ino, parent uint64, name string) {
	t.release(ino)
	t.remember(inoKey{parent, name}, ino)
}

func (t *inoTable) remember(key inoKey, ino uint64) {
	if len(t.moved) >= maxMoved {
		for k, i := range t.moved {
			delete(t.moved, k)
			delete(t.taken, i)
			break
		}
	}
	if old, ok := t.moved[key]; ok {
		delete(t.taken, old)
	}
	t.moved[key] = ino
	t.taken[ino] = key
}

// release forgets a number whose file is gone.
func (t *inoTable) release(ino uint64) {
	if key, ok := t.taken[ino]; ok {
		delete(t.taken, ino)
		delete(t.moved, key)
	}
}

// hashIno is FNV-1a over its arguments, mixed once more (the low bits of FNV
// differ little between names that differ in their last letter). Numbers below
// 16 and the highest one mean something to FUSE.
func hashIno(parent uint64, name string, try byte) uint64 {
	const prime = 1099511628211
	h := uint64(14695981039346656037)
	for range 8 {
		h = (h ^ parent&0xff) * prime
		parent >>= 8
	}
	for i := range len(name) {
		h = (h ^ uint64(name[i])) * prime
	}
	h = (h ^ uint64(try)) * prime
	h ^= h >> 33
	h *= 0xff51afd7ed558ccd
	h ^= h >> 33
	// 63 bits: some programs keep inode numbers in signed integers.
	h &= 1<<63 - 1
	if h < 16 {
		h += 16
	}
	return h
}

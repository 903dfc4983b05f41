package remote

import (
	"maps"
	"slices"
	"sync"

	"sshfs-bridge/fusefs/sftp"
)

// object is what all files that were opened under one name share: where the
// file is now, and what it must look like when it is opened again. SFTP v3 has
// no inode numbers: name, size, mtime and owner are all there is to tell whether
// a name still means the same file.
type object struct {
	copies copySet // queued, here or elsewhere, that read from it

	// GUARDED_BY(objectTable.mu), as all below.
	path   string // relative to the root
	orphan bool   // removed or replaced by us, or found to be another file: no name leads to it
	moving int    // moves under way that concern it
	moves  int    // moves that have concerned it, those included
	unsure bool   // path may mean another file, which looks as this one could
	files  map[*File]struct{}
	base   Attrs // as the server last had it
	news   int   // changes of ours that were sent or acknowledged
	// exact says that base is what the server must still show. Else our own
	// writes are under way, and the size must lie between minSize and maxSize.
	exact            bool
	minSize, maxSize int64
}

// objectTable knows the open files by name.
type objectTable struct {
	mu     sync.Mutex
	byPath map[string]*object // GUARDED_BY(mu)
	open   map[*File]struct{} // GUARDED_BY(mu)
	moved  chan struct{}      // closed at the end of the next move; GUARDED_BY(mu)
}

func (t *objectTable) init() {
	t.byPath = make(map[string]*object)
	t.open = make(map[*File]struct{})
	t.moved = make(chan struct{})
}

func (t *objectTable) count() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.open)
}

func (t *objectTable) files() []*File {
	t.mu.Lock()
	defer t.mu.Unlock()
	all := make([]*File, 0, len(t.open))
	for f := range t.open {
		all = append(all, f)
	}
	return all
}

// at gives the files that are open under the name p.
func (t *objectTable) at(p string) []*File {
	t.mu.Lock()
	defer t.mu.Unlock()
	o := t.byPath[p]
	if o == nil {
		return nil
	}
	return slices.Collect(maps.Keys(o.files))
}

// asked is what is open under a name when the server is asked to open it once more.
type asked struct {
	o    *object
	news int
}

func (t *objectTable) ask(p string) asked {
	t.mu.Lock()
	defer t.mu.Unlock()
	o := t.byPath[p]
	if o == nil {
		return asked{}
	}
	return asked{o, o.news}
}

// add makes f one of the files of the object at path p. It shows attributes a, for which
// the server was asked at the time of then: if we have changed the file since, they may
// be older than what is known. Otherwise, when what is open there looks different, the
// name now means another file.
func (t *objectTable) add(f *File, p string, a Attrs, then asked) {
	t.mu.Lock()
	defer t.mu.Unlock()
	o := t.byPath[p]
	older := o != nil && (o != then.o || o.news != then.news)
	if o == nil && then.o != nil && !then.o.orphan && then.o.path == p && (then.o.news != then.news || !then.o.exact) {
		o, older = then.o, true // its last file was closed meanwhile
		t.byPath[p] = o
	}
	if o != nil && f.flags.Truncate {
		o.set(Attrs{Valid: sftp.AttrSize})
	}
	if o != nil && (!older && o.exact && !sameFile(o.base, a) || !o.exact && o.unsure) {
		o.orphan = true
		o = nil
	}
	if o != nil && !older && !o.exact && o.quiet() {
		o.showed(a)
	}
	if o == nil {
		o = &object{path: p, files: make(map[*File]struct{}), base: a, exact: true}
		o.minSize, o.maxSize = int64(a.Size), int64(a.Size)
		t.byPath[p] = o
	}
	o.files[f] = struct{}{}
	t.open[f] = struct{}{}
	f.object = o
}

func (t *objectTable) drop(f *File) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.open, f)
	delete(f.object.files, f)
	if len(f.object.files) == 0 && t.byPath[f.object.path] == f.object {
		delete(t.byPath, f.object.path)
	}
}

// attrsSet notes that we changed attributes of what p names.
func (t *objectTable) attrsSet(p string, a Attrs) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if o := t.byPath[p]; o != nil {
		o.set(a)
	}
}

// set notes a change of attributes that the server has acknowledged.
func (o *object) set(a Attrs) {
	o.news++
	if a.Valid&sftp.AttrSize != 0 {
		o.base.Size = a.Size
		o.minSize, o.maxSize = int64(a.Size), int64(a.Size)
		o.exact = false // the mtime is the server's to say
	}
	if a.Valid&sftp.AttrUIDGID != 0 {
		o.base.UID, o.base.GID = a.UID, a.GID
	}
	if a.Valid&sftp.AttrTimes != 0 {
		o.base.Mtime = a.Mtime
	}
}

// sent notes that a write up to end, or a change to that size, is on its way.
func (t *objectTable) sent(o *object, end int64, truncate bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	o.news++
	o.exact = false
	o.maxSize = max(o.maxSize, end)
	if truncate {
		o.minSize = min(o.minSize, end)
	}
}

// acked notes that a write up to end was acknowledged.
func (t *objectTable) acked(o *object, end int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	o.news++
	o.minSize = max(o.minSize, end)
	o.maxSize = max(o.maxSize, end)
}

// settledAt notes the attributes that the server showed when nothing of ours was
// under way.
func (t *objectTable) settledAt(o *object, a Attrs) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if a.Valid&sftp.AttrSize != 0 && o.quiet() {
		o.showed(a)
	}
}

// quiet says that nothing of ours is under way to the object.
func (o *object) quiet() bool {
	for f := range o.files {
		if f.unacked.Load() > 0 {
			return false
		}
	}
	return true
}

// showed notes what the server shows while the object is quiet.
func (o *object) showed(a Attrs) {
	o.base, o.exact, o.unsure = a, true, false
	o.minSize, o.maxSize = int64(a.Size), int64(a.Size)
}

// ackedSet notes that a file's own change of attributes was acknowledged. Writes
// behind it may be under way: the size is at least what it says.
func (t *objectTable) ackedSet(o *object, a Attrs) {
	t.mu.Lock()
	defer t.mu.Unlock()
	most := o.maxSize
	o.set(a)
	o.maxSize = max(o.maxSize, most)
}

// seen is what an object must look like to whoever asks the server now: when the
// answer comes, more may have been acknowledged.
type seen struct {
	exact   bool
	minSize int64
}

func (t *objectTable) seenNow(o *object) seen {
	t.mu.Lock()
	defer t.mu.Unlock()
	return seen{o.exact, o.minSize}
}

// matches says whether a can be the object's, of which the server was asked at
// the time of then.
func (t *objectTable) matches(o *object, a Attrs, then seen) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if o.exact && then.exact {
		return sameFile(o.base, a)
	}
	if o.unsure {
		return false
	}
	size := int64(a.Size)
	return sameOwner(o.base, a) && size >= min(o.minSize, then.minSize) && size <= o.maxSize
}

func sameOwner(a, b Attrs) bool {
	if a.Valid&b.Valid&sftp.AttrMode != 0 && a.Mode&modeType != b.Mode&modeType {
		return false
	}
	return a.Valid&b.Valid&sftp.AttrUIDGID == 0 || a.UID == b.UID && a.GID == b.GID
}

func sameFile(a, b Attrs) bool {
	if !sameOwner(a, b) {
		return false
	}
	if a.Valid&b.Valid&sftp.AttrTimes != 0 && a.Mtime != b.Mtime {
		return false
	}
	return a.Valid&b.Valid&sftp.AttrSize == 0 || a.Size == b.Size
}

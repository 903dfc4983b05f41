package vfs

import (
	"syscall"
	"time"
)

// node is an inode. All fields are guarded by FS.mu.
type node struct {
	ino uint64
	// shows is the number that is shown instead: that of the node to which this
	// one was made a hard link (0: its own).
	shows uint64
	// parent and name say where the remote has it; the root has neither.
	parent *node
	name   string
	// alias is the name it is shown under where that is not what follows from
	// name (two names would look the same).
	alias string
	// spelled are the other names under which its parent finds it.
	spelled []string
	// gone says that the name was removed or given to another node; the node
	// lives on while it is open or known to the kernel.
	gone    bool
	nlookup uint64
	handles int
	// unlearned says that the kernel was told to forget it, and has not yet.
	unlearned bool

	attr   Attrs
	attrAt time.Time // when attr was asked for; zero: never
	guess  bool      // attr was made up by us
	tick   uint64    // of our last change to it
	// listGen is the last listing of the parent that had the name.
	listGen uint64

	dir  *dirState
	file *fileState
	loc  *local // nil for what the server has
	// link is what Readlink told, and linkAt when.
	link   string
	linkAt time.Time
	// target is where a resolved link leads, nil when it is not resolved.
	target *string
	// followed says that the node shows what the server finds behind a link.
	followed bool
	// tried says that it was looked where the link leads, own what the link
	// itself looked like then.
	tried bool
	own   Attrs
}

// dirState is what a directory node has besides.
type dirState struct {
	children map[string]*node // by remote name
	// aliases finds children under names other than their own: what a Mac
	// calls equal, and what was renamed to be told apart.
	aliases map[string]*node
	// complete says that children is all there is, as of listedAt.
	complete bool
	listedAt time.Time
	listGen  uint64
	listTime time.Duration // what the last listing took
	// order is the listing as shown; nil when it must be made anew.
	order []*node
	// usedAt is when somebody last looked into it.
	usedAt time.Time
	// misses counts questions to the server about single names since the last
	// listing.
	misses int
	// negative says that the kernel may have been told that a name is absent.
	negative bool
	fetch    *listFetch
	// touched has the tick of our last change to a name while a fetch runs.
	touched map[string]uint64
	// ahead says that it was listed before anyone asked.
	ahead bool
	// openedAt is when it was last listed by somebody, for noticing walks.
	openedAt time.Time
	seq      sequence
}

// fileState is what a regular file's node has besides.
type fileState struct {
	writer *writer
	// changes grows with everything queued, saved is its value at the last
	// flush; writing counts calls that are queueing right now.
	changes, saved uint64
	writing        int
	readers        int
	closing        *closing // an unflushed writer that is being closed; nil: none
	// ver is the version of all cached data.
	ver version
	// doubt says that the name looks different from what is open here, foreign counts
	// the versions that others made of the file, and told is closed when the kernel
	// was told to drop its pages for the last time.
	doubt   bool
	foreign int
	told    <-chan struct{}
	spans   []*span // guarded by spanCache.mu instead
}

// behindLink says that the node shows what a link leads to.
func (n *node) behindLink() bool { return n.target != nil || n.followed }

func (n *node) dirty() bool {
	return n.file != nil && (n.file.changes != n.file.saved || n.file.writing > 0)
}

// inUse says that the node may not be forgotten.
func (n *node) inUse() bool {
	return n.nlookup > 0 || n.handles > 0 || n.dirty() || n.ino == RootIno ||
		n.dir != nil && (len(n.dir.children) > 0 || n.dir.fetch != nil)
}

// get finds a node by number.
func (f *FS) get(ino uint64) (*node, error) {
	if n := f.nodes[ino]; n != nil {
		return n, nil
	}
	return nil, syscall.ESTALE
}

func (f *FS) getDir(ino uint64) (*node, error) {
	n, err := f.get(ino)
	if err != nil {
		return nil, err
	}
	if n.dir == nil {
		return nil, syscall.ENOTDIR
	}
	if n.gone {
		return nil, syscall.ENOENT
	}
	return n, nil
}

// newNode makes a node for a name that has none.
func (f *FS) newNode(parent *node, name string, a Attrs) *node {
	n := &node{parent: parent, name: name}
	n.ino = f.inos.assign(parent.ino, name, func(ino uint64) bool { return f.nodes[ino] != nil || f.linked[ino] > 0 })
	n.setType(a.Mode)
	f.nodes[n.ino] = n
	parent.dir.add(n)
	return n
}

func (n *node) setType(mode uint32) {
	n.dir, n.file = nil, nil
	switch mode & modeType {
	case modeDir:
		n.dir = &dirState{}
	case modeLink:
	default:
		n.file = &fileState{}
	}
}

func (d *dirState) add(n *node) {
	if d.children == nil {
		d.children = map[string]*node{}
	}
	d.children[n.name] = n
	d.order = nil
}

// spell has n found under another name, too.
func (d *dirState) spell(name string, n *node) {
	if d.aliases == nil {
		d.aliases = map[string]*node{}
	}
	d.aliases[name] = n
	n.spelled = append(n.spelled, name)
}

func (d *dirState) remove(n *node) {
	if d.children[n.name] == n {
		delete(d.children, n.name)
		d.order = nil
	}
	for _, name := range n.spelled {
		if d.aliases[name] == n {
			delete(d.aliases, name)
		}
	}
	n.spelled = nil
}

// detach takes a node out of the tree: its name is gone, or another's.
func (f *FS) detach(n *node) {
	if n.gone || n == f.root {
		return
	}
	n.parent.dir.remove(n)
	n.gone = true
	f.inos.release(n.ino)
	if n.dir != nil {
		for _, c := range n.dir.children {
			f.detach(c)
		}
		n.dir.children, n.dir.complete = nil, false
	}
	f.drop(n)
}

// lose is detach for a node whose name others removed, or gave to another: the kernel
// looks it up again.
func (f *FS) lose(n *node) {
	if n.gone || n == f.root {
		return
	}
	if n.nlookup > 0 {
		f.invals.entry(n.parent.ino, f.shown(n))
	}
	f.detach(n)
}

// drop forgets a node that nothing needs any more.
func (f *FS) drop(n *node) {
	if n.inUse() {
		return
	}
	if !n.gone && n.parent != nil {
		// It is the cache of its parent: eviction takes it.
		return
	}
	f.forgetNode(n)
}

func (f *FS) forgetNode(n *node) {
	if n.file != nil {
		f.spans.dropAll(n)
	}
	f.showAs(n, 0)
	delete(f.nodes, n.ino)
}

// showAs has n show the number ino instead of its own, which nothing new gets meanwhile;
// 0: its own.
func (f *FS) showAs(n *node, ino uint64) {
	if n.shows != 0 {
		if f.linked[n.shows]--; f.linked[n.shows] == 0 {
			delete(f.linked, n.shows)
		}
	}
	if n.shows = ino; ino != 0 {
		f.linked[ino]++
	}
}

// Forget takes back lookups of a node.
func (f *FS) Forget(ino, nlookup uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := f.nodes[ino]
	if n == nil || n == f.root {
		return
	}
	if n.nlookup -= min(nlookup, n.nlookup); n.nlookup == 0 {
		n.unlearned = false
	}
	f.drop(n)
}

// touch notes a change of our own to a name in a directory.
func (f *FS) touch(dir *node, name string) {
	f.touchName(dir, name)
	dir.attr.Mtime = f.serverNow()
	dir.tick = f.tick
}

// touchName is touch for a name of which the server knows nothing.
func (f *FS) touchName(dir *node, name string) {
	f.tick++
	d := dir.dir
	if d.fetch != nil {
		if d.touched == nil {
			d.touched = map[string]uint64{}
		}
		d.touched[name] = f.tick
	}
}

// changed notes a change of our own to a node.
func (f *FS) changed(n *node) {
	f.tick++
	n.tick = f.tick
}

// serverNow is the server's clock as far as we know it.
func (f *FS) serverNow() uint32 { return uint32(time.Now().Add(f.skew).Unix()) }

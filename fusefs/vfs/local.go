package vfs

import (
	"strings"
	"syscall"
	"time"

	"sshfs-bridge/fusefs/vfs/localmeta"
)

// local is what a node has that exists here alone (Options.LocalNames): its
// content is in the store, and the server knows nothing of it.
type local struct {
	// id is its number in the store; 0 while nothing is stored.
	id uint64
	// open is set while it is not known whether it is local at all.
	open *undecided
}

// undecided is a new or emptied "._x": whether it is a Mac's or the user's, its
// first bytes tell.
type undecided struct {
	head []byte // written so far, shorter than the magic; guarded by FS.mu
}

// where says what place a name belongs to.
type where int

const (
	onServer  where = iota
	onlyHere        // a Mac's own: .DS_Store and its like, and what is in such a directory
	byContent       // "._x": here if it begins as AppleDouble does
	nowhere         // refused
)

// macFiles are the names under which a Mac keeps what concerns it alone.
var macFiles = map[string]bool{".DS_Store": true, ".Spotlight-V100": true, ".fseventsd": true, ".apdisk": true}

// errTrash is the answer to a Mac that would like to keep a trash on the volume:
// refused like this, it offers to delete at once.
const errTrash = syscall.EACCES

// belongs says where a new name goes. FS.mu is held.
func (f *FS) belongs(d *node, name string) where {
	switch {
	case !f.opts.LocalNames:
		return onServer
	case d.loc != nil, macFiles[name]:
		return onlyHere
	case d == f.root && name == ".Trashes":
		return nowhere
	case appleDoubleName(name):
		return byContent
	}
	return onServer
}

// tooLong says that no file can have the name. The resource fork of a file with the
// longest of names has a longer one: it stays here, and smbd asks for it before it
// removes the file.
func (f *FS) tooLong(shown string) bool {
	limit := maxName
	if f.opts.LocalNames && appleDoubleName(shown) {
		limit += len("._")
	}
	return len(shown) > limit
}

func appleDoubleName(name string) bool { return len(name) > 2 && strings.HasPrefix(name, "._") }

// companion says that a local "._x" is there for a file that is found as x: it is that
// file's resource fork, which smbd keeps so and shows as a stream of x. It is found by
// its name and not listed, or a Mac that copies a folder would copy the fork twice.
func (f *FS) companion(d, c *node) bool {
	return c.loc != nil && c.loc.open == nil && appleDoubleName(c.name) && f.findChild(d, strings.TrimPrefix(f.shown(c), "._")) != nil
}

// goes says where a change to a name goes: what is there decides, whether it is
// here or litter on the server.
func (f *FS) goes(d *node, name string) where {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.goesLocked(d, name)
}

func (f *FS) goesLocked(d *node, name string) where {
	switch c := d.dir.children[name]; {
	case c == nil:
		return f.belongs(d, name)
	case c.loc != nil:
		return onlyHere
	}
	return onServer
}

// childOf is findChild, and looks into the store where that may have what was
// forgotten. FS.mu is held, and given up for that look.
func (f *FS) childOf(d *node, shown string) *node {
	if c := f.findChild(d, shown); c != nil {
		return c
	}
	name := f.names.remote(shown)
	if w := f.belongs(d, name); w != onlyHere && w != byContent || d.loc == nil && d.dir.complete {
		return nil
	}
	path, err := f.path(d)
	if err != nil {
		return nil
	}
	f.mu.Unlock()
	info, ok := f.local.Lookup(join(path, name))
	f.mu.Lock()
	if !ok || d.gone {
		return f.findChild(d, shown)
	}
	return f.adoptLocal(d, name, info)
}

// adoptLocal gives the node of what the store has under a name. FS.mu is held.
func (f *FS) adoptLocal(d *node, name string, info localmeta.Info) *node {
	if c := d.dir.children[name]; c != nil {
		if c.loc == nil && c.nlookup == 0 && c.handles == 0 {
			// Litter of the same name on the server is behind it.
			f.detach(c)
		} else {
			return c
		}
	}
	n := f.newNode(d, name, Attrs{Mode: info.Mode})
	n.loc = &local{id: info.ID}
	f.setLocalAttrs(n, info)
	return n
}

func (f *FS) setLocalAttrs(n *node, info localmeta.Info) {
	n.attr = Attrs{
		Valid: attrsAll, Mode: info.Mode, Size: info.Size, Atime: info.Atime, Mtime: info.Mtime,
		UID: f.creds.uid, GID: f.creds.gid,
	}
	n.attrAt = time.Now()
}

// localsIn are the local names in a directory that has this path.
func (f *FS) localsIn(path string) []localmeta.Named {
	if !f.opts.LocalNames {
		return nil
	}
	return f.local.List(path)
}

// addLocals makes nodes of what the store has in d, but for names that were
// changed after the tick since. FS.mu is held.
func (f *FS) addLocals(d *node, names []localmeta.Named, since uint64) {
	for _, l := range names {
		if d.dir.touched[l.Name] <= since {
			f.adoptLocal(d, l.Name, l.Info)
		}
	}
}

// loadLocal reads a local directory from the store.
func (f *FS) loadLocal(d *node) error {
	f.mu.Lock()
	path, err := f.path(d)
	f.mu.Unlock()
	if err != nil {
		return err
	}
	names := f.local.List(path)
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, l := range names {
		f.adoptLocal(d, l.Name, l.Info)
	}
	return nil
}

// openLocals are the numbers of all local files that are open. FS.mu is held.
func (f *FS) openLocals() []uint64 {
	var ids []uint64
	for _, h := range f.handles {
		if l := h.n.loc; l != nil && l.id != 0 {
			ids = append(ids, l.id)
		}
	}
	return ids
}

// forgetLocal forgets what the store has of a path whose file is gone, or new.
func (f *FS) forgetLocal(path string) {
	if !f.local.Has(path) {
		return // as of most files: nobody need look through the open ones
	}
	f.mu.Lock()
	open := f.openLocals()
	f.mu.Unlock()
	if err := f.local.Remove(path, open); err != nil {
		f.log.Warn("local metadata not removed", "path", path, "err", err)
	}
}

// moveLocal has what the store has follow a file to its new name.
func (f *FS) moveLocal(from, to string) {
	if !f.local.Has(from) && !f.local.Has(to) {
		return
	}
	f.mu.Lock()
	open := f.openLocals()
	f.mu.Unlock()
	if err := f.local.Rename(from, to, open); err != nil {
		f.log.Warn("local metadata not renamed", "path", from, "err", err)
	}
}

// now is our clock as attributes have it.
func now() uint32 { return uint32(time.Now().Unix()) }

package vfs

import (
	"slices"
	"time"
)

// evictPause is the time between two searches for what can be forgotten: the kernel
// takes a moment to forget what it was told to.
const evictPause = time.Second

// evict forgets directories' children that were not used for long when too many nodes
// are remembered. FS.mu is held.
func (f *FS) evict() {
	if len(f.nodes) <= f.opts.MaxNodes || time.Since(f.evicted) < evictPause {
		return
	}
	f.evicted = time.Now()
	var dirs []*node
	for _, n := range f.nodes {
		if n.dir != nil && len(n.dir.children) > 0 && n.handles == 0 && n.dir.fetch == nil && time.Since(n.dir.usedAt) >= time.Second {
			dirs = append(dirs, n)
		}
	}
	slices.SortFunc(dirs, func(a, b *node) int { return a.dir.usedAt.Compare(b.dir.usedAt) })
	target := f.opts.MaxNodes * 9 / 10
	for _, d := range dirs {
		if len(f.nodes) <= target {
			return
		}
		d.dir.complete, d.dir.aliases, d.dir.order = false, nil, nil
		for name, c := range d.dir.children {
			if !c.inUse() {
				delete(d.dir.children, name)
				f.forgetNode(c)
			}
		}
	}
	f.unlearn(dirs, len(f.nodes)-target)
}

// unlearn has the kernel forget about as many children of dirs as there are too many:
// it remembers what it has room for, and a node is needed until it tells that it forgot
// it. Directories are left alone, since one may be somebody's working directory, which
// would seem to be removed. FS.mu is held.
func (f *FS) unlearn(dirs []*node, many int) {
	for _, d := range dirs {
		for _, c := range d.dir.children {
			if many <= 0 {
				return
			}
			if c.nlookup > 0 && c.dir == nil && c.handles == 0 && !c.dirty() {
				f.invals.entry(d.ino, f.shown(c))
				many--
			}
		}
	}
}

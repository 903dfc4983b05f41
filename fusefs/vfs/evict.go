package vfs

import (
	"slices"
	"time"
)

// evictPause is the time between two searches for what can be forgotten: the kernel
// takes a moment to forget what it was told to.
const evictPause = time.Second

// evictIdle is how long a directory is left alone after somebody looked into it: who
// lists it looks up what is in it next.
const evictIdle = time.Second

// evict forgets what was not used for long when too many nodes are remembered: what
// directories have in them, the least recently used first. FS.mu is held.
func (f *FS) evict() {
	now := time.Now()
	if len(f.nodes) <= f.opts.MaxNodes || now.Sub(f.evicted) < evictPause {
		return
	}
	f.evicted = now
	var dirs []*node
	for _, n := range f.nodes {
		if n.dir != nil && len(n.dir.children) > 0 && n.dir.idle(now) && n.handles == 0 {
			dirs = append(dirs, n)
		}
	}
	slices.SortFunc(dirs, func(a, b *node) int { return a.dir.usedAt.Compare(b.dir.usedAt) })
	target := f.opts.MaxNodes * 9 / 10
	for _, d := range dirs {
		if len(f.nodes) <= target {
			return
		}
		if f.nodes[d.ino] != d {
			continue // it went with what was in it
		}
		d.dir.complete, d.dir.aliases, d.dir.order = false, nil, nil
		for name, c := range d.dir.children {
			if !c.inUse() {
				delete(d.dir.children, name)
				f.forgetNode(c)
			}
		}
		// What is empty now goes with them, where its parent's turn was before.
		for n := d; !n.inUse() && !n.gone && !n.parent.dir.complete && n.parent.dir.fetch == nil; n = n.parent {
			n.parent.dir.remove(n)
			f.forgetNode(n)
		}
	}
	f.unlearn(dirs, len(f.nodes)-target, now)
}

// idle says that nobody lists the directory or has just looked into it.
func (d *dirState) idle(now time.Time) bool {
	return d.fetch == nil && now.Sub(d.usedAt) >= evictIdle
}

// unlearn has the kernel forget about as many of what dirs have in them as there are
// too many, and those of dirs in which it knows nothing then: it remembers what it has
// room for, and a node is needed until it tells that it forgot it. FS.mu is held.
func (f *FS) unlearn(dirs []*node, many int, now time.Time) {
	// The kernel holds a directory for as long as it knows anything in it.
	holds := map[*node]int{}
	for _, n := range f.nodes {
		if n.nlookup > 0 && !n.gone && n.parent != nil {
			holds[n.parent]++
		}
	}
	var inos []uint64
	var files []entryName
	again := 0
	taken := map[*node]bool{}
	spare := func(n *node) bool {
		return n != f.root && n.nlookup > 0 && !taken[n] && holds[n] == 0 &&
			n.handles == 0 && !n.dirty() && (n.dir == nil || n.dir.idle(now))
	}
	for _, d := range dirs {
		for _, c := range d.dir.children {
			for n := c; len(inos) < many && spare(n); n = n.parent {
				taken[n] = true
				if n.unlearned {
					again++
				}
				n.unlearned = true
				holds[n.parent]--
				inos = append(inos, n.ino)
				if n.dir == nil {
					files = append(files, entryName{n.parent.ino, f.shown(n)})
				}
			}
		}
	}
	if len(inos) == 0 {
		return
	}
	f.invals.push(func(k Kernel) {
		if !k.Prune(inos) {
			// Not directories: one may be somebody's working directory, which
			// would seem to be removed if its name were dropped.
			for _, e := range files {
				k.InvalEntry(e.parent, e.name)
			}
		}
		// Where there is no pruning, and where the kernel knows names that are absent
		// from a directory, the directory stays. All else that is unused is lost with
		// it, so that it has to be worth it.
		if again > many/2 && f.opts.ForgetUnused != nil {
			f.opts.ForgetUnused()
		}
	})
}

// entryName is a name as the kernel knows it.
type entryName struct {
	parent uint64
	name   string
}

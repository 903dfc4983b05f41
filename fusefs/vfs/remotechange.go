package vfs

import "path"

// maxTold bounds the names told of one change: whoever is told lists the
// directory again in any case.
const maxTold = 16

// remoteChange gathers what a listing shows that others did.
type remoteChange struct {
	any   bool
	nodes []*node // new or changed
}

func (c *remoteChange) note(n *node) {
	c.any = true
	if len(c.nodes) < maxTold {
		c.nodes = append(c.nodes, n)
	}
}

// tellChange tells of a change to a directory that somebody holds open, after
// the kernel was told to forget what is no more. FS.mu is held.
func (f *FS) tellChange(d *node, c remoteChange) {
	if !c.any || d.handles == 0 || f.opts.OnRemoteChange == nil {
		return
	}
	dir, ok := f.shownPath(d)
	if !ok {
		return
	}
	names := make([]string, len(c.nodes))
	for i, n := range c.nodes {
		names[i] = f.shown(n)
	}
	f.invals.push(func(Kernel) { f.opts.OnRemoteChange(dir, names) })
}

// shownPath is where a user of the mount finds the node. FS.mu is held.
func (f *FS) shownPath(n *node) (string, bool) {
	at := ""
	for ; n != f.root; n = n.parent {
		if n == nil || n.gone {
			return "", false
		}
		at = path.Join(f.shown(n), at)
	}
	return at, true
}

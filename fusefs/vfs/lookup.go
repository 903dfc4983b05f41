package vfs

import (
	"context"
	"syscall"
	"time"
)

// missesToList is how many single names are asked for before the directory is
// listed as a whole, in the background.
const missesToList = 3

// maxName is the longest name, in bytes.
const maxName = 255

// Lookup finds a name. It waits for no round trip where the directory was listed
// or the name looked up lately, whether it exists or not, and for one
// otherwise. For a name known to be absent it returns ENOENT and a Node that
// says for how long.
func (f *FS) Lookup(ctx context.Context, parent uint64, shown string) (Node, error) {
	n, err := f.lookup(ctx, parent, shown)
	if f.names.standsIn(shown) {
		n.EntryTTL = 0 // another spelling: what becomes of the name is told of the one that is listed
	}
	return n, err
}

func (f *FS) lookup(ctx context.Context, parent uint64, shown string) (Node, error) {
	f.mu.Lock()
	d, err := f.getDir(parent)
	if err != nil {
		f.mu.Unlock()
		return Node{}, err
	}
	if f.tooLong(shown) {
		f.mu.Unlock()
		return Node{}, syscall.ENAMETOOLONG
	}
	d.dir.usedAt = time.Now()
	c := f.childOf(d, shown)
	if c == nil && d.loc != nil {
		defer f.mu.Unlock()
		return Node{EntryTTL: f.attrLeft(d)}, syscall.ENOENT
	}
	if c != nil && f.attrFresh(c) {
		n := f.info(c)
		if !f.unresolved(c) {
			f.mu.Unlock()
			return n, nil
		}
		f.mu.Unlock()
		f.resolve(ctx, c)
		f.mu.Lock()
		defer f.mu.Unlock()
		return f.peek(c), nil
	}
	if left := f.listLeft(d); c == nil && left > 0 {
		defer f.mu.Unlock()
		d.dir.negative = true
		return Node{EntryTTL: left}, syscall.ENOENT
	}
	f.mu.Unlock()
	if c != nil {
		if err := f.refresh(ctx, c); err != nil && !notExist(err) && err != syscall.ESTALE {
			return Node{}, err
		} else if err == nil {
			f.resolve(ctx, c)
			f.mu.Lock()
			if !c.gone && f.findChild(d, shown) == c {
				defer f.mu.Unlock()
				return f.info(c), nil
			}
			f.mu.Unlock() // it has another name now
		}
	}
	return f.lookupRemote(ctx, d, shown)
}

// findChild finds a child by the name that a user gave: the one that is shown by it,
// or by another spelling of it, or at last the one that the server knows by it. That
// one may be shown by another name for the sake of one that is gone by now.
func (f *FS) findChild(d *node, shown string) *node {
	if c := d.dir.aliases[shown]; c != nil {
		return c
	}
	own := d.dir.children[f.names.remote(shown)]
	if own != nil && (own.alias == "" || own.alias == shown) {
		return own
	}
	if key := nfc(shown); key != "" {
		if c := d.dir.aliases[key]; c != nil {
			return c
		}
		if c := d.dir.children[f.names.remote(key)]; c != nil {
			return c
		}
	}
	return own
}

// lookupRemote asks the remote for a name.
func (f *FS) lookupRemote(ctx context.Context, d *node, shown string) (Node, error) {
	name := f.names.remote(shown)
	path, done, err := f.usePlace(ctx, d, name)
	if err != nil {
		return Node{}, err
	}
	f.mu.Lock()
	since, at := f.tick, time.Now()
	f.mu.Unlock()
	a, err := f.r.Lstat(ctx, path)
	done()
	if err == nil {
		err = checkAttrs(&a)
	}
	if notExist(err) && nfc(shown) != "" {
		// Another spelling of the same name may exist.
		if lerr := f.list(ctx, d, since); lerr == nil {
			f.mu.Lock()
			defer f.mu.Unlock()
			if c := f.findChild(d, shown); c != nil {
				return f.info(c), nil
			}
			return Node{EntryTTL: f.listLeft(d)}, syscall.ENOENT
		}
	}
	f.mu.Lock()
	if err == nil {
		if d.gone {
			f.mu.Unlock()
			return Node{}, syscall.ENOENT
		}
		if d.dir.touched[name] > since && d.dir.children[name] == nil {
			f.mu.Unlock()
			return Node{}, syscall.ENOENT
		}
		n, _ := f.adopt(d, name, a, since, at)
		n.nlookup++ // holds it while a link is resolved
		f.mu.Unlock()
		f.resolve(ctx, n)
		f.mu.Lock()
		defer f.mu.Unlock()
		f.noteMiss(d)
		f.evict()
		return f.peek(n), nil
	}
	defer f.mu.Unlock()
	if notExist(err) {
		if c := d.dir.children[name]; c != nil && c.tick > since {
			return f.info(c), nil
		}
		f.noteMiss(d)
		return Node{}, syscall.ENOENT
	}
	if c := f.findChild(d, shown); c != nil && linkTrouble(err) && !c.attrAt.IsZero() {
		return f.info(c), nil
	}
	return Node{}, err
}

// noteMiss counts questions about single names of d and has d listed when there
// are many.
func (f *FS) noteMiss(d *node) {
	if d == nil || f.strict() || f.opts.NoPrefetch {
		return
	}
	if d.dir.misses++; d.dir.misses == missesToList && d.dir.fetch == nil && !f.closed {
		f.startList(d)
	}
}

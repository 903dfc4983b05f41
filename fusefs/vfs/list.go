package vfs

import (
	"context"
	"slices"
	"strings"
	"time"

	"sshfs-bridge/fusefs/vfs/localmeta"
)

// listFetch is one listing on its way.
type listFetch struct {
	done  chan struct{}
	since uint64 // the tick when it began
	began time.Time
	err   error
	ahead bool // of a walk; guarded by FS.mu
}

// listLeft is for how long a listing may be taken for all there is.
func (f *FS) listLeft(d *node) time.Duration {
	if d.loc != nil {
		return f.attrLeft(d)
	}
	if f.strict() || !d.dir.complete || d.dir.listedAt.Before(f.forgotAt) {
		return 0
	}
	return max(0, f.opts.AttrTTL-time.Since(d.dir.listedAt))
}

// list has a directory listed and waits for it. A listing that began before
// the tick since is not good enough.
func (f *FS) list(ctx context.Context, d *node, since uint64) error {
	return f.listAfter(ctx, d, nil, func(l *listFetch) bool { return l.since >= since })
}

// listPatience is how long anybody waits for a listing, as for all else that is asked by
// name. One of many names over a slow line goes on, and who asks again finds it there.
const listPatience = 5 * time.Second

// listAfter waits for a listing that is ok: l, which was under way when the caller found
// that he needs one and may be over by now (nil: none was), or a later one.
func (f *FS) listAfter(ctx context.Context, d *node, l *listFetch, ok func(*listFetch) bool) error {
	ctx, cancel := context.WithTimeout(ctx, listPatience)
	defer cancel()
	for {
		f.mu.Lock()
		if l == nil {
			l = d.dir.fetch
		}
		if l == nil {
			if f.closed {
				f.mu.Unlock()
				return context.Canceled
			}
			l = f.startList(d)
		}
		good := ok(l) && !l.began.Before(f.forgotAt)
		f.mu.Unlock()
		select {
		case <-l.done:
		case <-ctx.Done():
			return ctx.Err()
		}
		if good {
			return l.err
		}
		l = nil
	}
}

// startList begins to list a directory in the background. FS.mu is held, and no
// listing of d is under way.
func (f *FS) startList(d *node) *listFetch {
	l := &listFetch{done: make(chan struct{}), since: f.tick, began: time.Now()}
	d.dir.fetch, d.dir.touched = l, nil
	f.spawn(func(ctx context.Context) {
		var entries []Entry
		var here []localmeta.Named
		path, done, err := f.useName(ctx, d)
		if err == nil {
			entries, err = f.r.ReadDir(ctx, path)
			here = f.localsIn(path)
			done()
		}
		f.mu.Lock()
		if err == nil && !d.gone && d.dir != nil {
			f.addLocals(d, here, l.since)
			f.applyListing(d, entries, l)
			f.evict()
		}
		f.walkOn(d, l, err)
		l.err = err
		if f.followsLinks() {
			f.mu.Unlock()
			f.resolveAll(ctx, d)
			f.mu.Lock()
		}
		if d.dir != nil {
			d.dir.fetch, d.dir.touched = nil, nil
		}
		f.drop(d)
		f.mu.Unlock()
		close(l.done)
	})
	return l
}

// applyListing makes the children of d what the remote listed, except for
// what we changed since it was asked.
func (f *FS) applyListing(d *node, entries []Entry, l *listFetch) {
	s := d.dir
	first := !s.complete && !s.negative
	s.listGen++
	at := l.began
	if half := time.Now().Add(-f.opts.AttrTTL / 2); at.Before(half) && !at.Before(f.forgotAt) {
		at = half // it took long: it would be too old as soon as it is there
	}
	var seen remoteChange
	for i := range entries {
		e := &entries[i]
		if e.Name == "." || e.Name == ".." || s.touched[e.Name] > l.since {
			if c := s.children[e.Name]; c != nil {
				c.listGen = s.listGen
			}
			continue
		}
		if err := checkAttrs(&e.Attrs); err != nil {
			f.log.Warn("directory entry left out", "path", e.Name, "err", err)
			continue
		}
		known := s.children[e.Name] != nil
		guess := known && s.children[e.Name].guess // what is told now is no change
		c, changed := f.adopt(d, e.Name, e.Attrs, l.since, at)
		c.listGen = s.listGen
		switch {
		case !known:
			if !first {
				seen.note(c)
			}
			if !first && s.negative {
				f.invals.entry(d.ino, f.shown(c))
			}
		case changed:
			if !guess {
				seen.note(c)
			}
			if c.nlookup > 0 {
				f.invals.attr(c.ino)
			}
		}
	}
	for _, c := range s.children {
		if c.listGen == s.listGen || s.touched[c.name] > l.since || c.tick > l.since || c.dirty() || c.loc != nil || f.nameUse.changing[c] > 0 {
			continue
		}
		seen.any = true
		f.lose(c)
	}
	s.complete, s.listedAt, s.misses = true, at, 0
	s.listTime = time.Since(l.began)
	s.order = nil
	f.spell(d)
	f.tellChange(d, seen)
}

// spell finds the other names under which children are found, and gives those
// that a Mac could not tell apart different ones.
func (f *FS) spell(d *node) {
	d.dir.aliases = nil
	f.sort(d)
	var taken map[string]bool
	for _, c := range d.dir.order {
		c.alias, c.spelled = "", nil
		shown := f.names.show(c.name)
		if f.names.smb && len(shown) > maxName {
			shown = shortened(shown, c.name)
			c.alias = shown
			d.dir.spell(shown, c)
			continue
		}
		key := nfc(shown)
		if key == "" {
			continue
		}
		if !f.names.smb {
			if key != shown && d.dir.children[key] == nil && d.dir.aliases[key] == nil {
				d.dir.spell(key, c)
			}
			continue
		}
		if taken == nil {
			taken = map[string]bool{}
		}
		for i := 2; taken[key]; i++ {
			c.alias = numbered(shown, i)
			key = nfc(c.alias)
		}
		taken[key] = true
		if c.alias != "" {
			d.dir.spell(c.alias, c)
		}
		if key != shown {
			d.dir.spell(key, c)
		}
	}
}

// sort makes the order in which the children are shown.
func (f *FS) sort(d *node) {
	if d.dir.order != nil {
		return
	}
	order := make([]*node, 0, len(d.dir.children))
	for _, c := range d.dir.children {
		order = append(order, c)
	}
	slices.SortFunc(order, func(a, b *node) int { return strings.Compare(a.name, b.name) })
	d.dir.order = order
}

// checkListings has listings that are in use read again before they are too old.
func (f *FS) checkListings(now time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	running := 0
	for _, n := range f.nodes {
		if n.dir == nil || n.gone {
			continue
		}
		if n.dir.fetch != nil {
			running++
			continue
		}
		age := now.Sub(n.dir.listedAt)
		pause := max(f.opts.AttrTTL/2, 20*n.dir.listTime)
		used := n.handles > 0 || !f.strict() && now.Sub(n.dir.usedAt) < checkFor
		due := age > pause || n.dir.listedAt.Before(f.forgotAt)
		if running < 2 && n.dir.complete && due && used && !f.closed {
			f.startList(n)
			running++
		}
	}
}

// checkFor is how long after its last use a listing is kept up to date. One that
// somebody holds open is for as long: who waits to be told of changes (smbd, on
// behalf of a Finder window) does nothing else meanwhile.
const checkFor = time.Minute

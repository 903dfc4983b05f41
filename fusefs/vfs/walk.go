package vfs

import "time"

const (
	// walkCredit is how many directories are listed ahead when a walk begins, and
	// walkMax how many at most before somebody looks at one of them.
	walkCredit = 64
	walkMax    = 1024
	// walkParallel bounds the listings ahead at a time.
	walkParallel = 24
	// walkPause is the time after which a walk counts as over.
	walkPause = 3 * time.Second
)

// walker lists subdirectories before they are asked for, while somebody walks a
// tree: opens a directory and then directories in it. All fields are guarded by
// FS.mu.
type walker struct {
	credit  int
	limit   int
	running int
	queue   []*node
	lastAt  time.Time
}

func (w *walker) init() { w.limit = walkCredit }

// noteWalk takes note that somebody listed d. FS.mu is held.
func (f *FS) noteWalk(d *node) {
	if f.strict() || f.opts.NoPrefetch {
		return
	}
	w := &f.walk
	now := time.Now()
	d.dir.openedAt = now
	walking := d.parent != nil && now.Sub(d.parent.dir.openedAt) < walkPause || w.walking(now)
	if d.dir.ahead {
		// It was worth it: go on further ahead.
		d.dir.ahead = false
		w.limit = min(walkMax, w.limit*2)
		w.credit = min(w.limit, w.credit+2)
	}
	if d.parent == nil || now.Sub(d.parent.dir.openedAt) >= walkPause {
		return
	}
	if !walking {
		return
	}
	if !w.walking(now) {
		w.limit, w.queue = walkCredit, nil
		w.credit = w.limit
		// The walk began above: its other directories come next.
		f.queueChildren(d.parent)
	}
	w.credit = max(w.credit, w.limit/2)
	w.lastAt = now
	f.queueChildren(d)
	f.pumpWalk()
}

func (w *walker) walking(now time.Time) bool { return now.Sub(w.lastAt) < walkPause }

// walkOn goes on below a directory that was just listed. FS.mu is held.
func (f *FS) walkOn(d *node, l *listFetch, err error) {
	if l.ahead {
		f.walk.running--
		if err == nil && d.dir != nil && !d.gone {
			f.count.listedAhead.Add(1)
			f.queueChildren(d)
		}
	}
	if f.walk.walking(time.Now()) {
		f.pumpWalk()
	}
}

func (f *FS) queueChildren(d *node) {
	f.sort(d)
	for _, c := range d.dir.order {
		if c.dir != nil && c.loc == nil && !c.followed && !c.dir.complete && c.dir.fetch == nil && len(f.walk.queue) < walkMax {
			f.walk.queue = append(f.walk.queue, c)
		}
	}
}

// pumpWalk starts what may be listed ahead. FS.mu is held.
func (f *FS) pumpWalk() {
	w := &f.walk
	for len(w.queue) > 0 && w.running < walkParallel && w.credit > 0 && !f.closed && len(f.nodes) < f.opts.MaxNodes {
		d := w.queue[0]
		w.queue = w.queue[1:]
		if d.gone || f.nodes[d.ino] != d || d.dir == nil || d.dir.complete || d.dir.fetch != nil {
			continue // the node may even have been forgotten since it was queued
		}
		w.credit--
		w.running++
		d.dir.ahead = true
		f.startList(d).ahead = true
	}
}

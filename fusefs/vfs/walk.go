package vfs

import (
	"cmp"
	"slices"
	"time"
)

const (
	// walkParallel bounds the listings ahead at a time.
	walkParallel = 24
	// walkCredit is how many are begun at most before somebody looks at a further
	// directory: so that as many are under way for as long as he waits for one, and
	// no more are for nothing when he stops.
	walkCredit = 2 * walkParallel
	// walkPause is the time after which a walk counts as over.
	walkPause = 3 * time.Second
)

// walker lists subdirectories before they are asked for, while somebody walks a
// tree: opens a directory and then directories in it. All fields are guarded by
// FS.mu.
type walker struct {
	credit  int
	running int
	queue   []toList // in the order in which a walk comes to them
	at      string   // the turn of the directory that was looked at last
	lastAt  time.Time
}

// toList is a directory that may be listed ahead.
type toList struct {
	// turn is its path with a NUL before each name: by it directories are in the
	// order in which find, cp and rsync come to them, each before what is in it and
	// that before the next one.
	turn string
	n    *node
}

func byTurn(a, b toList) int { return cmp.Compare(a.turn, b.turn) }

// turn gives toList.turn. FS.mu is held.
func (f *FS) turn(d *node) string {
	if d == f.root || d.parent == nil {
		return ""
	}
	return f.turn(d.parent) + "\x00" + d.name
}

// noteWalk takes note that somebody listed d. FS.mu is held.
func (f *FS) noteWalk(d *node) {
	if f.strict() || f.opts.NoPrefetch {
		return
	}
	w := &f.walk
	now := time.Now()
	d.dir.openedAt = now
	if d.dir.ahead {
		d.dir.ahead = false
		f.count.listedUsed.Add(1)
	}
	if d.parent == nil || now.Sub(d.parent.dir.openedAt) >= walkPause {
		return
	}
	if !w.walking(now) {
		// The walk began above: its other directories come next.
		w.queue = nil
		f.queueChildren(d.parent)
	}
	w.credit = walkCredit
	w.lastAt, w.at = now, f.turn(d)
	f.queueChildren(d)
	f.pumpWalk()
}

func (w *walker) walking(now time.Time) bool { return now.Sub(w.lastAt) < walkPause }

// walkOn goes on below a directory that was just listed. FS.mu is held.
func (f *FS) walkOn(d *node, l *listFetch, err error) {
	if l.ahead {
		f.walk.running--
		if err == nil && d.dir != nil && !d.gone {
			f.queueChildren(d)
		}
	}
	if f.walk.walking(time.Now()) {
		f.pumpWalk()
	}
}

// queueChildren has what is in d listed ahead, in its turn. FS.mu is held.
func (f *FS) queueChildren(d *node) {
	f.sort(d)
	var fresh []toList
	below := f.turn(d) + "\x00"
	for _, c := range d.dir.order {
		if c.dir != nil && c.loc == nil && !c.followed && !c.dir.complete && c.dir.fetch == nil {
			fresh = append(fresh, toList{below + c.name, c})
		}
	}
	w := &f.walk
	if len(fresh) == 0 || len(w.queue)+len(fresh) > f.opts.MaxNodes {
		return
	}
	from, _ := slices.BinarySearchFunc(w.queue, fresh[0], byTurn)
	to, _ := slices.BinarySearchFunc(w.queue, toList{turn: f.turn(d) + "\x01"}, byTurn)
	if to > from { // some of them are there, or something below them
		fresh = append(fresh, w.queue[from:to]...)
		slices.SortStableFunc(fresh, byTurn)
		fresh = slices.CompactFunc(fresh, func(a, b toList) bool { return a.turn == b.turn })
	}
	w.queue = slices.Replace(w.queue, from, to, fresh...)
}

// pumpWalk starts what may be listed ahead: what comes next after where the walker is,
// and what he left out only where there is nothing else. FS.mu is held.
func (f *FS) pumpWalk() {
	w := &f.walk
	for len(w.queue) > 0 && w.running < walkParallel && w.credit > 0 && !f.closed && len(f.nodes) < f.opts.MaxNodes {
		i, _ := slices.BinarySearchFunc(w.queue, toList{turn: w.at}, byTurn)
		if i == len(w.queue) {
			i = 0
		}
		d := w.queue[i].n
		w.queue = slices.Delete(w.queue, i, i+1)
		if d.gone || f.nodes[d.ino] != d || d.dir == nil || d.dir.complete || d.dir.fetch != nil {
			continue // the node may even have been forgotten since it was queued
		}
		w.credit--
		w.running++
		d.dir.ahead = true
		f.count.listedAhead.Add(1)
		f.startList(d).ahead = true
	}
}

package vfs

import (
	"context"
	"slices"
	"time"

	"sshfs-bridge/fusefs/sftp"
)

const (
	// siblingMax is the largest file that is fetched before it is opened, and
	// siblingBytes how far ahead of a reader at most.
	siblingMax   = 1 << 20
	siblingBytes = 8 << 20
	// siblingLimit is how many files are fetched ahead at most.
	siblingLimit = 64
	// siblingPause ends a reader's way through a directory.
	siblingPause = 5 * time.Second
)

// sequence is how the files of a directory are being opened. It is guarded by
// FS.mu.
type sequence struct {
	last    string // the file opened last
	lastAt  time.Time
	streak  int
	ahead   int    // how many files to be ahead
	upTo    string // the last one fetched
	pending int
}

// noteOpen notices that the files of a directory are read one after another, and
// fetches the next ones: each costs two round trips that nobody waits for. FS.mu is
// held.
func (f *FS) noteOpen(n *node) {
	d := n.parent
	if f.strict() || f.opts.NoPrefetch || d == nil || n.gone || !d.dir.complete || f.closed {
		return
	}
	f.sort(d)
	order := d.dir.order
	s := &d.dir.seq
	i, ok := slices.BinarySearchFunc(order, n.name, byName)
	if !ok {
		return
	}
	now := time.Now()
	j, known := slices.BinarySearchFunc(order, s.last, byName)
	next := known && i > j && now.Sub(s.lastAt) < siblingPause
	for k := j + 1; next && k < i; k++ {
		// Between the two only what is not read like this.
		if order[k].file != nil && i-j > 3 {
			next = false
		}
	}
	if next && f.skimmed(order[j]) {
		next, known = false, false // the next file would be fetched for its head
	}
	s.last, s.lastAt = n.name, now
	if !next {
		if i != j || !known {
			s.streak, s.ahead, s.upTo = 0, 0, ""
		}
		return
	}
	s.streak++
	if s.streak < 2 {
		return
	}
	s.ahead = min(max(4, s.ahead*2), siblingLimit)
	f.fetchSiblings(d, i)
}

// skimmed says that n was left again after its head was read, which is less than what
// fetching it as a whole would bring. A small file is fetched as a whole in any case.
func (f *FS) skimmed(n *node) bool {
	return n.file != nil && n.file.readers == 0 && n.attr.Size > smallFile && f.spans.wasted(n)
}

func byName(n *node, name string) int {
	switch {
	case n.name < name:
		return -1
	case n.name > name:
		return 1
	}
	return 0
}

// fetchSiblings fetches up to the sequence's distance behind the i-th child. FS.mu
// is held.
func (f *FS) fetchSiblings(d *node, i int) {
	s := &d.dir.seq
	from := i + 1
	if s.upTo != "" {
		if k, ok := slices.BinarySearchFunc(d.dir.order, s.upTo, byName); ok && k+1 > from {
			from = k + 1
		}
	}
	// What the cache cannot keep until the reader comes would be fetched twice.
	limit := min(siblingBytes, f.cacheShare())
	files, bytes := 0, int64(0)
	for k := i + 1; k < len(d.dir.order) && files < s.ahead; k++ {
		c := d.dir.order[k]
		if c.file == nil || c.loc != nil || c.attr.Mode&modeType != modeRegular {
			continue
		}
		files++
		size := int64(c.attr.Size)
		if size == 0 || size > siblingMax {
			continue
		}
		if bytes += size; bytes > limit {
			return
		}
		if k < from {
			continue
		}
		if s.pending >= siblingLimit {
			return
		}
		s.upTo = c.name
		if c.file.readers == 0 && c.file.writer == nil && f.spans.covered(c, 0) < size {
			s.pending++
			f.startSibling(d, c)
		}
	}
}

// startSibling fetches a whole file. FS.mu is held.
func (f *FS) startSibling(d, n *node) {
	n.handles++
	f.spawn(func(ctx context.Context) {
		f.fetchWhole(ctx, n)
		f.mu.Lock()
		defer f.mu.Unlock()
		if d.dir != nil {
			d.dir.seq.pending--
		}
		n.handles--
		f.drop(n)
	})
}

// fetchWhole fetches a file that nobody asked for: whether it succeeds is nobody's
// concern.
func (f *FS) fetchWhole(ctx context.Context, n *node) {
	o, err := f.openByName(ctx, n, OpenFlags{Read: true})
	if err != nil {
		return
	}
	file, a := o.file, o.attrs
	defer f.closeFile(file)
	if a.Valid&sftp.AttrSize == 0 || a.Mode&modeType != modeRegular || a.Size == 0 || a.Size > siblingMax {
		return
	}
	f.mu.Lock()
	if n.file == nil || f.knowsBetter(n, o.since) || n.file.readers > 0 || n.file.writer != nil {
		f.mu.Unlock()
		return
	}
	f.opened(n, a, o.since, o.at)
	var spans []*span
	f.spans.cover(n, 0, 0, int64(a.Size), siblingMax, func(s *span) { spans = append(spans, s) })
	f.mu.Unlock()
	for _, s := range spans {
		got, rerr := file.ReadAt(ctx, s.buf, s.off)
		f.finish(s, got, rerr)
	}
}

package vfs

import (
	"container/list"
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// span is a piece of a file's data, [off, off+len(buf)), fetched or being
// fetched. Its bytes never change once they are there.
type span struct {
	n      *node
	off    int64
	buf    []byte // cut to what there was when it is done
	end    int64  // off plus what was asked for
	done   chan struct{}
	err    error // set before done is closed
	cancel context.CancelFunc

	// What follows is guarded by spanCache.mu.
	ahead  bool // fetched before anyone asked
	left   bool // by the readers for whom it was fetched
	used   bool
	read   int64 // how many of its bytes were used
	usedAt time.Time
	elem   *list.Element // nil once dropped
}

func (s *span) ready() bool {
	select {
	case <-s.done:
		return true
	default:
		return false
	}
}

// spanCache holds the spans of all files under one budget. Each node's spans are
// sorted by offset and do not overlap.
type spanCache struct {
	budget atomic.Int64
	count  *counters

	mu    sync.Mutex
	total int64
	lru   *list.List // of *span; the front was used last
}

func newSpanCache(budget int64) *spanCache {
	c := &spanCache{lru: list.New(), count: &counters{}}
	c.budget.Store(budget)
	return c
}

func (c *spanCache) bytes() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.total
}

// setBudget changes the budget and keeps it.
func (c *spanCache) setBudget(n int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.budget.Store(n)
	c.shrink()
}

// at finds the index of the first span of n that ends behind off. mu is held.
func (c *spanCache) at(n *node, off int64) int {
	i, _ := slices.BinarySearchFunc(n.file.spans, off, func(s *span, off int64) int {
		if s.end <= off {
			return -1
		}
		return 1
	})
	return i
}

// cover gives the spans that cover [off, end), making new ones of at most piece
// bytes where there are none; begin starts the fetch of each new one. Somebody asked for
// [off, asked), and nobody yet for what is behind it. waits says that, where somebody asked,
// not all of it is there.
func (c *spanCache) cover(n *node, off, asked, end, piece int64, begin func(*span)) (spans []*span, waits bool) {
	var fresh []*span
	ahead := asked <= off
	now := time.Now()
	c.mu.Lock()
	for pos := off; pos < end; {
		i := c.at(n, pos)
		if i < len(n.file.spans) && n.file.spans[i].off <= pos {
			s := n.file.spans[i]
			if !ahead {
				s.used, s.usedAt = true, now
				s.read += max(0, min(asked, s.end)-pos)
				c.lru.MoveToFront(s.elem)
				if !s.ready() {
					waits = true
				}
			}
			spans = append(spans, s)
			pos = s.end
			continue
		}
		stop := min(end, pos+piece)
		if i < len(n.file.spans) {
			stop = min(stop, n.file.spans[i].off)
		}
		s := &span{
			n: n, off: pos, end: stop, buf: make([]byte, stop-pos), done: make(chan struct{}),
			ahead: ahead, used: !ahead, usedAt: now,
			read: max(0, min(asked, stop)-pos),
		}
		n.file.spans = slices.Insert(n.file.spans, i, s)
		s.elem = c.lru.PushFront(s)
		c.total += int64(len(s.buf))
		c.count.ahead.Add(uint64(stop - pos - s.read))
		waits = waits || !ahead
		spans, fresh = append(spans, s), append(fresh, s)
		pos = stop
	}
	c.shrink()
	c.mu.Unlock()
	for _, s := range fresh {
		begin(s)
	}
	return spans, waits
}

// covered tells how far from off on everything is here or on its way.
func (c *spanCache) covered(n *node, off int64) int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := c.at(n, off); i < len(n.file.spans) && n.file.spans[i].off <= off; i++ {
		off = n.file.spans[i].end
	}
	return off
}

// wasted says that of the data of n which are here less was read than is made up for by
// what they may bring.
func (c *spanCache) wasted(n *node) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	var here, read int64
	for _, s := range n.file.spans {
		here += s.end - s.off
		read += s.read
	}
	return growth*read < here
}

// whole says that all of a file of that size is here.
func (c *spanCache) whole(n *node, size int64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if size == 0 {
		return false
	}
	pos := int64(0)
	for _, s := range n.file.spans {
		if s.off > pos || !s.ready() || s.err != nil {
			return false
		}
		pos = s.off + int64(len(s.buf))
	}
	return pos >= size
}

// shrink drops what was used longest ago until the budget is kept, and what no reader has
// come to yet last. mu is held.
func (c *spanCache) shrink() {
	for _, all := range []bool{false, true} {
		for e := c.lru.Back(); c.total > c.budget.Load() && e != nil; {
			s := e.Value.(*span)
			e = e.Prev()
			if coming := s.ahead && !s.left && s.read < s.end-s.off; s.ready() && (all || !coming) {
				c.drop(s)
			}
		}
	}
}

// drop takes a span out of the cache; who holds it may go on reading it. mu is
// held.
func (c *spanCache) drop(s *span) {
	if s.elem == nil {
		return
	}
	c.lru.Remove(s.elem)
	s.elem = nil
	size := s.end - s.off
	c.total -= size
	c.count.wasted.Add(uint64(max(0, size-s.read)))
	if i := slices.Index(s.n.file.spans, s); i >= 0 {
		s.n.file.spans = slices.Delete(s.n.file.spans, i, i+1)
	}
}

func (c *spanCache) remove(s *span) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.drop(s)
}

func (c *spanCache) dropAll(n *node) { c.dropRange(n, 0, 1<<62) }

// dropRange drops every span that touches [off, off+size), also those on their
// way.
func (c *spanCache) dropRange(n *node, off, size int64) {
	if n.file == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	end := off + size
	if end < off {
		end = 1<<63 - 1
	}
	i := c.at(n, off)
	j := i
	for j < len(n.file.spans) && n.file.spans[j].off < end {
		j++
	}
	for _, s := range slices.Clone(n.file.spans[i:j]) {
		c.drop(s)
	}
}

// stop ends what is being fetched for n and nobody waits for: its readers are gone, and
// what came for them is no more worth than other data.
func (c *spanCache) stop(n *node) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range slices.Clone(n.file.spans) {
		s.left = true
		if !s.used && !s.ready() && s.cancel != nil {
			s.cancel()
			c.drop(s)
		}
	}
}

// trim drops what was not used since then.
func (c *spanCache) trim(since time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for e := c.lru.Back(); e != nil; {
		s := e.Value.(*span)
		e = e.Prev()
		if s.usedAt.After(since) {
			return
		}
		if s.ready() {
			c.drop(s)
		}
	}
}

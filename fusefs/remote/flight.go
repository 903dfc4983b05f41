package remote

import (
	"cmp"

	"github.com/google/btree"
)

// flight are the operations of a file that are on their way. Whoever writes here and
// there has thousands of them, so it tells what the next one must wait for without
// looking at each.
type flight struct {
	ops     map[*op]struct{}
	ordered int                // of them
	lanes   map[*lane]int      // how many are on each
	ranges  *btree.BTreeG[*op] // the others, by where they write
	copies  map[*op]struct{}   // of these
	longest int64              // that was in ranges since they were none
}

func newFlight() flight {
	return flight{
		ops: make(map[*op]struct{}), lanes: make(map[*lane]int), copies: make(map[*op]struct{}),
		ranges: btree.NewG(16, func(o, p *op) bool {
			return cmp.Or(cmp.Compare(o.off, p.off), cmp.Compare(o.seq, p.seq)) < 0
		}),
	}
}

func (s *flight) len() int { return len(s.ops) }

// add takes o, which goes out on o.lane.
func (s *flight) add(o *op) {
	s.ops[o] = struct{}{}
	s.lanes[o.lane]++
	if o.ordered() {
		s.ordered++
		return
	}
	if s.ranges.Len() == 0 {
		s.longest = 0
	}
	s.longest = max(s.longest, o.end()-o.off)
	s.ranges.ReplaceOrInsert(o)
	if o.kind == opCopy {
		s.copies[o] = struct{}{}
	}
}

// remove takes o out.
func (s *flight) remove(o *op) {
	delete(s.ops, o)
	if s.lanes[o.lane]--; s.lanes[o.lane] == 0 {
		delete(s.lanes, o.lane)
	}
	if o.ordered() {
		s.ordered--
		return
	}
	s.ranges.Delete(o)
	delete(s.copies, o)
}

// onlyOn says that all of them are on n.
func (s *flight) onlyOn(n *lane) bool { return s.lanes[n] == len(s.ops) }

// overlaps says that o touches bytes that one of them touches.
func (s *flight) overlaps(o *op) bool {
	if s.writes(o.off, o.end()) {
		return true
	}
	// A copy within one file reads what the other writes, or the reverse.
	if o.kind == opCopy && s.writes(o.srcOff, o.srcOff+o.n) {
		return true
	}
	for c := range s.copies {
		if o.off < c.srcOff+c.n && c.srcOff < o.end() {
			return true
		}
	}
	return false
}

// writes says that one of them writes between off and end.
func (s *flight) writes(off, end int64) (found bool) {
	s.ranges.DescendLessOrEqual(&op{off: end - 1, seq: ^uint64(0)}, func(p *op) bool {
		found = p.end() > off
		return !found && p.off > off-s.longest
	})
	return found
}

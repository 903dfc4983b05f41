package remote

import (
	"math/rand/v2"
	"testing"
)

// TestFlight compares what a flight tells with a look at each operation of it.
func TestFlight(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	lanes := []*lane{{}, {}, {}}
	random := func(seq uint64) *op {
		o := &op{kind: opKind(rnd.IntN(int(opClose) + 1)), seq: seq, lane: lanes[rnd.IntN(len(lanes))]}
		switch o.kind {
		case opWrite:
			o.off, o.data = rnd.Int64N(2000), make([]byte, 1+rnd.IntN(1<<rnd.IntN(7)))
		case opCopy:
			o.off, o.srcOff, o.n = rnd.Int64N(2000), rnd.Int64N(2000), 1+rnd.Int64N(100)
		}
		return o
	}
	meet := func(off, end, off2, end2 int64) bool { return off < end2 && off2 < end }
	touch := func(o, p *op) bool {
		return !p.ordered() && (meet(o.off, o.end(), p.off, p.end()) ||
			o.kind == opCopy && meet(o.srcOff, o.srcOff+o.n, p.off, p.end()) ||
			p.kind == opCopy && meet(p.srcOff, p.srcOff+p.n, o.off, o.end()))
	}
	s := newFlight()
	var there []*op // they may overlap: behind an operation in order they do
	found := 0
	for seq := range uint64(20_000) {
		if len(there) > rnd.IntN(60) {
			i := rnd.IntN(len(there))
			s.remove(there[i])
			there = append(there[:i], there[i+1:]...)
			continue
		}
		o := random(seq)
		overlaps, ordered, home := false, 0, 0
		for _, p := range there {
			overlaps = overlaps || touch(o, p)
			if p.ordered() {
				ordered++
			}
			if p.lane == lanes[0] {
				home++
			}
		}
		if !o.ordered() {
			if got := s.overlaps(o); got != overlaps {
				t.Fatalf("%v [%d,%d) beside %d: overlaps %v, want %v", o.kind, o.off, o.end(), len(there), got, overlaps)
			}
			if overlaps {
				found++
			}
		}
		if s.len() != len(there) || s.ordered != ordered || s.onlyOn(lanes[0]) != (home == len(there)) {
			t.Fatalf("%d operations, %d in order; want %d, %d", s.len(), s.ordered, len(there), ordered)
		}
		s.add(o)
		there = append(there, o)
	}
	if found < 1000 {
		t.Errorf("only %d overlapped", found)
	}
}

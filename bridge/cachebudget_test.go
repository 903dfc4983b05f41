package bridge

import (
	"fmt"
	"testing"
)

func TestCacheBudget_isKeptHoweverMountsCome(t *testing.T) {
	const total = 512 << 20
	var b cacheBudget
	sum := func() (n int64) {
		for _, part := range b.given {
			n += part
		}
		return n
	}
	// Four at the start share equally, and leave a part for a fifth.
	all := []string{"a", "b", "c", "d"}
	for _, name := range all {
		if got := b.take(name, total, all); got < total/5-8 || got > total/5+8 { // the last byte is nobody's
			t.Errorf("%s got %d, want %d", name, got, total/5)
		}
	}
	// Later ones take from what is left.
	for i := range 4 {
		all = append(all, fmt.Sprint(i))
		b.take(all[len(all)-1], total, all)
		if sum() > total {
			t.Fatalf("after %q: %d given away of %d", all, sum(), int64(total))
		}
	}
	// A worker that is started again does not count twice.
	before := sum()
	b.take("a", total, all)
	if sum() > total || sum() < before/2 {
		t.Errorf("after a restart %d, before %d", sum(), before)
	}
	for _, name := range all {
		b.give(name)
	}
	if sum() != 0 {
		t.Errorf("%d still given away", sum())
	}
	if got := b.take("only", total, []string{"only"}); got != total/2 {
		t.Errorf("a single mount got %d, want half", got)
	}
}

func TestCacheBudget_nobodyGetsTooLittle(t *testing.T) {
	var b cacheBudget
	all := []string{"a", "b", "c", "d", "e"}
	for _, name := range all {
		if got := b.take(name, 16<<20, all); got != leastCache {
			t.Errorf("%s got %d, want %d", name, got, leastCache)
		}
	}
}

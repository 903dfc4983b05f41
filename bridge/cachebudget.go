package bridge

import "sync"

// leastCache is what a mount gets when the budget is given away: below it even
// one stream is slower than its link.
const leastCache = 8 << 20

// cacheBudget shares cache_memory among the workers. A worker gets its part when
// it starts and keeps it: an equal part of what is not given away yet among the
// mounts that have none, with one part kept back for a mount to come. So the sum
// stays within the budget, however mounts come and go, down to leastCache each.
type cacheBudget struct {
	mu    sync.Mutex
	given map[string]int64 // GUARDED_BY(mu), by mount
}

// take gives a mount its part of total; all are the mounts that share it, this
// one among them. A mount that has a part gives it back first.
func (b *cacheBudget) take(name string, total int64, all []string) int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.given == nil {
		b.given = map[string]int64{}
	}
	delete(b.given, name)
	free, waiting := total, int64(1) // the mount to come
	for _, n := range b.given {
		free -= n
	}
	for _, n := range all {
		if _, ok := b.given[n]; !ok {
			waiting++
		}
	}
	part := max(free/waiting, leastCache)
	b.given[name] = part
	return part
}

// give takes back the part of a mount that is gone.
func (b *cacheBudget) give(name string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.given, name)
}

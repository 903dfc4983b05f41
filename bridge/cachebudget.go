package bridge

// leastCache is what a mount gets however many there are: below it even one stream
// is slower than its link.
const leastCache = 8 << 20

// cachePart is the part of each of n mounts in the budget for all of them.
func cachePart(total int64, mounts int) int64 {
	return max(total/int64(max(mounts, 1)), leastCache)
}

// cachePart is what each mount may keep in memory now.
func (s *Supervisor) cachePart() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return cachePart(s.c.CacheBytes, len(s.units))
}

// shareCache tells every worker its part, after the mounts or the budget changed.
// A worker that starts meanwhile is told by its unit.
func (s *Supervisor) shareCache() {
	part := s.cachePart()
	for _, u := range s.allUnits() {
		u.setCache(part)
	}
}

// setCache tells the worker how much it may keep in memory.
func (u *unit) setCache(part int64) {
	p := u.worker()
	if p == nil {
		return
	}
	if err := p.SetCache(part); err != nil {
		u.log.Debug("worker not told its part of the cache", "err", err)
	}
}

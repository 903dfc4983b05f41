package vfs

import "sync/atomic"

// Stats is what a filesystem counted since it was made.
type Stats struct {
	// CacheHits and CacheMisses count reads that waited for no server, and
	// those that did.
	CacheHits, CacheMisses uint64
	// CacheBytes is the file data in memory.
	CacheBytes int64
	// AheadBytes were asked for ahead, WastedBytes of them were dropped unused.
	AheadBytes, WastedBytes uint64
	// ListedAhead are directories of which the listing was asked for before anyone
	// wanted it, ListedUsed those of them that somebody looked into then.
	ListedAhead, ListedUsed uint64
	// Nodes are the files and directories remembered, OpenHandles the open
	// files and directories.
	Nodes, OpenHandles int
}

type counters struct {
	hits, misses, ahead, wasted, listedAhead, listedUsed atomic.Uint64
}

// Stats tells the counters; it never blocks on the network.
func (f *FS) Stats() Stats {
	s := Stats{
		CacheHits:   f.count.hits.Load(),
		CacheMisses: f.count.misses.Load(),
		CacheBytes:  f.spans.bytes(),
		AheadBytes:  f.count.ahead.Load(),
		WastedBytes: f.count.wasted.Load(),
		ListedAhead: f.count.listedAhead.Load(),
		ListedUsed:  f.count.listedUsed.Load(),
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	s.Nodes, s.OpenHandles = len(f.nodes), len(f.handles)
	return s
}

// SetCacheBytes changes Options.CacheBytes: what is too much by the new bound is
// dropped at once, and read-ahead stays below half of it.
func (f *FS) SetCacheBytes(n int64) {
	if n > 0 {
		f.spans.setBudget(n)
	}
}

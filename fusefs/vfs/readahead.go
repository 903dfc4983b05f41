package vfs

const (
	// reorder is how many times its own length a read may be away from where a
	// sequential reader goes on, and nearby how many bytes at most: the kernel
	// sends several reads at once, in any order. It is no further away either than
	// what was read in sequence so far.
	reorder = 4
	nearby  = 512 << 10
	// growth is how many times what was read in sequence is fetched ahead at most: four
	// instead costs a stream over a long way one round trip more.
	growth = 8
)

// pattern is how one handle reads.
type pattern struct {
	next   int64 // where a sequential reader goes on
	window int64 // how far ahead of it is fetched; 0: random
	streak int64 // bytes read in sequence
}

// note takes in a read and says whether it is sequential.
func (p *pattern) note(off, end int64) bool {
	size := end - off
	near := min(nearby, reorder*size, max(p.streak, size))
	if off > p.next+near || off < p.next-near {
		*p = pattern{next: end}
		return false
	}
	p.streak += min(size, max(0, end-p.next))
	p.next = max(p.next, end)
	return true
}

// widen gives the reader a larger window after it had to wait.
func (p *pattern) widen(limit int64) {
	p.window = min(limit, max(firstRead, growth*p.streak))
}

// Advisor is what a Remote may tell besides: how many bytes a sequential reader
// does well to have asked for at any time, and the most that one request of the
// server's carries. To ask for that much is what makes it open further channels.
type Advisor interface {
	ReadWindow() int
	MaxRead() int
}

// cacheShare is how much one reader may have ahead of it in the cache. All readers
// together leave half of it to what was read: what is fetched for one must not push out
// what another has not come to yet.
func (f *FS) cacheShare() int64 { return f.spans.budget.Load() / (2 * max(1, f.streams.Load())) }

// readWindow is how far ahead of a sequential reader data are fetched at most.
func (f *FS) readWindow() int64 {
	limit := min(f.opts.MaxReadAhead, f.cacheShare())
	if a, ok := f.r.(Advisor); ok {
		// What has come and was not read yet is not asked for any more, and a
		// piece is asked for only once there is room for all of it.
		limit = min(limit, int64(a.ReadWindow())+pieceSize)
	}
	return limit
}

// countStream notes whether h reads in sequence. h.mu is held.
func (f *FS) countStream(h *handle, is bool) {
	switch {
	case is && !h.stream:
		f.streams.Add(1)
	case !is && h.stream:
		f.streams.Add(-1)
	}
	h.stream = is
}

// readPiece is what one fetch ahead asks for in a window of that size: a part of
// it that is worth a request, in whole requests.
func (f *FS) readPiece(window int64) int64 {
	piece := min(pieceSize, max(firstRead, window/4))
	if a, ok := f.r.(Advisor); ok {
		if unit := int64(a.MaxRead()); unit > 0 && piece > unit {
			piece -= piece % unit
		}
	}
	return piece
}

// wholeRequests gives the end of the last of the server's requests that n bytes
// from the beginning of a file take: what is left over would be one more, behind
// those for what nobody has asked for yet.
func (f *FS) wholeRequests(n int64) int64 {
	if a, ok := f.r.(Advisor); ok {
		if unit := int64(a.MaxRead()); unit > 0 {
			return (n + unit - 1) / unit * unit
		}
	}
	return n
}

// readAhead keeps a window in front of a sequential reader on its way.
func (f *FS) readAhead(n *node, end, size, window int64, begin func(*span)) {
	piece := f.readPiece(window)
	limit := min(size, end+window)
	from := f.spans.covered(n, end)
	for from < limit && (limit-from >= piece || limit == size) {
		stop := min(from+piece, limit)
		f.spans.cover(n, from, from, stop, piece, begin)
		from = f.spans.covered(n, stop)
	}
}

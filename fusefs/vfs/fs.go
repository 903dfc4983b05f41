package vfs

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"sshfs-bridge/fusefs/vfs/localmeta"
)

// RootIno is the number of the root directory.
const RootIno = 1

// Kernel is told what it must forget. Methods are called without any lock held;
// InvalAttr may be called from within an operation and must not wait for
// pages.
type Kernel interface {
	// InvalAttr drops the attributes of a node.
	InvalAttr(ino uint64)
	// InvalData drops attributes and pages of a node.
	InvalData(ino uint64)
	// InvalEntry drops a name, whether it was known to exist or not to.
	InvalEntry(parent uint64, name string)
	// Prune drops the nodes of inos that nobody uses, in this order: a directory
	// has to come after what is in it, and stays while a name is known to be absent
	// from it. False: this kernel cannot.
	Prune(inos []uint64) bool
}

// FS is a filesystem over one remote tree. All methods are safe for concurrent
// use. Methods named as FUSE operations take numbers of nodes (as Lookup and its
// like returned them) and of handles.
type FS struct {
	opts  Options
	r     Remote
	log   *slog.Logger
	names names
	spans *spanCache
	local *localmeta.Store
	count counters
	// streams counts the handles that are read in sequence.
	streams atomic.Int64

	// life ends when the filesystem is closed; what runs in the background
	// uses it. It is the one context that is kept.
	life   context.Context
	cancel context.CancelFunc
	bg     sync.WaitGroup

	invals invalQueue
	walk   walker
	statfs statFSCache

	// here orders what changes names in local, or decides where a file belongs. It is
	// held over the one request of the latter, and never while an upload goes on.
	here sync.Mutex

	// mu guards every field of every node, and what follows.
	mu      sync.Mutex
	roomAt  time.Time // when makeRoom last looked
	nodes   map[uint64]*node
	linked  map[uint64]int // how many nodes show a number that is not their own
	root    *node
	inos    inoTable
	handles map[uint64]*handle
	lastFH  uint64
	opening int // handles that are about to be
	tick    uint64
	creds   creds
	nameUse nameUse
	skew    time.Duration // the server's clock minus ours, as our own writes told
	evicted time.Time     // when evict last looked for something
	// forgotAt is when all that was known stopped being fresh.
	forgotAt time.Time
	closed   bool
}

// New makes a filesystem over r and starts what checks it in the background. It
// asks the remote nothing. Close ends it.
func New(r Remote, o Options) *FS {
	o = o.withDefaults()
	life, cancel := context.WithCancel(context.Background())
	f := &FS{
		opts:    o,
		r:       r,
		log:     o.Logger,
		names:   names{smb: o.SMBNames},
		spans:   newSpanCache(o.CacheBytes),
		local:   o.Local,
		life:    life,
		cancel:  cancel,
		nodes:   map[uint64]*node{},
		linked:  map[uint64]int{},
		handles: map[uint64]*handle{},
		inos:    newInoTable(),
		creds:   creds{umask: 0o022},
		nameUse: newNameUse(),
	}
	f.spans.count = &f.count
	f.root = &node{ino: RootIno, nlookup: 1, dir: &dirState{}}
	f.root.attr = Attrs{Valid: attrsAll, Mode: modeDir | 0o755}
	f.nodes[RootIno] = f.root
	f.spawn(f.invals.run)
	f.spawn(f.janitor)
	return f
}

// SetKernel says who is told of changes; without it nobody is. It must be called
// before the first operation.
func (f *FS) SetKernel(k Kernel) { f.invals.kernel = k }

// Close ends all work in the background and closes what is still open. Writes
// that were not flushed are lost unless Drain was called before.
func (f *FS) Close() {
	f.mu.Lock()
	if f.closed {
		f.mu.Unlock()
		return
	}
	f.closed = true
	open := f.handles
	f.handles = map[uint64]*handle{}
	f.mu.Unlock()
	for _, h := range open {
		f.closeHandle(h)
	}
	f.cancel()
	f.bg.Wait()
	if err := f.local.Close(); err != nil {
		f.log.Error("local metadata not written", "err", err)
	}
}

// spawn runs fn in a goroutine that Close waits for. fn must return when the
// context ends.
func (f *FS) spawn(fn func(ctx context.Context)) {
	f.bg.Add(1)
	go func() {
		defer f.bg.Done()
		fn(f.life)
	}()
}

// Drain waits until all that was written is on the server.
func (f *FS) Drain(ctx context.Context) error {
	f.mu.Lock()
	var dirty []*node
	for _, n := range f.nodes {
		if n.file != nil && n.dirty() {
			dirty = append(dirty, n)
		}
	}
	f.mu.Unlock()
	var first error
	for _, n := range dirty {
		if err := f.flushNode(ctx, n, false); err != nil && first == nil {
			first = err
		}
	}
	if err := f.local.Sync(); err != nil && first == nil {
		first = err
	}
	return first
}

// Refresh forgets how fresh everything is and tells the kernel so: the next look
// at anything asks the server. What is checked in the background is checked now. It
// waits until the kernel was told, for a second at most: the kernel may wait for
// somebody's operation.
func (f *FS) Refresh() {
	f.forgetFreshness()
	if !f.opts.NoBackgroundCheck {
		f.checkListings(time.Now())
	}
	if f.invals.kernel == nil {
		return
	}
	told := make(chan struct{})
	f.invals.push(func(Kernel) { close(told) })
	f.invals.await(f.life, told)
}

// forgetFreshness has nothing answered any more that was asked for before now,
// also where the answer is still on its way.
func (f *FS) forgetFreshness() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.forgotAt = time.Now()
	for _, n := range f.nodes {
		if n.nlookup > 0 {
			f.invals.attr(n.ino)
			// A directory may be somebody's working directory, and hold mounts; what
			// has its name now is found by the next look at its attributes.
			if n.parent != nil && n.dir == nil {
				f.invals.entry(n.parent.ino, f.shown(n))
			}
		}
	}
}

// janitor drops what was not used for long and has stale listings read again.
func (f *FS) janitor(ctx context.Context) {
	t := time.NewTicker(time.Second)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-t.C:
			f.spans.trim(now.Add(-dataIdle))
			f.holdOpen(now)
			// Listings that came ahead were too young to be forgotten when the
			// last of them came.
			f.mu.Lock()
			f.evict()
			if !f.walk.walking(now) {
				f.walk.queue = nil
			}
			f.mu.Unlock()
			if !f.opts.NoBackgroundCheck {
				f.checkListings(now)
			}
		}
	}
}

// dataIdle is how long file data are kept without use.
const dataIdle = 90 * time.Second

// strict says that nothing may be answered from memory.
func (f *FS) strict() bool { return f.opts.Cache != CacheDefault }

package remote

import (
	"container/heap"
	"context"
	"sync"
	"sync/atomic"
	"time"

	"sshfs-bridge/fusefs/sftp"
)

// OpenFlags say how a file is opened. Appending is not among them: who appends
// writes at the end that it knows, so that nothing sent twice is there twice.
type OpenFlags struct {
	Read, Write bool
	Create      bool // make it if it is not there
	Exclusive   bool // with Create: fail with fs.ErrExist if it is there
	Truncate    bool
}

// File is an open file. It is safe for concurrent use. It outlives the
// connection: when it is used after a loss it is opened again, checked, and
// goes on, or fails with ErrChanged.
type File struct {
	r        *Remote
	flags    OpenFlags
	object   *object      // set once; its fields are objectTable's
	unacked  atomic.Int64 // queued operations that change the file
	moved    atomic.Int64 // bytes read or written so far
	striping atomic.Bool  // lanes are being added

	pending atomic.Int64 // bytes written that are queued or in flight
	room    *gate        // file data in flight: as much as the lanes' windows hold

	mu       sync.Mutex
	lanes    []*lane       // [0] is where the operations in order go; GUARDED_BY(mu), as all below
	reopen   chan struct{} // closed when the reopening that runs is over; nil: none runs
	broken   error         // the file cannot be opened again
	queue    opHeap        // operations not yet sent, oldest first
	flight   flight
	last     *op           // the newest operation, while it is in queue
	seq      uint64        // of the newest operation
	sending  bool          // the goroutine that sends runs
	progress chan struct{} // closed at the next end of an operation
	err      error         // the first failure of an operation in the queue
	told     bool          // WriteAt has told err
	changed  uint64        // the newest operation that changes the file
	resized  uint64        // the newest change of the size that was acknowledged
	shown    uint64        // the operation that asked for attrs
	attrs    Attrs
	closing  bool
	closed   bool
	holds    int // who uses the handles: they are not closed before
}

// lane is a file's handle on one channel.
type lane struct {
	ch      *channel
	handle  sftp.Handle
	lastUse atomic.Int64 // as nanos gives it
}

func (r *Remote) newFile(flags OpenFlags) *File {
	return &File{r: r, flags: flags, flight: newFlight(), progress: make(chan struct{}), room: &gate{capacity: laneRoom}}
}

// laneRoom is the file data in flight on one lane: a full window, and what is
// there when that has gone. More would wait for this lane while others are free.
const laneRoom = channelWindow + 2*pooledSize

// setLanesLocked takes lanes for the file's own. f.mu is held.
func (f *File) setLanesLocked(lanes []*lane) {
	f.lanes = lanes
	f.room.setCapacity(int64(max(len(lanes), 1)) * laneRoom)
}

// addLaneLocked adds n to the lanes that are alive. f.mu is held.
func (f *File) addLaneLocked(n *lane) {
	live := f.liveLocked()
	f.setLanesLocked(append(live[:len(live):len(live)], n))
}

// newLane makes a lane of a handle on ch, which counts it already.
func newLane(ch *channel, h sftp.Handle) *lane {
	n := &lane{ch: ch, handle: h}
	n.touch()
	return n
}

func (n *lane) touch() {
	now := nanos(time.Now())
	n.lastUse.Store(now)
	n.ch.lastUse.Store(now)
}

// release closes the handle, without waiting for the answer.
func (n *lane) release() {
	n.ch.client.StartCloseHandle(n.handle).Abandon()
	n.ch.handles.Add(-1)
}

// liveLocked gives the lanes whose channel is alive, and forgets the others.
// f.mu is held.
func (f *File) liveLocked() []*lane {
	for i, n := range f.lanes {
		if n.ch.alive() {
			continue
		}
		live := make([]*lane, 0, len(f.lanes))
		live = append(live, f.lanes[:i]...)
		for _, n := range f.lanes[i:] {
			if n.ch.alive() {
				live = append(live, n)
			} else {
				n.ch.handles.Add(-1)
			}
		}
		f.setLanesLocked(live)
		break
	}
	return f.lanes
}

// lane gives a lane that is alive: the least loaded, or, with first, the one on
// which operations in order go. It opens the file again where there is none, and
// waits for the connection as fileLink does. load bytes are counted as the lane's at
// once, or many who look at the same time would all take the same one.
func (f *File) lane(ctx context.Context, first bool, load int64) (*lane, error) {
	for {
		f.mu.Lock()
		if f.closed {
			f.mu.Unlock()
			return nil, ErrClosed
		}
		if f.broken != nil {
			err := f.broken
			f.mu.Unlock()
			return nil, err
		}
		if live := f.liveLocked(); len(live) > 0 {
			best := live[0]
			if !first {
				best = leastLoadedLane(live)
			}
			best.ch.load.Add(load)
			best.touch() // before shrink can look
			f.mu.Unlock()
			return best, nil
		}
		if running := f.reopen; running != nil {
			f.mu.Unlock()
			if err := waitFor(ctx, running, -1); err != nil {
				return nil, err
			}
			continue
		}
		running := make(chan struct{})
		f.reopen = running
		f.mu.Unlock()
		err := f.openAgain(ctx)
		f.mu.Lock()
		f.reopen = nil
		f.mu.Unlock()
		close(running)
		if err != nil {
			return nil, err
		}
	}
}

// leastLoadedLane picks a lane for what needs no order: not the one on the control
// channel, where a file may have its home, if there is another.
func leastLoadedLane(lanes []*lane) *lane {
	var best *lane
	for _, n := range lanes {
		if n.ch == n.ch.conn.link.control && len(lanes) > 1 {
			continue
		}
		if best == nil || n.ch.load.Load() < best.ch.load.Load() {
			best = n
		}
	}
	return best
}

// hold keeps the file's handles open until release: once a CLOSE is sent, a server
// gives the number to the next file that is opened.
func (f *File) hold() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closing || f.closed {
		return ErrClosed
	}
	f.holds++
	return nil
}

// release ends a hold, and closes the file when that was all it waited for.
func (f *File) release() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.holds--
	f.kickLocked()
}

// shrink closes the handles on further channels that were not used since t.
func (f *File) shrink(t time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.lanes) < 2 || f.flight.len() > 0 || f.queue.Len() > 0 {
		return
	}
	kept := f.lanes[:1:1]
	for _, n := range f.lanes[1:] {
		if n.lastUse.Load() > nanos(t) {
			kept = append(kept, n)
		} else {
			n.release()
		}
	}
	f.setLanesLocked(kept)
}

// Stat gives the file's attributes as the server has them after what was sent so
// far. Flush first to count what is queued.
func (f *File) Stat(ctx context.Context) (Attrs, error) {
	if err := f.hold(); err != nil {
		return Attrs{}, err
	}
	defer f.release()
	ctx, cancel := context.WithTimeoutCause(ctx, f.r.o.PathTimeout, ErrTimeout)
	defer cancel()
	for {
		n, err := f.lane(ctx, true, 0)
		if err != nil {
			return Attrs{}, err
		}
		a, err := n.ch.client.Fstat(ctx, n.handle)
		switch {
		case err == nil:
			return a, nil
		case ctx.Err() != nil && !isStatus(err):
			return Attrs{}, contextCause(ctx)
		case !isLost(err):
			return Attrs{}, err
		}
	}
}

// opHeap orders operations by age.
type opHeap []*op

func (h opHeap) Len() int           { return len(h) }
func (h opHeap) Less(i, j int) bool { return h[i].seq < h[j].seq }
func (h opHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *opHeap) Push(x any)        { *h = append(*h, x.(*op)) }
func (h *opHeap) Pop() any {
	old := *h
	x := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	return x
}

var _ heap.Interface = (*opHeap)(nil)

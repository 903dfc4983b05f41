package remote

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"sshfs-bridge/fusefs/sftp"
)

// Remote is one remote tree. It is safe for concurrent use. Paths are relative
// to its root, without a slash in front: "" is the root itself. They are raw
// bytes, and go to the server as they are.
type Remote struct {
	o   Options
	log *slog.Logger

	// ctx is the Remote's life: what runs in the background ends with it.
	ctx    context.Context
	cancel context.CancelCauseFunc
	tasks  tasks

	dialing chan struct{} // holds a token while somebody dials

	reads, writes *flow // file data in flight, by direction
	window        *gate // bytes written and not acknowledged
	queued        *gate // what those writes take besides, as opCost
	readLimit     *rateLimit
	writeLimit    *rateLimit
	requestLimit  *rateLimit
	rtt           rttEstimate
	lastUse       atomic.Int64  // as nanos gives it
	alone         atomic.Bool   // a further login was refused: none is made until a person connects
	seq           atomic.Uint64 // of the newest operation in the queue of any file
	shy           atomic.Bool   // the last link failed or was short: a new one opens no more than it must
	objects       objectTable
	counters      counters

	mu       sync.Mutex
	state    State         // GUARDED_BY(mu), as all below
	since    time.Time     // of state
	cause    error         // of state
	attempts int           // to connect, since the loss
	failures int           // of them that have failed
	next     time.Time     // the next attempt; zero: none planned
	lostAt   time.Time     // when the last link was lost
	link     *link         // not nil exactly while up
	changed  chan struct{} // closed at the next change of state
	redials  bool          // the goroutine that reconnects runs
	poke     chan struct{} // wakes it; holds one
	hurry    bool          // a person wants the next attempt now
	waiting  int           // operations on open files that wait for a link
	pauses   backoff
	hold     time.Time // idle: no dial before
	idled    bool      // was closed for want of use: the next use dials
	everUp   bool
	closed   bool
	root     string // on the server; set at the first connection
	realRoot string
	limits   sftp.Limits // of the last session
	copyData bool        // the last session's server can copy
	events   []Status    // for OnState, not yet told
	telling  bool        // the goroutine that tells them runs
}

// New makes a Remote; it starts nothing. The caller closes it.
func New(o Options) *Remote {
	o = o.withDefaults()
	r := &Remote{
		o: o, log: o.Logger,
		dialing: make(chan struct{}, 1),
		reads:   newFlow(channelFill), writes: newFlow(channelWindow),
		window:       &gate{capacity: windowOver(flowInitial)},
		queued:       &gate{capacity: int64(o.WindowBytes) / 2},
		readLimit:    newRateLimit(o.ReadRate),
		writeLimit:   newRateLimit(o.WriteRate),
		requestLimit: newRateLimit(int64(o.RequestRate)),
		state:        StateIdle, since: time.Now(),
		changed: make(chan struct{}),
		poke:    make(chan struct{}, 1),
		pauses:  backoff{min: o.BackoffMin, max: o.BackoffMax},
	}
	r.ctx, r.cancel = context.WithCancelCause(context.Background())
	r.reads.onWait = func() { r.grow(r.reads) }
	r.writes.onWait = func() { r.grow(r.writes) }
	r.window.capacity = min(r.window.capacity, int64(o.WindowBytes))
	r.objects.init()
	return r
}

// Close refuses new operations, waits until what was written is acknowledged or
// ctx ends, and disconnects. It returns what could not be written: the first
// error of an open file, or ctx's.
func (r *Remote) Close(ctx context.Context) error {
	r.mu.Lock()
	already := r.closed
	r.closed = true
	r.mu.Unlock()
	var first error
	if !already {
		for _, f := range r.objects.files() {
			if err := f.drain(ctx); err != nil && first == nil {
				first = err
			}
		}
	}
	r.cancel(ErrClosed)
	r.mu.Lock()
	l := r.link
	r.link = nil
	if r.state != StateIdle {
		r.setStateLocked(StateIdle, nil)
	}
	r.mu.Unlock()
	if l != nil {
		l.fail(ErrClosed)
	}
	r.tasks.end()
	return first
}

// Root is the root directory's path on the server, "" until the first
// connection. It ends with a slash only when it is "/".
func (r *Remote) Root() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.root
}

// RealRoot is Root with its symbolic links resolved by the server, "" until
// the first connection.
func (r *Remote) RealRoot() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.realRoot
}

// ReadWindow is how many bytes a sequential reader does well to have asked for
// at any time: a little more than what is in flight, so that it is never the
// reader that is waited for.
func (r *Remote) ReadWindow() int { return int(windowOver(r.reads.limit())) }

// MaxRead is the most that one READ of the server carries, in bytes: reads of
// multiples of it waste no request. 32 KiB until the first connection.
func (r *Remote) MaxRead() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.limits.MaxRead == 0 {
		return 32 << 10
	}
	return int(r.limits.MaxRead)
}

// CanCopy says that File.CopyTo works with this server.
func (r *Remote) CanCopy() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.copyData
}

// abs gives the server's path for p.
func (r *Remote) abs(p string) string {
	r.mu.Lock()
	root := r.root
	r.mu.Unlock()
	switch {
	case p == "":
		return root
	case root == "/":
		return "/" + p
	}
	return root + "/" + p
}

func (r *Remote) used() { r.lastUse.Store(nanos(time.Now())) }

// tasks are the goroutines of a Remote.
type tasks struct {
	mu    sync.Mutex
	over  bool // GUARDED_BY(mu)
	group sync.WaitGroup
}

// spawn runs f in a goroutine that Close waits for. After Close it does not run.
func (r *Remote) spawn(f func()) bool {
	r.tasks.mu.Lock()
	defer r.tasks.mu.Unlock()
	if r.tasks.over {
		return false
	}
	r.tasks.group.Go(f)
	return true
}

// end lets no further task begin, and waits for all.
func (t *tasks) end() {
	t.mu.Lock()
	t.over = true
	t.mu.Unlock()
	t.group.Wait()
}

package bridge

import (
	"context"
	"log/slog"
	"os"
	"slices"
	"sync"
	"time"

	"sshfs-bridge/bridge/api"
	"sshfs-bridge/bridge/worker"
)

// mountWorker is what a unit needs of a worker process; *worker.Process is one.
type mountWorker interface {
	PID() int
	Done() <-chan struct{}
	Err() error
	Answer(api.Answer) error
	Login() error
	Refresh() error
	SetCache(bytes int64) error
	SetLogLevel(slog.Level) error
	Drain(context.Context) error
	Stats(context.Context) (api.TrafficStats, error)
	Stop(context.Context) error
	Kill()
}

// unitParts are what a unit needs of the rest: the kernel, processes, smbd.
// Tests give others. All are safe for concurrent use.
type unitParts struct {
	// mount makes the mount point and mounts: the worker's descriptor.
	mount func(m Mount) (dev *os.File, err error)
	// start starts a worker on dev, which it takes over.
	start func(ctx context.Context, m Mount, dev *os.File, interactive bool, onEvent func(worker.Event)) (mountWorker, error)
	// detach unmounts; nothing mounted is no error.
	detach func(m Mount, lazy bool) error
	// release removes the bare mount point.
	release func(m Mount) error
	// closeShare makes clients of the mount's share let go of it, for good or until
	// there is a new worker.
	closeShare func(ctx context.Context, m Mount, forGood bool)
	// keepHostKey stores an accepted host key.
	keepHostKey func(line string)
	publish     func(api.Event)
	// cachePart is what the worker may keep in memory now.
	cachePart func() int64
	// remoteChanged wakes who watches a directory of the mount; it does not wait.
	remoteChanged func(mountpoint string, c worker.Change)
	// gone is called, in a goroutine of its own, when a mount was unmounted by
	// somebody else and shall not come back.
	gone func(u *unit)
}

// unit is the supervisor's side of one mount. run owns it; the other methods
// are safe for concurrent use.
type unit struct {
	m     Mount
	parts unitParts
	log   *slog.Logger

	ctx    context.Context    //nolint:containedctx // the life of run
	cancel context.CancelFunc // ends run, which then takes the mount down
	done   chan struct{}      // closed when run has returned
	wake   chan struct{}      // ends a pause between two starts

	removed chan struct{} // closed when the unit is forgotten

	mu        sync.Mutex
	st        api.MountStatus // GUARDED_BY(mu), without URL and traffic
	why       worker.Reason   // GUARDED_BY(mu), sorts st.Cause
	proc      mountWorker     // GUARDED_BY(mu), nil while there is none
	people    int             // GUARDED_BY(mu), streams that a person reads
	drainTime time.Duration   // GUARDED_BY(mu), how long the end may take
	leaving   bool            // GUARDED_BY(mu): it is being taken away
	hurry     func()          // GUARDED_BY(mu), ends the drain; nil while there is none
}

// defaultDrain is how long an unmount waits for what was written to land.
const defaultDrain = 30 * time.Second

// newUnit makes a unit that lives until ctx ends or stop is called.
func newUnit(ctx context.Context, m Mount, mountpoint string, parts unitParts, logger *slog.Logger) *unit {
	u := &unit{
		m: m, parts: parts, log: logger.With("mount", m.Name),
		done: make(chan struct{}), wake: make(chan struct{}, 1), removed: make(chan struct{}),
		drainTime: defaultDrain,
	}
	u.ctx, u.cancel = context.WithCancel(ctx)
	u.st = api.MountStatus{
		Name: m.Name, Remote: m.Remote, Mountpoint: mountpoint, ReadOnly: m.ReadOnly, Source: m.Source,
		State: api.StateMounting, Since: time.Now().UTC(),
	}
	if m.Mountpoint == "" {
		u.st.Share = m.Name
	}
	return u
}

// start sets the unit going. It is called once.
func (u *unit) start() { go u.run(u.ctx) }

// stop takes a started unit's mount down and waits for it; what was written may take drain
// to land. A ctx that ends first only ends the waiting.
func (u *unit) stop(ctx context.Context, drain time.Duration) error {
	u.beginLeaving(drain)
	u.cancel()
	select {
	case <-u.done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// beginLeaving notes that the unit is being taken away, and that what was written
// may take drain to land; first says that nobody had noted it before. Said again it
// can only shorten the time.
func (u *unit) beginLeaving(drain time.Duration) (first bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if !u.leaving {
		u.leaving, u.drainTime = true, drain
		return true
	}
	u.drainTime = min(u.drainTime, drain)
	if u.hurry != nil {
		time.AfterFunc(drain, u.hurry)
	}
	return false
}

func (u *unit) isLeaving() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.leaving
}

// status is a snapshot.
func (u *unit) status() api.MountStatus {
	u.mu.Lock()
	defer u.mu.Unlock()
	st := u.st
	st.Questions = slices.Clone(st.Questions)
	st.Notes = slices.Clone(st.Notes)
	return st
}

// reason sorts the present cause.
func (u *unit) reason() worker.Reason {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.why
}

// worker is the running worker, nil while there is none.
func (u *unit) worker() mountWorker {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.proc
}

// setState changes the state and tells everyone. Unchanged states are told
// too when the cause or the attempts changed.
func (u *unit) setState(e worker.StateEvent) {
	if e.Since.IsZero() {
		e.Since = time.Now()
	}
	u.mu.Lock()
	prev := u.st
	if prev.State != e.State && !mayChange(prev.State, e.State) {
		u.mu.Unlock()
		u.log.Debug("late state ignored", "state", e.State, "present", prev.State)
		return
	}
	u.st.State, u.st.Cause, u.st.Attempts, u.st.NextAttempt = e.State, e.Cause, e.Attempts, nil
	u.why = e.Reason
	if !e.NextAttempt.IsZero() {
		next := e.NextAttempt.UTC()
		u.st.NextAttempt = &next
	}
	if prev.State != e.State {
		u.st.Since = e.Since.UTC()
	}
	if e.Cause != "" && e.State != api.StateUnmounting {
		at := time.Now().UTC()
		u.st.LastError, u.st.LastErrorAt = e.Cause, &at
	}
	ev := api.Event{
		Kind: api.EventState, Mount: u.st.Name, State: e.State, Previous: prev.State,
		Cause: e.Cause, Attempts: e.Attempts, NextAttempt: u.st.NextAttempt,
	}
	u.mu.Unlock()
	switch {
	case prev.State == e.State && prev.Cause == e.Cause && prev.Attempts == e.Attempts:
		return
	case e.State.NeedsPerson():
		u.log.Error("mount needs a person", "state", e.State, "cause", e.Cause)
	case slices.Contains(workerStates, e.State):
		u.log.Debug("worker told its state", "state", e.State, "cause", e.Cause, "attempt", e.Attempts) // its own record says the same
	default:
		u.log.Info("mount changed its state", "state", e.State, "cause", e.Cause)
	}
	u.parts.publish(ev)
}

package bridge

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"sshfs-bridge/bridge/api"
	"sshfs-bridge/bridge/worker"
)

// errUnmounted says that somebody else unmounted the mount.
var errUnmounted = errors.New("unmounted by somebody else")

// closeShareTime bounds the disconnecting of clients: a busy machine's smbd
// must not keep a mount from leaving or coming back.
const closeShareTime = 2 * time.Second

// stopWorkerTime is how long a worker whose mount is gone may take to end.
const stopWorkerTime = 2 * time.Second

// errDeaf says that a worker answers nothing any more: it is stopped, or stuck.
var errDeaf = errors.New("the worker does not answer")

// While what was written lands, a worker is asked every askPause whether it is
// alive, and has askTime to answer.
const (
	askPause = time.Second
	askTime  = 4 * time.Second
)

// All the time a worker is asked every watchPause, and one that has not answered
// deafAfter times in a row is ended: who waits for its mount, an smbd that lists the
// hub among them, would wait for ever. Once is not enough: a machine that slept, or
// is very busy, is no fault of the worker's.
const (
	watchPause = 5 * time.Second
	deafAfter  = 3
)

// run keeps the mount mounted until ctx ends, then takes it down.
func (u *unit) run(ctx context.Context) {
	defer close(u.done)
	var policy restartPolicy
	for {
		err := u.serve(ctx)
		if ctx.Err() != nil {
			u.takeDown()
			return
		}
		if errors.Is(err, errUnmounted) && u.m.Mountpoint != "" {
			u.cleanUp()
			// A drop-in's mount belongs to whoever made it: unmounted means gone.
			u.setState(worker.StateEvent{State: api.StateUnmounting, Cause: err.Error()})
			if err := u.parts.release(u.m); err != nil {
				u.log.Debug("mount point not removed", "err", err)
			}
			go u.parts.gone(u)
			return
		}
		pause, spent := policy.died(time.Now())
		u.died(err, pause, spent) // before the rest: nobody shall see a dead mount up
		u.cleanUp()
		u.rest(ctx, pause)
		if ctx.Err() != nil {
			u.takeDown()
			return
		}
		u.setState(worker.StateEvent{State: api.StateMounting})
	}
}

// serve mounts, starts a worker and stays with it until it ends or ctx does.
func (u *unit) serve(ctx context.Context) error {
	dev, err := u.parts.mount(u.m)
	if err != nil {
		return fmt.Errorf("mount %s: %w", u.m.Name, err)
	}
	proc, err := u.parts.start(ctx, u.m, dev, u.attended(), u.onEvent)
	if err != nil {
		return fmt.Errorf("start the worker of %s: %w", u.m.Name, err)
	}
	u.setWorker(proc)
	u.setCache(u.parts.cachePart()) // it may have changed while the worker started
	deaf := make(chan struct{})
	var watching sync.WaitGroup
	defer watching.Wait()
	watchCtx, cancel := context.WithCancel(ctx)
	defer cancel()
	watching.Go(func() {
		if !answers(watchCtx, proc) {
			close(deaf)
		}
	})
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-deaf:
		return errDeaf // cleanUp kills it
	case <-proc.Done():
		if err := proc.Err(); err != nil {
			return err
		}
		return errUnmounted
	}
}

// answers asks the worker for a sign of life until ctx ends; false when it gives none
// any more.
func answers(ctx context.Context, proc mountWorker) bool {
	tick := time.NewTicker(watchPause)
	defer tick.Stop()
	for missed := 0; missed < deafAfter; {
		select {
		case <-ctx.Done():
			return true
		case <-tick.C:
		}
		ask, stop := context.WithTimeout(ctx, askTime)
		_, err := proc.Stats(ask)
		stop()
		if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
			missed++
		} else {
			missed = 0
		}
	}
	return false
}

func (u *unit) setWorker(p mountWorker) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.proc, u.st.WorkerPID = p, 0
	if p != nil {
		u.st.WorkerPID = p.PID()
	}
}

// died tells about a worker that ended by itself.
func (u *unit) died(err error, pause time.Duration, spent bool) {
	u.mu.Lock()
	u.st.Restarts++
	n := u.st.Restarts
	u.mu.Unlock()
	if spent {
		u.setState(worker.StateEvent{
			State: api.StateFailed, Reason: worker.ReasonOther, NextAttempt: time.Now().Add(pause),
			Cause: fmt.Sprintf("%v; given up after %d times within %s, see `sshfs-bridge logs %s`", err, restartBudget, restartWindow, u.m.Name),
		})
		return
	}
	u.log.Warn("worker is being started again", "err", err, "attempt", n, "dur", pause)
	u.setState(worker.StateEvent{State: api.StateMounting, Cause: err.Error(), Attempts: n})
	u.parts.publish(api.Event{Kind: api.EventRestart, Mount: u.m.Name, Cause: err.Error(), Attempts: n})
}

// rest waits for the pause, a person's wish or the end.
func (u *unit) rest(ctx context.Context, pause time.Duration) {
	t := time.NewTimer(pause)
	defer t.Stop()
	select {
	case <-t.C:
	case <-u.wake:
	case <-ctx.Done():
	}
}

// cleanUp clears what a dead worker left: the mount would answer every call
// with an error, and an smbd that stands in it would keep it.
func (u *unit) cleanUp() {
	if p := u.worker(); p != nil {
		p.Kill()
	}
	u.setWorker(nil)
	u.dropQuestions()
	if err := u.parts.detach(u.m, true); err != nil {
		u.log.Error("dead mount not detached", "err", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), closeShareTime)
	defer cancel()
	u.parts.closeShare(ctx, u.m, false)
}

// takeDown ends the mount for good: clients let go, what was written lands,
// the mount goes, and lazily when somebody still holds it.
func (u *unit) takeDown() {
	u.setState(worker.StateEvent{State: api.StateUnmounting})
	proc := u.worker()
	landed := true
	if proc != nil {
		// Clients that let go flush what they hold, which is then drained.
		ctx, cancel := context.WithTimeout(context.Background(), closeShareTime)
		u.parts.closeShare(ctx, u.m, true)
		cancel()
		if err := u.land(proc); err != nil {
			u.log.Warn("not everything written has landed", "err", err)
			landed = false
		}
	}
	if err := u.parts.detach(u.m, false); err != nil {
		u.log.Info("mount in use, detached lazily", "err", err)
		if err := u.parts.detach(u.m, true); err != nil {
			u.log.Error("mount not detached", "err", err)
		}
	}
	switch {
	case proc == nil:
	case !landed:
		proc.Kill() // it had its time; whoever still writes is told so by an error
	default:
		// The worker ends by itself once nobody holds the mount any more.
		stop, cancel := context.WithTimeout(context.Background(), stopWorkerTime)
		defer cancel()
		if err := proc.Stop(stop); err != nil {
			u.log.Debug("worker ended", "err", err)
		}
	}
	u.setWorker(nil)
	u.dropQuestions()
	if err := u.parts.release(u.m); err != nil {
		u.log.Warn("mount point not removed", "err", err)
	}
}

// land waits until what was written is on the server: as long as the drain may take,
// and not for a worker that answers nothing.
func (u *unit) land(proc mountWorker) error {
	u.mu.Lock()
	ctx, cancel := context.WithTimeout(context.Background(), u.drainTime)
	u.hurry = cancel
	u.mu.Unlock()
	defer func() {
		cancel()
		u.mu.Lock()
		defer u.mu.Unlock()
		u.hurry = nil
	}()
	landed := make(chan error, 1)
	go func() { landed <- proc.Drain(ctx) }() // ends with ctx
	tick := time.NewTicker(askPause)
	defer tick.Stop()
	for {
		select {
		case err := <-landed:
			return err
		case <-tick.C:
			ask, stop := context.WithTimeout(ctx, askTime)
			_, err := proc.Stats(ask)
			stop()
			if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
				cancel()
				<-landed //nolint:errcheck // that it did not land is known
				return errDeaf
			}
		}
	}
}

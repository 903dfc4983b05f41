package worker

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"sshfs-bridge/bridge/api"
	"sshfs-bridge/fusefs"
	"sshfs-bridge/fusefs/remote"
)

// session is the worker's side of the conversation with its starter.
type session struct {
	control *link
	spec    Spec
	log     *slog.Logger
	level   *slog.LevelVar // of log
	asker   *asker
	dialer  *dialer

	// Set before run.
	remote *remote.Remote
	server *fusefs.Server

	// remarks are told with the notes on the settings.
	remarks []string

	// ending says that what the remote's state becomes concerns nobody: it is
	// being closed.
	ending atomic.Bool

	mu    sync.Mutex
	calls map[uint64]context.CancelFunc // GUARDED_BY(mu): what is being answered

	work sync.WaitGroup // calls and connections, which run ends and waits for
	// login holds a token while a person's login is being made: a second
	// wish meanwhile is the same one.
	login chan struct{}
}

func newSession(control *link, spec Spec, log *slog.Logger, level *slog.LevelVar) *session {
	s := &session{
		control: control, spec: spec, log: log, level: level,
		calls: map[uint64]context.CancelFunc{}, login: make(chan struct{}, 1),
	}
	s.asker = newAsker(s.tell)
	s.dialer = newDialer(spec, s.asker, s.tell, log)
	return s
}

// tell sends a report. A starter that is gone hears nothing; run notices.
func (s *session) tell(r report) {
	if err := s.control.send(r); err != nil {
		s.log.LogAttrs(context.Background(), slog.LevelDebug, "starter not told", slog.Any("err", err))
	}
}

// stateChanged is the remote's OnState.
func (s *session) stateChanged(st remote.Status) {
	if s.ending.Load() {
		return
	}
	e := &StateEvent{State: api.State(st.State), Since: st.Since, Attempts: st.Attempts, NextAttempt: st.NextAttempt}
	if st.Cause != nil {
		e.Cause, e.Reason = explain(st.Cause)
	}
	s.tell(report{State: e})
}

// remoteChanged is the filesystem's OnRemoteChange.
func (s *session) remoteChanged(dir string, names []string) {
	if s.ending.Load() {
		return
	}
	s.tell(report{Changed: &Change{Dir: dir, Names: names}})
}

// forgetUnused is the filesystem's ForgetUnused.
func (s *session) forgetUnused() { s.tell(report{ForgetUnused: true}) }

// run makes the first connection and follows the starter's orders until it
// says stop, is gone (without having released us), or ctx ends.
func (s *session) run(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	s.work.Go(func() { s.connectFirst(ctx) })
	received := make(chan struct{})
	go func() {
		defer close(received)
		if released := s.receive(ctx); released {
			<-ctx.Done() // nobody gives orders any more; the mount goes on
		}
	}()
	select {
	case <-received:
	case <-ctx.Done():
		// Unblocks the reader for good: what follows needs no orders.
		_ = s.control.conn.SetReadDeadline(time.Unix(1, 0))
		<-received
	}
	cancel()
	s.asker.leave()
	s.work.Wait()
}

// connectFirst dials, unless the first use shall do so, and tells how it went.
func (s *session) connectFirst(ctx context.Context) {
	if notes := append(s.remarks, s.dialer.notes()...); len(notes) > 0 {
		s.tell(report{Notes: notes})
	}
	if s.spec.Mount.OnDemand && !s.spec.Interactive {
		// Settings that cannot work are told now all the same.
		outcome := &connectOutcome{}
		if err := s.dialer.check(); err != nil {
			outcome.Error = connectError(err)
		}
		s.tell(report{Connected: outcome})
		return
	}
	err := s.remote.Connect(ctx, s.spec.Interactive)
	if ctx.Err() != nil {
		return
	}
	s.tell(report{Connected: &connectOutcome{Error: connectError(err)}})
}

// receive follows orders; released says that the starter let us go.
func (s *session) receive(ctx context.Context) (released bool) {
	for {
		var o order
		if err := s.control.receive(&o); err != nil {
			if !errors.Is(err, io.EOF) && ctx.Err() == nil {
				s.log.LogAttrs(ctx, slog.LevelError, "orders are not understood", slog.Any("err", err))
			}
			return false
		}
		switch {
		case o.Stop:
			return false
		case o.Answer != nil:
			s.asker.answer(*o.Answer)
		case o.Login:
			s.connect(ctx)
		case o.Retry:
			s.remote.Retry()
		case o.Cache > 0:
			s.server.SetCacheBytes(o.Cache)
		case o.Level != nil:
			s.level.Set(*o.Level)
		case o.Cancel != 0:
			s.mu.Lock()
			if cancel := s.calls[o.Cancel]; cancel != nil {
				cancel()
			}
			s.mu.Unlock()
		case o.Call != nil && o.Call.Op == opRelease:
			s.tell(report{Reply: &reply{ID: o.Call.ID}})
			s.release()
			return true
		case o.Call != nil:
			s.call(ctx, *o.Call)
		}
	}
}

// connect logs in with a person who answers.
func (s *session) connect(ctx context.Context) {
	select {
	case s.login <- struct{}{}:
	default:
		return
	}
	s.work.Go(func() {
		defer func() { <-s.login }()
		if err := s.remote.Connect(ctx, true); err != nil && ctx.Err() == nil {
			s.log.LogAttrs(ctx, slog.LevelWarn, "login failed", slog.Any("err", err))
		}
	})
}

// call answers a call.
func (s *session) call(ctx context.Context, c call) {
	ctx, cancel := context.WithCancel(ctx)
	s.mu.Lock()
	s.calls[c.ID] = cancel
	s.mu.Unlock()
	s.work.Go(func() {
		defer func() {
			cancel()
			s.mu.Lock()
			defer s.mu.Unlock()
			delete(s.calls, c.ID)
		}()
		r := &reply{ID: c.ID}
		switch c.Op {
		case opStats:
			r.Stats = stats(s.remote.Status(), s.server.Stats(), s.server.Operations())
		case opRefresh:
			s.server.Refresh()
		case opDrain:
			if err := s.server.Drain(ctx); err != nil {
				r.Error = err.Error()
			}
		default:
			r.Error = "no such operation: " + c.Op
		}
		if ctx.Err() == nil {
			s.tell(report{Reply: r})
		}
	})
}

// release lets the starter go: nothing is said to it any more.
func (s *session) release() {
	s.asker.leave()
	if null, err := unix.Open("/dev/null", unix.O_RDWR|unix.O_CLOEXEC, 0); err == nil {
		_ = unix.Dup3(null, 2, 0) // records go nowhere from now on
		unix.Close(null)
	}
	s.control.close()
}

package smbd

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"
)

// Server runs one smbd. Its methods are safe for concurrent use; Run is
// called once.
type Server struct {
	o      Options
	policy policy
	log    *slog.Logger
	ready  chan struct{}

	// told keeps the calls of OnState in order; it is taken before mu.
	told sync.Mutex

	mu       sync.Mutex
	status   Status // GUARDED_BY(mu)
	user     string // GUARDED_BY(mu)
	password string // GUARDED_BY(mu)
	probed   error  // GUARDED_BY(mu): the outcome of the latest probe
}

var errNotReady = errors.New("smbd has not answered yet")

// New returns a Server; Run starts it.
func New(o Options) *Server {
	o.setDefaults()
	return &Server{
		o: o, policy: defaultPolicy(), log: o.Logger, ready: make(chan struct{}),
		status: Status{State: StateStopped, Since: time.Now()},
		user:   o.User, password: o.Password, probed: errNotReady,
	}
}

// Ready is closed when smbd was ready for the first time.
func (s *Server) Ready() <-chan struct{} { return s.ready }

// Healthy is nil while the latest probe succeeded; otherwise it says what the
// probe met.
func (s *Server) Healthy() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.probed
}

// Status is a snapshot.
func (s *Server) Status() Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.status
	st.Refused = slices.Clone(st.Refused)
	return st
}

// SetCredentials changes what the probe logs in with; empty is guest.
func (s *Server) SetCredentials(user, password string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.user, s.password = user, password
}

func (s *Server) credentials() (user, password string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.user, s.password
}

// setState changes the state and tells so.
func (s *Server) setState(state State, change func(*Status)) {
	s.told.Lock()
	defer s.told.Unlock()
	s.mu.Lock()
	before := s.status
	if s.status.State != state {
		s.status.State, s.status.Since = state, time.Now()
	}
	if change != nil {
		change(&s.status)
	}
	st := s.status
	st.Refused = slices.Clone(st.Refused)
	s.mu.Unlock()
	if s.o.OnState != nil && (before.State != st.State || before.Cause != st.Cause) {
		s.o.OnState(st)
	}
}

// setProbed keeps the outcome of a probe.
func (s *Server) setProbed(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.probed = err
}

// refused remembers an address that smbd refused.
func (s *Server) refused(addr string) {
	const most = 16
	s.mu.Lock()
	defer s.mu.Unlock()
	list := slices.DeleteFunc(s.status.Refused, func(a string) bool { return a == addr })
	list = append(list, addr)
	if len(list) > most {
		list = list[len(list)-most:]
	}
	s.status.Refused = list
}

// Check says what keeps smbd from being started here: ErrNotInstalled, a
// *PortBusyError (with every other busy port, joined), directories that
// cannot be made. It starts nothing.
func (s *Server) Check(ctx context.Context) error {
	if _, err := s.program(); err != nil {
		return err
	}
	return checkPorts(ctx, s.o.Listen)
}

// Run starts smbd and keeps it running until ctx ends; then it stops every
// process of it and returns nil. What Check finds at the first start is
// returned at once; later it is a cause to try again.
func (s *Server) Run(ctx context.Context) error {
	if err := s.prepare(ctx); err != nil {
		return err
	}
	pipe, err := openLogPipe(s.o.logPipe())
	if err != nil {
		return fmt.Errorf("start smbd: %w", err)
	}
	logs := startLog(pipe, s.log, s.refused)
	defer logs.stop()
	if err := s.Check(ctx); err != nil {
		return err
	}
	defer s.setState(StateStopped, func(st *Status) { st.PID, st.Cause = 0, "" })
	defer s.setProbed(errNotReady)

	wait := backoff.NewExponentialBackOff()
	wait.InitialInterval, wait.MaxInterval = s.policy.backoffFirst, s.policy.backoffMax
	wait.Multiplier = 2
	for {
		well, err := s.once(ctx, logs)
		if ctx.Err() != nil {
			return nil
		}
		if well {
			wait.Reset()
		}
		pause := wait.NextBackOff()
		s.setProbed(err)
		s.setState(StateBackoff, func(st *Status) {
			st.PID, st.Cause = 0, err.Error()
			st.Restarts++
		})
		s.log.LogAttrs(ctx, slog.LevelWarn, "smbd ended, starting it again", slog.Any("err", err), slog.Duration("backoff", pause))
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-timer.C:
		}
	}
}

// once runs smbd until it ends, does not answer any more, or ctx ends; no
// process of it is left afterwards. well says that it ran for long enough to
// forget earlier failures.
func (s *Server) once(ctx context.Context, logs *logReader) (well bool, err error) {
	s.setState(StateStarting, nil)
	s.endLeftovers(ctx)
	if err := checkPorts(ctx, s.o.Listen); err != nil {
		return false, err
	}
	child, err := s.start(logs)
	if err != nil {
		return false, err
	}
	defer child.stop(s.o.StopGrace)
	started := time.Now()
	s.setState(StateStarting, func(st *Status) { st.PID, st.Cause = child.pid(), "" })

	watch, cancel := context.WithCancel(ctx)
	defer cancel()
	var watched error
	done := make(chan struct{})
	go func() {
		defer close(done)
		watched = s.watch(watch)
	}()
	select {
	case <-child.done:
		cancel()
		<-done
		err = child.ended()
	case <-done:
		err = watched
	}
	return time.Since(started) > s.policy.wellAfter, err
}

// watch probes smbd: often until it is ready, then at intervals. It returns
// when smbd should be started anew, or ctx ended.
func (s *Server) watch(ctx context.Context) error {
	start, pause := time.Now(), 25*time.Millisecond
	isReady, answered := false, start
	for {
		asked := time.Now()
		err := s.probe(ctx, !isReady)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err == nil || errors.Is(err, errProbeRefused) {
			answered = time.Now()
		}
		var share *shareError
		if !isReady && errors.As(err, &share) && time.Since(start) > s.policy.shareFor {
			s.log.LogAttrs(ctx, slog.LevelWarn, "a share cannot be listed", slog.Any("err", err))
			err = nil
		}
		s.setProbed(err)
		switch {
		case err == nil && !isReady:
			isReady, pause = true, s.o.HealthEvery
			s.becomeReady(ctx, time.Since(start))
		case err == nil:
			pause = s.o.HealthEvery
			s.setState(StateReady, func(st *Status) { st.Cause = "" })
		case errors.Is(err, errProbeRefused):
			// It answers, so it is not started anew; a person must look.
			s.setState(StateSick, func(st *Status) { st.Cause = err.Error() })
			pause = s.o.HealthEvery
		case !isReady:
			if time.Since(start) > s.policy.readyTimeout {
				return fmt.Errorf("smbd did not answer within %v: %w", s.policy.readyTimeout, err)
			}
			pause = min(2*pause, time.Second)
		default:
			level := slog.LevelWarn
			if s.Status().State == StateSick {
				level = slog.LevelDebug // told already
			}
			s.setState(StateSick, func(st *Status) { st.Cause = err.Error() })
			s.log.LogAttrs(ctx, level, "smbd does not answer", slog.Any("err", err), slog.Duration("dur", time.Since(asked)))
			if silent := time.Since(answered); silent > s.policy.sickFor {
				return fmt.Errorf("smbd did not answer for %v: %w", silent.Round(time.Second), err)
			}
			pause = min(s.o.HealthEvery, s.policy.sickPause)
		}
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		case <-timer.C:
		}
	}
}

func (s *Server) becomeReady(ctx context.Context, took time.Duration) {
	s.setState(StateReady, func(st *Status) { st.Cause = "" })
	s.log.LogAttrs(ctx, slog.LevelInfo, "smbd is ready", slog.Duration("dur", took))
	select {
	case <-s.ready:
	default:
		close(s.ready)
	}
}

package bridge

import (
	"context"
	"net/http"
	"slices"
	"time"

	"sshfs-bridge/bridge/api"
	"sshfs-bridge/bridge/worker"
)

// postMount adds a mount and tells what comes of it, line by line.
func (s *Supervisor) postMount(w http.ResponseWriter, r *http.Request) error {
	req, err := readJSON[api.MountRequest](r)
	if err != nil {
		return err
	}
	ctx := r.Context()
	if req.Spec.Mountpoint != "" { // it may hang, and nobody else shall wait for that
		if req.Spec.Mountpoint, err = checkMountpoint(req.Spec.Mountpoint); err != nil {
			return &api.Error{Code: api.CodeInvalid, Mount: req.Spec.Name, Message: err.Error()}
		}
	}
	var e entry
	err = s.afterLeaving(ctx, func() (err error) {
		e, err = s.enter(req)
		return err
	})
	if err != nil {
		return err
	}
	defer e.leave()
	u, events, fresh := e.u, e.events, e.fresh

	st := newStream(w)
	if req.NoWait {
		return s.done(st, u)
	}
	o := awaitOptions{interactive: req.Interactive, keep: req.KeepTrying, asked: fresh}
	if now := u.status().State; !fresh && now != api.StateUp && now != api.StateIdle {
		// Whoever asks for it again wants it tried again.
		o.again, o.asked = u.login() == nil, true
	}
	failed := s.await(ctx, st, u, events, o)
	for pending := true; pending; { // what was told on the way, notes and host keys above all
		select {
		case e, ok := <-events:
			pending = ok && e.Kind != api.EventQuestion && st.send(e) == nil
		default:
			pending = false
		}
	}
	if failed == nil && fresh && !req.KeepTrying {
		if err := s.persistLocked(ctx, u); err != nil {
			failed = apiError(err)
		}
	}
	switch {
	case failed == nil:
		return s.done(st, u)
	case fresh && !req.KeepTrying:
		s.takeBack(u)
	}
	_ = st.send(api.Event{Time: time.Now().UTC(), Kind: api.EventFailed, Mount: u.m.Name, Error: failed})
	return nil
}

// entry is a mount that a request asked for and looks after.
type entry struct {
	u      *unit
	fresh  bool // it was made for this request
	events <-chan api.Event
	leave  func() // ends both, events and attendance
}

// enter makes the mount of a request, or finds it. The caller holds the right to
// change: one remote that takes its time must not keep others from being added.
func (s *Supervisor) enter(req api.MountRequest) (e entry, err error) {
	if s.isStopping() {
		return e, errStopping(req.Spec.Name)
	}
	m, u, err := s.prepareMount(req)
	if err != nil {
		return e, err
	}
	events, cancel := s.bus.subscribe(m.Name)
	e = entry{u: u, fresh: u == nil, events: events, leave: cancel}
	if e.fresh {
		e.u = s.addUnit(m)
	}
	if req.Interactive {
		gone := e.u.attend()
		e.leave = func() { gone(); cancel() }
	}
	if !e.fresh {
		return e, nil
	}
	if req.KeepTrying || req.NoWait {
		if err := s.persist(m); err != nil {
			e.leave()
			e.u.cancel()
			s.dropUnit(e.u)
			return e, err
		}
	}
	e.u.start()
	return e, nil
}

// persistLocked is persist with the right to change, for a mount that is still there.
func (s *Supervisor) persistLocked(ctx context.Context, u *unit) error {
	if err := s.lockChange(ctx); err != nil {
		return err
	}
	defer s.unlockChange()
	if s.find(u.m.Name) != u || u.isLeaving() {
		return &api.Error{Code: api.CodeNotFound, Mount: u.m.Name, Message: "unmounted meanwhile"}
	}
	return s.persist(u.m)
}

// takeBack removes a mount that never came up.
func (s *Supervisor) takeBack(u *unit) {
	s.leave(u, time.Second)
	<-u.removed
}

func (s *Supervisor) done(st *stream, u *unit) error {
	status := s.unitStatus(u)
	_ = st.send(api.Event{Time: time.Now().UTC(), Kind: api.EventDone, Mount: u.m.Name, Status: &status})
	return nil
}

// postLogin lets a mount try again, with a person to answer.
func (s *Supervisor) postLogin(w http.ResponseWriter, r *http.Request) error {
	u, err := s.unitOf(r)
	if err != nil {
		return err
	}
	req, err := readJSON[api.MountRequest](r)
	if err != nil {
		return err
	}
	events, cancel := s.bus.subscribe(u.m.Name)
	defer cancel()
	if req.Interactive {
		defer u.attend()()
	}
	if u.status().State != api.StateUp {
		if err := u.login(); err != nil {
			return &api.Error{Code: api.CodeInternal, Mount: u.m.Name, Message: err.Error()}
		}
	}
	st := newStream(w)
	if u.status().State == api.StateUp {
		return s.done(st, u)
	}
	if failed := s.await(r.Context(), st, u, events, awaitOptions{interactive: req.Interactive, again: true, asked: true}); failed != nil {
		_ = st.send(api.Event{Time: time.Now().UTC(), Kind: api.EventFailed, Mount: u.m.Name, Error: failed})
		return nil
	}
	return s.done(st, u)
}

// awaitOptions say how await ends.
type awaitOptions struct {
	interactive bool
	keep        bool // a mount that keeps trying counts as done
	again       bool // the present state is old: only a new one counts
	asked       bool // the people have their chance already
}

// await passes events on until the mount is up, or says why it is not.
func (s *Supervisor) await(ctx context.Context, st *stream, u *unit, events <-chan api.Event, o awaitOptions) *api.Error {
	asked := o.asked
	settle := func(state api.State, cause string) (bool, *api.Error) {
		switch {
		case state == api.StateUp, state == api.StateIdle && u.m.OnDemand:
			return true, nil
		case state == api.StateNeedsLogin && o.interactive && !asked:
			asked = true
			if u.login() == nil {
				return false, nil
			}
		case state == api.StateDegraded, state == api.StateMounting && cause != "":
			if o.keep {
				return true, nil
			}
		case !state.NeedsPerson() && state != api.StateUnmounting:
			return false, nil
		}
		return true, s.failure(u, state, cause)
	}
	var sent []string // questions that were asked before we looked
	if !o.again {
		now := u.status()
		if over, failed := settle(now.State, now.Cause); over {
			return failed
		}
		for i := range now.Questions {
			sent = append(sent, now.Questions[i].ID)
			_ = st.send(api.Event{Time: time.Now().UTC(), Kind: api.EventQuestion, Mount: u.m.Name, Question: &now.Questions[i]})
		}
	}
	tick := time.NewTicker(keepAliveEvery)
	defer tick.Stop()
	for {
		select {
		case e, ok := <-events:
			if !ok {
				return errStopping(u.m.Name)
			}
			if e.Kind == api.EventQuestion && slices.Contains(sent, e.Question.ID) {
				continue
			}
			if err := st.send(e); err != nil {
				return &api.Error{Code: api.CodeUnavailable, Mount: u.m.Name, Message: "given up by the caller"}
			}
			if e.Kind == api.EventRemoved {
				return &api.Error{Code: api.CodeNotFound, Mount: u.m.Name, Message: "unmounted meanwhile"}
			}
			if e.Kind != api.EventState {
				continue
			}
			if over, failed := settle(e.State, e.Cause); over {
				return failed
			}
		case <-tick.C:
			_ = st.keepAlive() // a reader that has gone ends ctx
		case <-ctx.Done():
			return &api.Error{Code: api.CodeUnavailable, Mount: u.m.Name, Message: "given up by the caller"}
		}
	}
}

// failure says why a mount did not come up, and what to do.
func (s *Supervisor) failure(u *unit, state api.State, cause string) *api.Error {
	e := &api.Error{Code: api.CodeNotUp, Mount: u.m.Name, Message: u.m.Remote + ": " + cause}
	if cause == "" {
		e.Message = u.m.Remote + ": the mount is " + string(state)
	}
	switch u.reason() {
	case worker.ReasonUnreachable:
		e.Hint = "check the host's name, its port (-p) and the network; --keep-trying keeps the mount until it answers"
	case worker.ReasonHostKey:
		how := "take its old line out of known_hosts"
		if c := s.Config(); s.keys.knows(hostNames(u.m.MountSpec, &c)) {
			how = "run `sshfs-bridge hostkey forget " + hostOf(u.m.Remote) + "`"
		}
		e.Hint = "if the server was set up anew, " + how + "; otherwise somebody may be listening in"
	case worker.ReasonLogin:
		e.Hint = "check the user name and the key (-i), and that the server knows it; nothing is tried again by itself"
	case worker.ReasonNeedsPerson:
		e.Hint = "run this on a terminal (docker exec -it), where it can be asked"
	case worker.ReasonNoPath, worker.ReasonNotDirectory:
		e.Hint = "give the path of a directory on the server, after the colon"
	case worker.ReasonPermission:
		e.Hint = "this user may not see that directory on the server"
	case worker.ReasonConfig:
		e.Code = api.CodeInvalid
	case worker.ReasonNone, worker.ReasonOther:
	}
	return e
}

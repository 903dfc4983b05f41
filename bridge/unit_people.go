package bridge

import (
	"slices"

	"sshfs-bridge/bridge/api"
	"sshfs-bridge/bridge/worker"
)

// onEvent takes a worker's events, in order.
func (u *unit) onEvent(e worker.Event) {
	switch {
	case e.State != nil:
		u.setState(*e.State)
	case e.Question != nil:
		u.ask(*e.Question)
	case e.QuestionClosed != "":
		u.answered(e.QuestionClosed)
	case e.HostKeyAccepted != "":
		u.log.Info("host key accepted", "host_key", e.HostKeyAccepted)
		u.parts.keepHostKey(e.HostKeyAccepted)
		u.parts.publish(api.Event{Kind: api.EventHostKey, Mount: u.m.Name, Message: e.HostKeyAccepted})
	case e.Changed != nil:
		u.parts.remoteChanged(u.st.Mountpoint, *e.Changed)
	case len(e.Notes) > 0:
		u.mu.Lock()
		u.st.Notes = slices.Clone(e.Notes)
		u.mu.Unlock()
		for _, n := range e.Notes {
			u.parts.publish(api.Event{Kind: api.EventNote, Mount: u.m.Name, Message: n})
		}
	}
}

// attend counts a person who reads the events and answers; leave ends that,
// and gives up what was still asked when the last one left.
func (u *unit) attend() (leave func()) {
	u.mu.Lock()
	u.people++
	u.mu.Unlock()
	return func() {
		u.mu.Lock()
		u.people--
		alone, open, proc := u.people == 0, slices.Clone(u.st.Questions), u.proc
		u.mu.Unlock()
		if !alone || proc == nil {
			return
		}
		for _, q := range open {
			if err := proc.Answer(api.Answer{ID: q.ID, Cancel: true}); err != nil {
				u.log.Debug("question not taken back", "err", err)
			}
		}
	}
}

func (u *unit) attended() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.people > 0
}

// ask passes a question on to the people, or gives it up when there are none.
func (u *unit) ask(q api.Question) {
	u.mu.Lock()
	nobody, proc := u.people == 0, u.proc
	if !nobody {
		u.st.Questions = append(u.st.Questions, q)
	}
	u.mu.Unlock()
	if nobody {
		if proc != nil {
			if err := proc.Answer(api.Answer{ID: q.ID, Cancel: true}); err != nil {
				u.log.Debug("question not given up", "err", err)
			}
		}
		return
	}
	u.parts.publish(api.Event{Kind: api.EventQuestion, Mount: u.m.Name, Question: &q})
}

// answer gives a person's answer to the worker.
func (u *unit) answer(a api.Answer) *api.Error {
	u.mu.Lock()
	known := slices.ContainsFunc(u.st.Questions, func(q api.Question) bool { return q.ID == a.ID })
	proc := u.proc
	u.mu.Unlock()
	if !known || proc == nil {
		return &api.Error{Code: api.CodeNotFound, Mount: u.m.Name, Message: "that question is not open any more"}
	}
	if err := proc.Answer(a); err != nil {
		return &api.Error{Code: api.CodeInternal, Mount: u.m.Name, Message: err.Error()}
	}
	u.answered(a.ID)
	return nil
}

// answered takes a question off the list.
func (u *unit) answered(id string) {
	u.mu.Lock()
	i := slices.IndexFunc(u.st.Questions, func(q api.Question) bool { return q.ID == id })
	if i < 0 {
		u.mu.Unlock()
		return
	}
	q := u.st.Questions[i]
	u.st.Questions = slices.Delete(u.st.Questions, i, i+1)
	u.mu.Unlock()
	u.parts.publish(api.Event{Kind: api.EventAnswered, Mount: u.m.Name, Question: &api.Question{ID: q.ID, Kind: q.Kind}})
}

// dropQuestions forgets what a worker asked that is gone.
func (u *unit) dropQuestions() {
	for _, q := range u.status().Questions {
		u.answered(q.ID)
	}
}

// login tries again, with the people who attend.
func (u *unit) login() error {
	if p := u.worker(); p != nil {
		return p.Login()
	}
	select {
	case u.wake <- struct{}{}:
	default:
	}
	return nil
}

// restart ends the worker; run starts a new one.
func (u *unit) restart() {
	if p := u.worker(); p != nil {
		p.Kill()
		return
	}
	select {
	case u.wake <- struct{}{}:
	default:
	}
}

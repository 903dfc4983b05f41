package worker

import (
	"context"
	"fmt"
	"sync"

	"sshfs-bridge/bridge/api"
	"sshfs-bridge/fusefs/sshdial"
)

// asker puts sshdial's questions to whoever is behind the starter.
type asker struct {
	tell func(report)

	mu   sync.Mutex
	last int                        // GUARDED_BY(mu)
	open map[string]chan api.Answer // GUARDED_BY(mu), nil once nobody is there any more
}

func newAsker(tell func(report)) *asker {
	return &asker{tell: tell, open: map[string]chan api.Answer{}}
}

// Ask puts a question and waits for its answer. sshdial.ErrNoPerson: nobody
// is there, or the person gave up.
func (a *asker) Ask(ctx context.Context, q sshdial.Question) (string, error) {
	answer := make(chan api.Answer, 1)
	a.mu.Lock()
	if a.open == nil {
		a.mu.Unlock()
		return "", sshdial.ErrNoPerson
	}
	a.last++
	id := fmt.Sprintf("q%d", a.last)
	a.open[id] = answer
	a.mu.Unlock()
	defer func() {
		a.mu.Lock()
		delete(a.open, id)
		a.mu.Unlock()
		a.tell(report{QuestionClosed: id})
	}()
	a.tell(report{Question: &api.Question{ID: id, Kind: q.Kind, Prompt: q.Prompt, Echo: q.Echo}})
	select {
	case <-ctx.Done():
		return "", context.Cause(ctx)
	case got := <-answer:
		if got.Cancel {
			return "", sshdial.ErrNoPerson
		}
		return got.Text, nil
	}
}

// answer takes an answer; one to no open question is left.
func (a *asker) answer(got api.Answer) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if waiting := a.open[got.ID]; waiting != nil {
		select {
		case waiting <- got:
		default: // answered twice: the first one counts
		}
	}
}

// leave gives up every question, now and later.
func (a *asker) leave() {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, waiting := range a.open {
		select {
		case waiting <- api.Answer{Cancel: true}:
		default:
		}
	}
	a.open = nil
}

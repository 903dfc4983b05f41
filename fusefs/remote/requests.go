package remote

import (
	"container/list"
	"context"
	"sync"
	"time"
)

// requestList are a channel's unanswered requests on open files, oldest first.
// Patience is measured as lack of progress, which is the server's: a request
// that waits its turn behind others is not late.
type requestList struct {
	mu  sync.Mutex
	all list.List // of *pendingRequest; GUARDED_BY(mu)
}

type pendingRequest struct {
	cancel context.CancelCauseFunc
	since  time.Time      // when it was started
	first  time.Time      // since when it is the oldest, what it was before counted in
	late   *time.Duration // how long it was the oldest on channels that are lost
}

// oldest notes that the request is the oldest from now on.
func (q *pendingRequest) oldest(now time.Time) { q.first = now.Add(-*q.late) }

// begin notes a request, which ends with ErrTimeout when it makes no progress. late is
// the request's own, for as often as it is begun: it may be what ends each channel.
func (l *requestList) begin(ctx context.Context, late *time.Duration) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	now := time.Now()
	q := &pendingRequest{cancel: cancel, since: now, late: late}
	l.mu.Lock()
	if l.all.Len() == 0 {
		q.oldest(now)
	}
	e := l.all.PushBack(q)
	l.mu.Unlock()
	return ctx, func() {
		l.mu.Lock()
		front := l.all.Front() == e
		l.all.Remove(e)
		if front {
			now := time.Now()
			*late = now.Sub(q.first)
			if next := l.all.Front(); next != nil {
				next.Value.(*pendingRequest).oldest(now)
			}
		}
		l.mu.Unlock()
		cancel(nil)
	}
}

func (l *requestList) len() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.all.Len()
}

// expire ends what made no progress for patience: the oldest request, when it
// was the oldest for so long, and every one that is older than that when
// nothing at all was heard. dead says that the latter was the case.
func (l *requestList) expire(now, heard time.Time, patience time.Duration) (dead bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	silent := now.Sub(heard) >= patience
	for e := l.all.Front(); e != nil; e = e.Next() {
		q := e.Value.(*pendingRequest)
		switch {
		case silent && now.Sub(q.since) >= patience:
			q.cancel(ErrTimeout)
			dead = true
		case !q.first.IsZero() && now.Sub(q.first) >= patience:
			q.cancel(ErrTimeout)
		default:
			return dead
		}
	}
	return dead
}

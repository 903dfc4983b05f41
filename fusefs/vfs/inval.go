package vfs

import (
	"context"
	"sync"
	"time"
)

// invalQueue carries invalidations to the kernel in order, from one goroutine: a
// handler that did it itself could wait for a lock that the kernel holds for
// the very operation.
type invalQueue struct {
	kernel Kernel

	mu    sync.Mutex
	queue []func(Kernel)
	wake  chan struct{}
	once  sync.Once
}

func (q *invalQueue) init() { q.once.Do(func() { q.wake = make(chan struct{}, 1) }) }

func (q *invalQueue) push(fn func(Kernel)) {
	if q.kernel == nil {
		return
	}
	q.init()
	q.mu.Lock()
	q.queue = append(q.queue, fn)
	q.mu.Unlock()
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

func (q *invalQueue) attr(ino uint64) { q.push(func(k Kernel) { k.InvalAttr(ino) }) }

// data gives what is closed when the kernel was told; nil when there is no kernel.
func (q *invalQueue) data(ino uint64) <-chan struct{} {
	if q.kernel == nil {
		return nil
	}
	told := make(chan struct{})
	q.push(func(k Kernel) {
		k.InvalData(ino)
		close(told)
	})
	return told
}

func (q *invalQueue) entry(parent uint64, name string) {
	q.push(func(k Kernel) { k.InvalEntry(parent, name) })
}

// await waits until told is closed, for a second at most: the kernel may wait for
// somebody's operation.
func (q *invalQueue) await(ctx context.Context, told <-chan struct{}) {
	timer := time.NewTimer(time.Second)
	defer timer.Stop()
	select {
	case <-told:
	case <-timer.C:
	case <-ctx.Done():
	}
}

func (q *invalQueue) run(ctx context.Context) {
	q.init()
	for {
		q.mu.Lock()
		batch := q.queue
		q.queue = nil
		q.mu.Unlock()
		for _, fn := range batch {
			fn(q.kernel)
		}
		if len(batch) > 0 {
			continue
		}
		select {
		case <-ctx.Done():
			return
		case <-q.wake:
		}
	}
}

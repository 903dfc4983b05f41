package vfs

import (
	"context"
	"sync"
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
func (q *invalQueue) data(ino uint64) { q.push(func(k Kernel) { k.InvalData(ino) }) }
func (q *invalQueue) entry(parent uint64, name string) {
	q.push(func(k Kernel) { k.InvalEntry(parent, name) })
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

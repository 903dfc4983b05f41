package bridge

import (
	"sync"
	"time"

	"sshfs-bridge/bridge/api"
)

// eventBus hands every event to every subscriber. Publishing never blocks: a
// subscriber that does not keep up is cut off, and sees its channel closed.
type eventBus struct {
	mu   sync.Mutex
	subs map[*eventSub]struct{} // GUARDED_BY(mu)
}

// eventSub is one subscription; c is closed when it ends.
type eventSub struct {
	c     chan api.Event
	mount string // only this mount's events; empty is all
}

// eventBuffer is how far a subscriber may lag behind.
const eventBuffer = 512

// subscribe starts a subscription; cancel ends it and may be called twice.
func (b *eventBus) subscribe(mount string) (events <-chan api.Event, cancel func()) {
	s := &eventSub{c: make(chan api.Event, eventBuffer), mount: mount}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.subs == nil {
		b.subs = map[*eventSub]struct{}{}
	}
	b.subs[s] = struct{}{}
	return s.c, func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.drop(s)
	}
}

// drop ends a subscription. Callers hold mu.
func (b *eventBus) drop(s *eventSub) {
	if _, ok := b.subs[s]; ok {
		delete(b.subs, s)
		close(s.c)
	}
}

// publish hands e to everyone concerned.
func (b *eventBus) publish(e api.Event) {
	if e.Time.IsZero() {
		e.Time = time.Now().UTC()
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for s := range b.subs {
		if s.mount != "" && !sameName(s.mount, e.Mount) {
			continue
		}
		select {
		case s.c <- e:
		default:
			b.drop(s)
		}
	}
}

// close ends every subscription.
func (b *eventBus) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for s := range b.subs {
		b.drop(s)
	}
}

package sshdial

import (
	"context"
	"io"
	"sync"
	"time"
)

// guard bounds a handshake: when the context ends or the time is used up it
// closes the connection, which ends every read and write on it, and remembers
// why. Deadlines of net.Conn would not do: a channel of a jump host has none.
type guard struct {
	// ctx is the dial's. It is kept here because the callbacks of
	// x/crypto/ssh, which ask persons and agents, are given none.
	ctx  context.Context
	base io.Closer // the TCP connection at the bottom
	stop func() bool

	mu      sync.Mutex // guards all below
	timer   *time.Timer
	left    time.Duration // of the budget, when the clock was last started
	started time.Time
	pauses  int
	cause   error
	over    bool
}

func newGuard(ctx context.Context, base io.Closer, budget time.Duration) *guard {
	g := &guard{ctx: ctx, base: base, left: budget, started: time.Now()}
	g.timer = time.AfterFunc(budget, func() { g.fail(ErrTimeout) })
	g.stop = context.AfterFunc(ctx, func() { g.fail(context.Cause(ctx)) })
	return g
}

// fail ends the handshake; the first reason stays.
func (g *guard) fail(err error) {
	g.mu.Lock()
	if g.over || g.cause != nil {
		g.mu.Unlock()
		return
	}
	g.cause = err
	g.mu.Unlock()
	_ = g.base.Close()
}

// pause stops the clock while a person (or a key that wants to be touched) is
// waited for; the function it returns starts it again.
func (g *guard) pause() (resume func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.pauses++; g.pauses == 1 && g.timer.Stop() {
		g.left -= time.Since(g.started)
	}
	return func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		if g.pauses--; g.pauses == 0 && !g.over {
			g.started = time.Now()
			g.timer.Reset(max(g.left, time.Second))
		}
	}
}

// err is why the handshake was ended, if it was.
func (g *guard) err() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.cause
}

// release ends the guard. An error says that it had struck before.
func (g *guard) release() error {
	g.stop()
	g.mu.Lock()
	defer g.mu.Unlock()
	g.timer.Stop()
	g.over = true
	return g.cause
}

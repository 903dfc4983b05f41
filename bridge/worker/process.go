package worker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"sync"
	"sync/atomic"
	"syscall"

	"sshfs-bridge/fusefs"
)

// ErrEnded says that the worker has ended.
var ErrEnded = errors.New("the worker has ended")

// Process is a running worker, as its starter sees it. Its methods are safe
// for concurrent use.
type Process struct {
	cmd     *exec.Cmd
	link    *link
	log     *slog.Logger
	onEvent func(Event)
	// served is called with each state: none is told before the kernel is answered.
	served     func()
	mountpoint string
	forgetting atomic.Bool // see forgetUnused

	connected chan struct{} // closed when the first connection's outcome is known
	done      chan struct{} // closed when the worker ended and all is told
	letGo     func() bool   // takes the worker from under the start's context

	mu       sync.Mutex
	outcome  *ConnectError            // GUARDED_BY(mu), valid once connected is closed
	known    bool                     // GUARDED_BY(mu): outcome was set
	err      error                    // GUARDED_BY(mu), valid once done is closed
	calls    map[uint64]chan<- *reply // GUARDED_BY(mu)
	lastCall uint64                   // GUARDED_BY(mu)
}

func newProcess(cmd *exec.Cmd, l *link, o StartOptions) *Process {
	p := &Process{
		cmd: cmd, link: l, log: o.Logger, onEvent: o.OnEvent, mountpoint: o.Mountpoint,
		connected: make(chan struct{}), done: make(chan struct{}),
		calls: map[uint64]chan<- *reply{},
	}
	p.served = sync.OnceFunc(func() {
		if p.mountpoint == "" {
			return
		}
		if err := fusefs.WidenReadAhead(p.mountpoint); err != nil {
			p.log.Debug("large files are read in small requests", "err", err)
		}
	})
	if p.onEvent == nil {
		p.onEvent = func(Event) {}
	}
	return p
}

// run starts the goroutines that follow the worker; they end with it.
func (p *Process) run(ctx context.Context, said *os.File) {
	logs := newRecords(p.log.With("pid", p.PID()))
	var follow sync.WaitGroup
	var broken error
	follow.Go(func() {
		defer said.Close()
		logs.read(said)
	})
	follow.Go(func() {
		if broken = p.receive(); broken != nil {
			p.signal(syscall.SIGKILL) // it talks nonsense
		}
	})
	p.letGo = context.AfterFunc(ctx, func() { p.signal(syscall.SIGKILL) })
	go func() {
		err := p.cmd.Wait()
		p.letGo()
		// The worker's ends of the socket and the pipe are closed now: both
		// goroutines come to their end.
		follow.Wait()
		p.link.close()
		p.mu.Lock()
		if err != nil || broken != nil {
			p.err = endError(err, broken, logs.tail())
		}
		p.mu.Unlock()
		close(p.done)
	}()
}

// endError says how a worker ended.
func endError(err, broken error, tail string) error {
	var text string
	switch {
	case broken != nil:
		text = broken.Error()
	case err != nil:
		text = err.Error()
	}
	if tail != "" {
		text += ": " + tail
	}
	return fmt.Errorf("%w: %s", ErrEnded, text)
}

// receive takes the worker's messages until its end. An error means that they
// make no sense.
func (p *Process) receive() error {
	first := true
	for {
		var r report
		switch err := p.link.receive(&r); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
		if first {
			if r.Version != protocolVersion {
				return fmt.Errorf("the worker speaks version %d of the protocol, not %d: was the program replaced?", r.Version, protocolVersion)
			}
			first = false
			continue
		}
		p.take(r)
	}
}

func (p *Process) take(r report) {
	switch {
	case r.State != nil:
		p.served()
		p.onEvent(Event{State: r.State})
	case r.Question != nil:
		p.onEvent(Event{Question: r.Question})
	case r.QuestionClosed != "":
		p.onEvent(Event{QuestionClosed: r.QuestionClosed})
	case r.HostKey != "":
		p.onEvent(Event{HostKeyAccepted: r.HostKey})
	case len(r.Notes) > 0:
		p.onEvent(Event{Notes: r.Notes})
	case r.Changed != nil:
		p.onEvent(Event{Changed: r.Changed})
	case r.ForgetUnused:
		p.forgetUnused()
	case r.Connected != nil:
		p.mu.Lock()
		first := !p.known
		p.known = true
		if first {
			p.outcome = r.Connected.Error
		}
		p.mu.Unlock()
		if first {
			close(p.connected)
		}
	case r.Reply != nil:
		p.mu.Lock()
		waiting := p.calls[r.Reply.ID]
		delete(p.calls, r.Reply.ID)
		p.mu.Unlock()
		if waiting != nil {
			waiting <- r.Reply
		}
	}
}

// forgetUnused has the kernel forget what nobody uses of the mount, once at a time and
// in the background: it may have to wait for pages to be written.
func (p *Process) forgetUnused() {
	if p.mountpoint == "" || !p.forgetting.CompareAndSwap(false, true) {
		return
	}
	go func() {
		defer p.forgetting.Store(false)
		if err := fusefs.ForgetUnused(p.mountpoint); err != nil {
			p.log.Debug("the kernel remembers directories beyond max_names", "err", err)
		}
	}()
}

// PID is the worker's process id.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Done is closed when the worker has ended and every event was delivered.
func (p *Process) Done() <-chan struct{} { return p.done }

// Err says how the worker ended (ErrEnded): nil before Done is closed, and
// after an orderly end (unmounted, stopped, released).
func (p *Process) Err() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.err
}

// WaitConnected waits for the first connection: nil when it is up (or the
// mount is on demand), a *ConnectError when it failed, another error when the
// worker or ctx ended. After a failure the worker goes on trying by itself
// where that makes sense: who does not want that kills it.
func (p *Process) WaitConnected(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-p.connected:
	case <-p.done:
		select {
		case <-p.connected:
		default:
			if err := p.Err(); err != nil {
				return err
			}
			return ErrEnded
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.outcome != nil {
		return p.outcome
	}
	return nil
}

// Stop asks the worker to let writes land and to end, whether it is still
// mounted or not, and waits; when ctx ends first it kills the worker and
// returns ctx's error.
func (p *Process) Stop(ctx context.Context) error {
	if err := p.send(order{Stop: true}); err != nil && !errors.Is(err, ErrEnded) {
		p.log.LogAttrs(ctx, slog.LevelDebug, "worker not told to stop", slog.Any("err", err))
		p.signal(syscall.SIGTERM)
	}
	select {
	case <-p.done:
		return p.Err()
	case <-ctx.Done():
		p.Kill()
		return context.Cause(ctx)
	}
}

// Kill ends the worker at once and waits for its end. What was written and
// has not landed is lost.
func (p *Process) Kill() {
	p.signal(syscall.SIGKILL)
	<-p.done
}

// signal sends to the process; one that ended already gets nothing.
func (p *Process) signal(sig syscall.Signal) {
	if err := p.cmd.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		p.log.LogAttrs(context.Background(), slog.LevelWarn, "worker not signalled", slog.String("signal", sig.String()), slog.Any("err", err))
	}
}

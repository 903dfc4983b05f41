package dropin

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"sshfs-bridge/bridge/api"
	"sshfs-bridge/bridge/worker"
	"sshfs-bridge/fusefs"
)

const (
	// landTimeout is how long written data may take to reach the server when
	// a mount is taken down.
	landTimeout = 60 * time.Second
	// stopTimeout is how long a worker may take to end after that.
	stopTimeout = 5 * time.Second
)

// serve mounts, starts the worker and holds the mount until somebody unmounts
// it or ctx ends. d, if not nil, is let go when the mount is up.
func (o Options) serve(ctx context.Context, p *plan, d *detach) error {
	ctx, stop := signal.NotifyContext(ctx, unix.SIGINT, unix.SIGTERM, unix.SIGHUP)
	defer stop()
	var tty *os.File
	if d != nil {
		tty = d.tty
	} else if tty = openTTY(o.TTY); tty != nil {
		defer tty.Close()
	}
	a, err := o.newAsker(p, tty)
	if err != nil {
		return err
	}
	h := &hold{o: o, p: p, asker: a, log: o.logger(p), open: make(map[string]context.CancelFunc)}
	if err := h.start(ctx); err != nil {
		return err
	}
	defer h.questions.Wait()
	if err := h.connect(ctx); err != nil {
		h.abandon()
		return err
	}
	forget := o.record(p)
	defer forget()
	if d != nil {
		if err := d.done(); err != nil {
			h.abandon()
			return err
		}
	}
	return h.stay(ctx)
}

// logger is where the worker's records go.
func (o Options) logger(p *plan) *slog.Logger {
	switch {
	case o.Logger != nil:
		return o.Logger
	case p.debug:
		return slog.New(slog.NewTextHandler(o.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
	case p.verbose:
		return slog.New(slog.NewTextHandler(o.Stderr, nil))
	default:
		return slog.New(slog.DiscardHandler)
	}
}

// hold is one mount that this process holds.
type hold struct {
	o     Options
	p     *plan
	asker *asker
	log   *slog.Logger
	proc  *worker.Process

	// questions counts the questions that are being asked.
	questions sync.WaitGroup
	mu        sync.Mutex
	open      map[string]context.CancelFunc // GUARDED_BY(mu), by the question's ID
	// started is closed when proc is set: questions may come before.
	started chan struct{}
	// ctx ends the questions with the mount.
	ctx    context.Context // events come from the worker, which has none
	cancel context.CancelFunc
}

// start mounts and starts the worker.
func (h *hold) start(ctx context.Context) error {
	dev, err := mountFUSE(h.p)
	if err != nil {
		return err
	}
	h.ctx, h.cancel = context.WithCancel(ctx)
	h.started = make(chan struct{})
	if err := setMountFlags(h.p.spec.Mountpoint, h.p.mountFlags, h.p.spec.ReadOnly); err != nil {
		fmt.Fprintln(h.o.Stderr, "sshfs: "+err.Error())
	}
	// The worker ends when it is told to, after what was written has landed.
	h.proc, err = worker.Start(context.WithoutCancel(ctx), worker.StartOptions{
		Exe: h.o.Exe, Dev: dev, Mountpoint: h.p.spec.Mountpoint, Spec: h.spec(), Credential: credential(h.o.SSHDir),
		Logger: h.log, OnEvent: h.onEvent,
	})
	if err != nil {
		h.cancel()
		return errors.Join(fmt.Errorf("start the worker: %w", err), unmountNow(h.p.spec.Mountpoint, true))
	}
	close(h.started)
	return nil
}

// spec is what the worker is told.
func (h *hold) spec() worker.Spec {
	s := worker.Spec{
		Mount: h.p.spec, SSHDir: h.o.SSHDir, AgentSocket: os.Getenv("SSH_AUTH_SOCK"),
		AcceptedHostKeys: h.o.acceptedHostKeys(), Interactive: h.asker.interactive(), LogLevel: slog.LevelWarn,
	}
	// The kernel refuses changes; modes are shown as they are, as sshfs does.
	s.Mount.ReadOnly = false
	if home, err := os.UserHomeDir(); err == nil {
		s.HomeDir = home
	}
	switch {
	case h.p.debug:
		s.LogLevel = slog.LevelDebug
	case h.p.verbose:
		s.LogLevel = slog.LevelInfo
	}
	return s
}

// credential is who may read the keys: the owner of the directory that holds
// them. It is nil where this process cannot become another, or need not.
func credential(sshDir string) *worker.Credential {
	info, err := os.Stat(sshDir)
	if err != nil || os.Geteuid() != 0 {
		return nil
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return nil
	}
	return &worker.Credential{UID: st.Uid, GID: st.Gid}
}

// onEvent takes what the worker tells. It must not block.
func (h *hold) onEvent(e worker.Event) {
	switch {
	case e.Question != nil:
		h.question(*e.Question)
	case e.QuestionClosed != "":
		h.mu.Lock()
		defer h.mu.Unlock()
		if giveUp, ok := h.open[e.QuestionClosed]; ok {
			giveUp()
		}
	case e.HostKeyAccepted != "":
		h.o.keepHostKey(e.HostKeyAccepted, h.log)
	case len(e.Notes) > 0:
		for _, note := range e.Notes {
			fmt.Fprintln(h.o.Stderr, "sshfs: "+note)
		}
	case e.State != nil:
		h.log.Info("mount", "state", e.State.State, "cause", e.State.Cause)
	}
}

// question asks a person, until the answer is not needed any more.
func (h *hold) question(q api.Question) {
	ctx, giveUp := context.WithCancel(h.ctx)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.open[q.ID] = giveUp
	h.questions.Go(func() {
		defer giveUp()
		a, err := h.asker.ask(ctx, q)
		if err != nil {
			a = api.Answer{ID: q.ID, Cancel: true}
		}
		h.mu.Lock()
		delete(h.open, q.ID)
		h.mu.Unlock()
		select {
		case <-h.started:
		case <-h.ctx.Done():
			return
		}
		if err := h.proc.Answer(a); err != nil {
			h.log.Debug("answer not taken", "err", err)
		}
	})
}

// connect waits for the first connection.
func (h *hold) connect(ctx context.Context) error {
	err := h.proc.WaitConnected(ctx)
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return context.Canceled
	}
	var connectErr *worker.ConnectError
	if errors.As(err, &connectErr) {
		return errors.New(connectErr.Cause)
	}
	return err
}

// abandon leaves nothing of a mount that did not come up.
func (h *hold) abandon() {
	h.cancel()
	if err := unmountNow(h.p.spec.Mountpoint, true); err != nil {
		h.log.Error("mount not detached", "err", err)
	}
	h.proc.Kill()
}

// stay holds the mount until it is gone.
func (h *hold) stay(ctx context.Context) error {
	defer h.cancel()
	select {
	case <-h.proc.Done():
		if err := h.proc.Err(); err != nil {
			// A dead mount answers every call with an error: take it away.
			if umountErr := unmountNow(h.p.spec.Mountpoint, true); umountErr != nil {
				h.log.Error("dead mount not detached", "err", umountErr)
			}
			return fmt.Errorf("the mount has failed: %w", err)
		}
		return nil
	case <-ctx.Done():
		return h.takeDown()
	}
}

// takeDown ends the mount: what was written lands, then the mount goes, lazily
// where somebody still uses it.
func (h *hold) takeDown() error {
	ctx, cancel := context.WithTimeout(context.Background(), landTimeout)
	defer cancel()
	drainErr := h.proc.Drain(ctx)
	err := unmountNow(h.p.spec.Mountpoint, false)
	if errors.Is(err, unix.EBUSY) {
		err = unmountNow(h.p.spec.Mountpoint, true)
	}
	stopCtx, cancelStop := context.WithTimeout(context.Background(), stopTimeout)
	defer cancelStop()
	if stopErr := h.proc.Stop(stopCtx); stopErr != nil {
		h.log.Debug("worker ended", "err", stopErr)
	}
	if drainErr != nil {
		drainErr = fmt.Errorf("not everything that was written has reached the server: %w", drainErr)
	}
	return errors.Join(drainErr, err)
}

// unmountNow detaches what is mounted at path. Nothing there is no error.
func unmountNow(path string, lazy bool) error {
	flags := unix.UMOUNT_NOFOLLOW
	if lazy {
		flags |= unix.MNT_DETACH
	}
	if m, err := fusefs.MountAt(path); err == nil && !ours(m) {
		return nil
	}
	switch err := unix.Unmount(path, flags); {
	case err == nil, errors.Is(err, unix.EINVAL), errors.Is(err, fs.ErrNotExist):
		return nil
	default:
		return &os.PathError{Op: "unmount", Path: path, Err: err}
	}
}

package worker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"sshfs-bridge/bridge/api"
	"sshfs-bridge/bridge/confine"
	"sshfs-bridge/fusefs"
	"sshfs-bridge/fusefs/remote"
	"sshfs-bridge/fusefs/vfs"
	"sshfs-bridge/fusefs/vfs/localmeta"
)

// The descriptors that Start passes.
const (
	fdDevice   = 3
	fdControl  = 4
	fdMetadata = 5 // and the next two
)

const (
	// landTimeout is how long writes may take to land when the worker ends
	// while it is still mounted. The supervisor asks for a drain before, with
	// a deadline of its own; this is for a supervisor that died.
	landTimeout = 5 * time.Second
	// closeTimeout is the same for a mount that was unmounted: nobody is in a
	// hurry, and close(2) returned already only for what has landed.
	closeTimeout = 30 * time.Second
	// specTimeout is how long the starter may take to say what to do.
	specTimeout = 10 * time.Second
)

var errNotForPeople = errors.New("worker is not for people: sshfs-bridge serve calls it")

// Main is the worker: the hidden command "worker". Descriptor 3 is /dev/fuse
// with a mount on it, 4 the control socket; standard error takes records. It
// returns when the mount was unmounted or the starter said so (nil), or when
// there is nothing that could be served.
func Main(ctx context.Context) error {
	if err := confineSelf(); err != nil {
		return err
	}
	// A starter that died must not end us by the next record.
	signal.Ignore(syscall.SIGPIPE, syscall.SIGHUP, syscall.SIGINT)
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGTERM)
	defer stop()
	unix.CloseOnExec(fdDevice)
	unix.CloseOnExec(fdControl)
	if err := unix.SetNonblock(fdControl, true); err != nil {
		return errNotForPeople
	}
	control, err := newLink(os.NewFile(fdControl, "control"))
	if err != nil {
		return errNotForPeople
	}
	defer control.close()
	spec, err := greet(control)
	if err != nil {
		return err
	}
	return serve(ctx, os.NewFile(fdDevice, "/dev/fuse"), control, spec)
}

// confineSelf makes this process what it has to be. The first time it
// executes the program again and does not return.
func confineSelf() error {
	text, first := os.LookupEnv(envStart)
	if first {
		var become startOrder
		if err := json.Unmarshal([]byte(text), &become); err != nil {
			return fmt.Errorf("worker: %s: %w", envStart, err)
		}
		env := os.Environ()
		for i, v := range env {
			if strings.HasPrefix(v, envStart+"=") {
				env = append(env[:i], env[i+1:]...)
				break
			}
		}
		limits := confine.Limits{Identity: become.Identity}
		if !become.Detached {
			limits.DeathSignal = syscall.SIGTERM
		}
		return fmt.Errorf("worker: %w", confine.Exec("/proc/self/exe", os.Args, env, limits))
	}
	if err := confine.Verify(-1); err != nil {
		return fmt.Errorf("%w (%w)", errNotForPeople, err)
	}
	// The name that execve gives is that of the link in /proc.
	if err := os.WriteFile("/proc/self/comm", []byte(processName), 0); err != nil {
		return fmt.Errorf("worker: %w", err)
	}
	// Other processes of the same user must not read the keys from memory.
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return fmt.Errorf("worker: become unreadable: %w", err)
	}
	return nil
}

// greet tells the protocol's version and takes the Spec.
func greet(control *link) (Spec, error) {
	if err := control.send(report{Version: protocolVersion}); err != nil {
		return Spec{}, fmt.Errorf("worker: %w", err)
	}
	if err := control.conn.SetReadDeadline(time.Now().Add(specTimeout)); err != nil {
		return Spec{}, fmt.Errorf("worker: %w", err)
	}
	var o order
	if err := control.receive(&o); err != nil {
		return Spec{}, fmt.Errorf("worker: take the settings: %w", err)
	}
	if err := control.conn.SetReadDeadline(time.Time{}); err != nil {
		return Spec{}, fmt.Errorf("worker: %w", err)
	}
	if o.Version != protocolVersion || o.Spec == nil {
		return Spec{}, fmt.Errorf("worker: the starter speaks version %d of the protocol, not %d: was the program replaced?", o.Version, protocolVersion)
	}
	return *o.Spec, nil
}

// serve serves the mount until it is unmounted or the session ends.
func serve(ctx context.Context, dev *os.File, control *link, spec Spec) error {
	boundGarbage()
	level := &slog.LevelVar{}
	level.Set(spec.LogLevel)
	logger := slog.New(slog.NewJSONHandler(os.Stderr, &slog.HandlerOptions{Level: level}))
	s := newSession(control, spec, logger, level)
	options, err := filesystemOptions(spec, logger)
	if err != nil {
		dev.Close()
		return err
	}
	options.OnRemoteChange, options.ForgetUnused = s.remoteChanged, s.forgetUnused
	if spec.Metadata {
		for fd := fdMetadata; fd < fdMetadata+3; fd++ {
			unix.CloseOnExec(fd)
		}
		if options.Local, s.remarks, err = openMetadata(localmeta.FilesOf(fdMetadata), logger); err != nil {
			dev.Close()
			return err
		}
	}
	r := remote.New(remote.Options{
		Dialer: s.dialer, Root: s.dialer.root(), OnDemand: spec.Mount.OnDemand,
		IdleAfter: time.Duration(spec.Mount.IdleSeconds) * time.Second,
		ReadRate:  spec.Mount.ReadRate, WriteRate: spec.Mount.WriteRate, RequestRate: spec.Mount.RequestRate,
		WindowBytes: int(spec.Mount.MaxUnwritten),
		Logger:      logger, OnState: s.stateChanged,
	})
	server, err := fusefs.NewServer(dev, r, options)
	if err != nil {
		closeRemote(ctx, r, 0, logger)
		return fmt.Errorf("serve the mount: %w", err)
	}
	s.remote, s.server = r, server

	unmounted := make(chan error, 1)
	go func() { unmounted <- server.Serve() }()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	sessionEnd := make(chan struct{})
	go func() {
		defer close(sessionEnd)
		s.run(ctx)
	}()
	select {
	case err := <-unmounted:
		s.ending.Store(true)
		closeRemote(context.WithoutCancel(ctx), r, closeTimeout, logger)
		cancel()
		<-sessionEnd
		if err != nil {
			return fmt.Errorf("serve the mount: %w", err)
		}
		return nil
	case <-sessionEnd:
		// Told to end, or left alone, while mounted: the mount dies with us.
		land, cancel := context.WithTimeout(context.WithoutCancel(ctx), landTimeout)
		defer cancel()
		if err := server.Drain(land); err != nil {
			logger.LogAttrs(ctx, slog.LevelError, "written data has not landed", slog.Any("err", err))
		}
		s.ending.Store(true)
		closeRemote(land, r, landTimeout, logger)
		return nil
	}
}

func closeRemote(ctx context.Context, r *remote.Remote, timeout time.Duration, logger *slog.Logger) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	if err := r.Close(ctx); err != nil {
		logger.LogAttrs(ctx, slog.LevelError, "written data has not landed", slog.Any("err", err))
	}
}

// filesystemOptions are what the filesystem takes of spec.
func filesystemOptions(spec Spec, logger *slog.Logger) (fusefs.Options, error) {
	cache, err := vfs.ParseCacheMode(spec.Mount.Cache)
	if err != nil {
		return fusefs.Options{}, err
	}
	links, err := vfs.ParseSymlinkMode(spec.Mount.Symlinks)
	if err != nil {
		return fusefs.Options{}, err
	}
	o := fusefs.Options{Options: vfs.Options{
		ReadOnly: spec.Mount.ReadOnly, Cache: cache, Symlinks: links, CacheBytes: spec.CacheBytes, Logger: logger,
		AttrTTL:    time.Duration(spec.Mount.CacheSeconds) * time.Second,
		LocalNames: spec.Mount.MacFiles == api.MacFilesLocal,
		MaxOpen:    spec.Mount.MaxOpenFiles, MaxNodes: spec.Mount.MaxNames,
	}}
	if spec.Shown {
		o.SMBNames, o.KeepTargets = true, true
	}
	if !spec.Mount.RemoteIDs {
		o.UID, o.GID = spec.Mount.UID, spec.Mount.GID
	}
	return o, nil
}

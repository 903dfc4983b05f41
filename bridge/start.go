package bridge

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"sshfs-bridge/bridge/api"
	"sshfs-bridge/bridge/mounttree"
)

// Run supervises until ctx ends, then drains and takes everything down, within
// about eight seconds. It returns nil after such an end, and otherwise why it
// could not start; an *api.Error or *ConfigError says what to do.
func (s *Supervisor) Run(ctx context.Context) error {
	c := s.Config()
	if err := makeDirs(&c); err != nil {
		return err
	}
	unlock, err := lockDirs(c.StateDir, c.RunDir)
	if err != nil {
		return err
	}
	defer unlock()
	if err := s.loadDesired(c.StateDir); err != nil {
		return err
	}
	if err := s.sys.setup(ctx); err != nil {
		return setupError(err)
	}
	control, err := listenControl(ctx, &c)
	if err != nil {
		return err
	}

	// Everything below outlives ctx: it is ended in order by stop.
	life, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	var group sync.WaitGroup
	if s.o.ReapOrphans {
		group.Go(func() { reapOrphans(life, s.log) })
	}
	s.mu.Lock()
	s.since, s.unitCtx = time.Now().UTC(), life
	s.mu.Unlock()
	s.startAll() // before anybody can ask: what is listed is complete
	server := s.newControlServer(life)
	group.Go(func() { s.serveControl(server, control) })
	s.log.Info("supervisor started", "pid", os.Getpid(), "version", s.o.Version.Version, "socket", c.ControlSocket())

	smbCtx, endSMB := context.WithCancel(life)
	defer endSMB()
	smbDone := make(chan struct{})
	group.Go(func() {
		defer close(smbDone)
		s.smb.run(smbCtx)
	})

	s.notify.tell(notifyReady, "STATUS="+s.summary())
	group.Go(func() { s.signsOfLife(life) })
	group.Go(func() { s.serveMetrics(life) })
	group.Go(func() { s.toucher.Run(life) })
	if c.Path != "" && s.o.Reload != nil {
		group.Go(func() {
			watchFile(ctx, c.Path, c.sign, s.watchEvery, func() { s.reload(ctx, c.Path+" changed") })
		})
	}

	s.idle(ctx)
	err = s.stop(server, func() { endSMB(); <-smbDone })
	end()
	group.Wait()
	s.log.Info("supervisor stopped")
	return err
}

// idle waits for the end, and reloads on SIGHUP.
func (s *Supervisor) idle(ctx context.Context) {
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	defer signal.Stop(hup)
	for {
		select {
		case <-hup:
			s.reload(ctx, "SIGHUP")
		case <-ctx.Done():
			return
		}
	}
}

// startAll starts a unit for every mount of the desired state.
func (s *Supervisor) startAll() {
	s.mu.Lock()
	all, notes := s.des.merge(s.c.Mounts)
	s.mu.Unlock()
	for _, n := range notes {
		s.log.Warn("mount left out", "reason", n)
	}
	s.addUnits(all)
}

func (s *Supervisor) loadDesired(stateDir string) error {
	d, note, err := loadDesired(stateDir)
	if err != nil {
		return &api.Error{Code: api.CodeInternal, Message: err.Error()}
	}
	if note != "" {
		s.log.Error("desired state damaged", "note", note)
		s.setProblem("state", note)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.des = d
	return nil
}

// makeDirs makes the directories that are ours. The state directory holds
// Samba's password database and the host keys that are trusted; the run
// directory is passed through by everyone who uses a mount.
func makeDirs(c *Config) error {
	for _, d := range []struct {
		dir  string
		mode fs.FileMode
	}{{c.StateDir, 0o700}, {c.RunDir, 0o755}, {c.ControlDir(), 0o750}} {
		if err := os.MkdirAll(d.dir, d.mode); err != nil {
			return dirError(d.dir, err)
		}
		if err := os.Chmod(d.dir, d.mode); err != nil {
			return dirError(d.dir, err)
		}
	}
	return nil
}

func dirError(dir string, err error) error {
	e := &api.Error{Code: api.CodeInternal, Message: fmt.Sprintf("cannot use the directory %s: %s", dir, reason(err)), Hint: "make it writable, or choose another one by configuration"}
	if errors.Is(err, fs.ErrPermission) {
		e.Code, e.Hint = api.CodePermission, "run this as root (in Docker: as the image does), or choose directories that you may write"
	}
	return e
}

// lockDirs makes this the only supervisor of both directories.
func lockDirs(dirs ...string) (unlock func(), err error) {
	var files []*os.File
	unlock = func() {
		for _, f := range files {
			f.Close()
		}
	}
	for _, dir := range dirs {
		f, err := os.OpenFile(dir+"/lock", os.O_RDWR|os.O_CREATE, 0o600)
		if err != nil {
			unlock()
			return nil, dirError(dir, err)
		}
		files = append(files, f)
		if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
			var pid int
			_, _ = fmt.Fscan(f, &pid) // unknown is 0
			unlock()
			return nil, &api.Error{
				Code: api.CodeUnavailable, Message: fmt.Sprintf("another supervisor (pid %d) uses %s", pid, dir),
				Hint: "use that one, stop it, or give this one directories of its own (--state-dir, --run-dir, --hub)",
			}
		}
		if err := f.Truncate(0); err == nil {
			_, err = fmt.Fprintln(f, os.Getpid())
			if err != nil {
				unlock()
				return nil, dirError(dir, err)
			}
		}
	}
	return unlock, nil
}

// checkFUSE says what keeps every mount from working, before anything is made.
func checkFUSE() error {
	f, err := os.OpenFile("/dev/fuse", os.O_RDWR, 0)
	switch {
	case err == nil:
		defer f.Close()
		var st unix.Stat_t
		if err := unix.Fstat(int(f.Fd()), &st); err == nil && (st.Mode&unix.S_IFMT != unix.S_IFCHR || st.Rdev != unix.Mkdev(10, 229)) {
			return &api.Error{
				Code: api.CodeUnavailable, Message: "/dev/fuse is something else than the kernel's FUSE (character device 10, 229)",
				Hint: "in Docker: docker run --privileged (or --device /dev/fuse --cap-add SYS_ADMIN); on a host: rm /dev/fuse && mknod -m 666 /dev/fuse c 10 229",
			}
		}
		return nil
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENODEV), errors.Is(err, syscall.ENXIO):
		return &api.Error{
			Code: api.CodeUnavailable, Message: "no /dev/fuse here: the kernel's FUSE is needed to mount",
			Hint: "in Docker: docker run --privileged (or --device /dev/fuse --cap-add SYS_ADMIN); on a host: modprobe fuse",
		}
	default:
		return &api.Error{
			Code: api.CodePermission, Message: "cannot open /dev/fuse: " + reason(err),
			Hint: "run as root; in Docker: docker run --privileged (or --device /dev/fuse --cap-add SYS_ADMIN)",
		}
	}
}

// setupError says why the mount tree could not be made.
func setupError(err error) error {
	var told *api.Error
	if errors.As(err, &told) {
		return err
	}
	if errors.Is(err, mounttree.ErrNoPrivilege) || errors.Is(err, fs.ErrPermission) {
		return &api.Error{
			Code: api.CodePermission, Message: "no privilege to mount: " + err.Error(), // it says what to do
		}
	}
	return fmt.Errorf("prepare the mount points: %w", err)
}

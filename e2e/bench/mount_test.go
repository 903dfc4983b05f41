package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"sshfs-bridge/e2e/testenv"
)

// mount is a system in use. What serves it is another process.
type mount struct {
	dir     string   // where its files are seen; empty for a share alone
	scratch string   // everything of it lies below
	proc    *process // nil for the local directory
	stop    func() error
	// A share: its port on loopback, its name, and what lies beneath it.
	port    int
	share   string
	beneath *mount
}

const mountPatience = 30 * time.Second

// opener mounts by a command. The mount is ready when it has answered, and nothing
// but the names in its root has been asked for.
func opener(name string, command serveCommand) func(context.Context, *link) (*mount, error) {
	return func(ctx context.Context, l *link) (*mount, error) {
		m, err := newMount()
		if err != nil {
			return nil, err
		}
		m.dir = filepath.Join(m.scratch, "mnt")
		m.stop = m.unmount
		err = os.Mkdir(m.dir, 0o755)
		if err == nil {
			argv, env := command(l, m.dir, m.scratch)
			m.proc, err = startProcess(m.scratch, env, argv...)
		}
		if err == nil {
			err = m.ready(ctx, name, func() bool { return len(testenv.MountsBelow(m.dir)) > 0 })
		}
		if err == nil {
			_, err = within(mountPatience, m, func() ([]os.DirEntry, error) { return os.ReadDir(m.dir) })
		}
		if err != nil {
			return nil, errors.Join(err, m.logged(), m.abort())
		}
		return m, nil
	}
}

// newMount makes a directory that everybody may look into.
func newMount() (*mount, error) {
	scratch, err := os.MkdirTemp("", "bridge-bench-")
	if err != nil {
		return nil, err
	}
	return &mount{scratch: scratch}, os.Chmod(scratch, 0o755)
}

// ready waits until cond holds; the process must live until then.
func (m *mount) ready(ctx context.Context, name string, cond func() bool) error {
	up := false
	testenv.Poll(mountPatience, func() bool {
		up = !m.proc.ended() && cond()
		return up || m.proc.ended() || ctx.Err() != nil
	})
	if !up {
		return fmt.Errorf("%s does not come up: %w", name, errors.Join(ctx.Err(), errNotUp))
	}
	return nil
}

var errNotUp = errors.New("not up")

// pids are the processes that serve it.
func (m *mount) pids() (pids []int) {
	if m.proc != nil {
		pids = m.proc.family()
	}
	if m.beneath != nil {
		pids = append(pids, m.beneath.pids()...)
	}
	return pids
}

// usage is that of the processes that serve it.
func (m *mount) usage() (cpu time.Duration, peak int64) {
	if m.proc != nil {
		cpu, peak = m.proc.usage()
	}
	if m.beneath != nil {
		c, p := m.beneath.usage()
		cpu, peak = cpu+c, peak+p
	}
	return cpu, peak
}

// within runs work that touches the mount. When it takes too long, the mount's
// process is killed, which is the one way to end a call that hangs in it.
func within[T any](limit time.Duration, m *mount, work func() (T, error)) (T, error) {
	type outcome struct {
		v   T
		err error
	}
	done := make(chan outcome, 1)
	go func() {
		v, err := work()
		done <- outcome{v, err}
	}()
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case o := <-done:
		return o.v, o.err
	case <-timer.C:
	}
	for b := m; b != nil; b = b.beneath {
		if b.proc != nil {
			b.proc.kill()
		}
	}
	o := <-done
	return o.v, fmt.Errorf("ended by force after %v: %w", limit, errors.Join(o.err, os.ErrDeadlineExceeded))
}

// close ends it and waits for its processes. A mount or a process that has to be
// removed by force is an error.
func (m *mount) close() error {
	if m == nil || m.proc == nil {
		return nil
	}
	err := errors.Join(m.stop(), m.proc.end(10*time.Second), m.beneath.close())
	return errors.Join(err, detach(m.scratch), m.remove())
}

func (m *mount) unmount() error {
	var err error
	testenv.Poll(10*time.Second, func() bool {
		err = syscall.Unmount(m.dir, 0)
		return !errors.Is(err, syscall.EBUSY)
	})
	if err != nil {
		return fmt.Errorf("unmount %s: %w", m.dir, err)
	}
	return nil
}

func (m *mount) terminate() error { return m.proc.cmd.Process.Signal(syscall.SIGTERM) }

// abort removes all of it by force.
func (m *mount) abort() error {
	if m == nil || m.scratch == "" {
		return nil
	}
	if m.proc != nil {
		m.proc.kill()
	}
	err := m.beneath.abort()
	_ = detach(m.scratch) // it says what was there, which is no news
	return errors.Join(err, m.remove())
}

// logged is what its processes said last, as an error; nil where that is nothing.
func (m *mount) logged() error {
	if m == nil || m.proc == nil {
		return nil
	}
	err := m.beneath.logged()
	if text := strings.TrimSpace(m.proc.log.Tail(4096)); text != "" {
		err = errors.Join(errors.New(text), err)
	}
	return err
}

func (m *mount) remove() error {
	if left := testenv.MountsBelow(m.scratch); len(left) > 0 {
		return fmt.Errorf("still mounted: %q", left)
	}
	return os.RemoveAll(m.scratch)
}

package demo

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/hirochachacha/go-smb2"
)

// checkSteps is how many steps a self-check has.
const checkSteps = 9

// stepTimeout bounds each step: a hung server is a failed check.
const stepTimeout = 2 * time.Minute

// CheckOptions say where the self-check looks.
type CheckOptions struct {
	// Addr is the SMB server's host:port.
	Addr string
	// Share is the share that shows Dir.
	Share string
	// Dir is the directory behind the share, as it lies on the server.
	Dir string
	// User and Password log in; an empty user is guest.
	User, Password string
	// OnStep is called as each step ends; nil does nothing.
	OnStep func(Step)
	// Logger gets what cannot be cleaned up; nil discards it.
	Logger *slog.Logger
}

// Step is one thing that the self-check did.
type Step struct {
	Name     string        // such as "write"
	Detail   string        // such as "8 MiB, equal hash on the server"
	Duration time.Duration // how long the SMB part took
	Bytes    int64         // how much data it carried, 0 where that says nothing
	Err      error
}

// SelfCheck lists, reads, writes, renames and deletes through SMB and compares
// each result with what lies in the directory. It returns the steps it came
// to, and an error that wraps ErrCheck when one of them failed. What it made is
// removed again in every case.
func SelfCheck(ctx context.Context, o CheckOptions) ([]Step, error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.User == "" {
		o.User = "guest"
	}
	c := &checker{o: o, folder: fmt.Sprintf("self-check %d", os.Getpid())}
	defer c.clean()
	for _, step := range [checkSteps]struct {
		name string
		run  func(context.Context, *Step) error
	}{
		{"connect", c.connect},
		{"list", c.list},
		{"read", c.read},
		{"free space", c.freeSpace},
		{"new folder", c.newFolder},
		{"write", c.write},
		{"change", c.change},
		{"rename", c.rename},
		{"delete", c.remove},
	} {
		c.run(ctx, step.name, step.run)
		last := c.steps[len(c.steps)-1]
		if o.OnStep != nil {
			o.OnStep(last)
		}
		if last.Err != nil {
			return c.steps, fmt.Errorf("%w: %s: %v", ErrCheck, last.Name, last.Err) //nolint:errorlint // an errno of the check says nothing about the demo
		}
	}
	return c.steps, nil
}

// checker is one run of the self-check.
type checker struct {
	o       CheckOptions
	conn    net.Conn
	session *smb2.Session
	whole   *smb2.Share // bound to no context
	share   *smb2.Share // bound to the step's context
	folder  string      // what the check makes lies in here
	tree    []pair      // what list found
	steps   []Step
}

func (c *checker) run(ctx context.Context, name string, fn func(context.Context, *Step) error) {
	ctx, cancel := context.WithTimeout(ctx, stepTimeout)
	defer cancel()
	if c.whole != nil {
		c.share = c.whole.WithContext(ctx)
	}
	step := Step{Name: name}
	step.Err = fn(ctx, &step)
	c.steps = append(c.steps, step)
}

// timed runs the SMB part of a step and adds its time.
func (s *Step) timed(fn func() error) error {
	start := time.Now()
	err := fn()
	s.Duration += time.Since(start)
	return err
}

// connect logs in and connects to the share, which must be among those that
// the server lists.
func (c *checker) connect(ctx context.Context, s *Step) error {
	return s.timed(func() (err error) {
		if c.conn, err = (&net.Dialer{}).DialContext(ctx, "tcp", c.o.Addr); err != nil {
			return err
		}
		d := &smb2.Dialer{Initiator: &smb2.NTLMInitiator{User: c.o.User, Password: c.o.Password}}
		if c.session, err = d.DialContext(ctx, c.conn); err != nil {
			return fmt.Errorf("log in as %s: %w", c.o.User, err)
		}
		session := c.session.WithContext(ctx)
		names, err := session.ListSharenames()
		if err != nil {
			return fmt.Errorf("list the shares: %w", err)
		}
		found := false
		for _, name := range names {
			found = found || name == c.o.Share
		}
		if !found {
			return fmt.Errorf("the server lists the shares %q, and not %q", names, c.o.Share)
		}
		if c.whole, err = session.Mount(c.o.Share); err != nil {
			return fmt.Errorf("share %q: %w", c.o.Share, err)
		}
		s.Detail = fmt.Sprintf("as %s, share %q of %d", c.o.User, c.o.Share, len(names))
		return nil
	})
}

// clean removes what the check made, also after a failure, and hangs up.
func (c *checker) clean() {
	left := filepath.Join(c.o.Dir, c.folder)
	if err := os.RemoveAll(left); err != nil {
		c.o.Logger.Warn("demo: the self-check's folder stays", "path", left, "err", err)
	}
	var errs []error
	if c.whole != nil {
		errs = append(errs, c.whole.Umount())
	}
	if c.session != nil {
		errs = append(errs, c.session.Logoff())
	}
	if c.conn != nil {
		errs = append(errs, c.conn.Close())
	}
	if err := errors.Join(errs...); err != nil {
		c.o.Logger.Debug("demo: self-check: hang up", "err", err)
	}
}

// onServer is where a path of the share lies on the server.
func (c *checker) onServer(p string) string { return filepath.Join(c.o.Dir, filepath.FromSlash(p)) }

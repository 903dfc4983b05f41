package dropin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

// Sshfs is sshfs(1): it takes the arguments after the program's name and
// returns the exit code: 0 when the mount is up (with -f: when it is gone
// again), 1 otherwise, with the reason on Stderr. It blocks as sshfs does;
// ending ctx before the mount is up leaves nothing behind, and with -f it
// unmounts.
func Sshfs(ctx context.Context, args []string, o Options) int {
	o = o.withDefaults()
	p, err := parse(args)
	if err != nil {
		return o.fail("sshfs", fmt.Errorf("%w\nsee `sshfs -h' for usage", err))
	}
	switch {
	case p.help:
		writeHelp(o.Stdout)
		return 0
	case p.version:
		fmt.Fprintf(o.Stdout, "SSHFS version %s (sshfs-bridge %s)\n", compatible, o.Version)
		return 0
	}
	if os.Getenv(holderEnv) != "" {
		return o.holder(ctx, p)
	}
	if err := o.prepare(p); err != nil {
		return o.fail("sshfs", err)
	}
	for _, note := range p.notes {
		fmt.Fprintln(o.Stderr, "sshfs: "+note)
	}
	switch err := o.mount(ctx, p, args); {
	case errors.Is(err, errReported):
		return 1
	case err != nil:
		return o.fail("sshfs", err)
	}
	return 0
}

// prepare settles what depends on this machine.
func (o Options) prepare(p *plan) error {
	if err := checkMountpoint(p); err != nil {
		return err
	}
	if p.configFile != "" {
		return readConfigFile(p, o.SSHDir)
	}
	return nil
}

// mount carries the plan out, by a supervisor or alone.
func (o Options) mount(ctx context.Context, p *plan, args []string) error {
	reason, err := o.supervised(p)
	if err != nil {
		return err
	}
	if reason == "" {
		return o.mountSupervised(ctx, p)
	}
	if reason != noSupervisor {
		fmt.Fprintf(o.Stderr, "sshfs: mounted beside the supervisor, whose list does not show it: %s\n", reason)
	}
	if p.foreground {
		return o.serve(ctx, p, nil)
	}
	return o.background(ctx, p, args)
}

// fail prints an error as sshfs does and returns its exit code.
func (o Options) fail(program string, err error) int {
	msg := strings.TrimSpace(err.Error())
	if errors.Is(err, context.Canceled) {
		msg = "interrupted, nothing is mounted"
	}
	fmt.Fprintf(o.Stderr, "%s: %s\n", program, msg)
	return 1
}

// newAsker opens the terminal, and reads the password of -o password_stdin.
func (o Options) newAsker(p *plan, tty *os.File) (*asker, error) {
	a := &asker{tty: tty}
	if p.passwordStdin {
		password, err := readToNewline(o.Stdin)
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, fmt.Errorf("-o password_stdin: %w", err)
		}
		a.password = &password
	}
	return a, nil
}

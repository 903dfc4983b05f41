package dropin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// holderEnv marks the process that holds a background mount. Its
	// descriptor 3 tells the caller that the mount is up; 4 is the caller's
	// terminal where the value is holderTTY.
	holderEnv   = "SSHFS_BRIDGE_HOLDER"
	holderTTY   = "terminal"
	holderAlone = "no terminal"
	// holderGrace is how long an interrupted holder may take to clean up.
	holderGrace = 10 * time.Second

	mountedMark = "mounted\n"
)

// errReported is a failure whose reason the holder has printed already.
var errReported = errors.New("reported by the holder")

// background executes this program again, in a session of its own, and
// returns when that holds the mount, or has said why not.
func (o Options) background(ctx context.Context, p *plan, args []string) error {
	exe := o.Exe
	if exe == "" {
		var err error
		if exe, err = os.Executable(); err != nil {
			return fmt.Errorf("find this program: %w", err)
		}
	}
	up, holderUp, err := os.Pipe()
	if err != nil {
		return err
	}
	defer up.Close()
	defer holderUp.Close()
	cmd := exec.CommandContext(context.WithoutCancel(ctx), exe, args...)
	cmd.Args[0] = "sshfs"
	cmd.Stderr, cmd.ExtraFiles = o.Stderr, []*os.File{holderUp}
	if p.passwordStdin {
		cmd.Stdin = o.Stdin
	}
	terminal := holderAlone
	if tty := openTTY(o.TTY); tty != nil {
		defer tty.Close()
		// In a session of its own the holder may read a terminal that is not
		// its own, so that it asks there itself.
		cmd.ExtraFiles, terminal = append(cmd.ExtraFiles, tty), holderTTY
	}
	cmd.Env = append(os.Environ(), holderEnv+"="+terminal)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start the process that holds the mount: %w", err)
	}
	holderUp.Close()
	return waitForHolder(ctx, cmd, up)
}

// waitForHolder waits for the mark on up, or for the holder's end.
func waitForHolder(ctx context.Context, cmd *exec.Cmd, up *os.File) error {
	stop := context.AfterFunc(ctx, func() {
		_ = cmd.Process.Signal(unix.SIGTERM)
		_ = up.SetReadDeadline(time.Now().Add(holderGrace))
	})
	defer stop()
	mark, err := io.ReadAll(io.LimitReader(up, int64(len(mountedMark))))
	if string(mark) == mountedMark && ctx.Err() == nil {
		return cmd.Process.Release()
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		_ = cmd.Process.Kill()
	}
	waitErr := cmd.Wait()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	var exit *exec.ExitError
	if errors.As(waitErr, &exit) && exit.ExitCode() == 1 {
		return errReported
	}
	return fmt.Errorf("the process that held the mount ended: %w", errors.Join(err, waitErr))
}

// holder is the side of the process that holds the mount.
func (o Options) holder(ctx context.Context, p *plan) int {
	d := &detach{up: os.NewFile(3, "up")}
	if os.Getenv(holderEnv) == holderTTY {
		d.tty = os.NewFile(4, "terminal")
	}
	if err := os.Unsetenv(holderEnv); err != nil { // the worker is no holder
		return o.fail("sshfs", err)
	}
	if err := o.prepare(p); err != nil {
		return o.fail("sshfs", err)
	}
	// Others find sshfs by its name: ps, pgrep, killall.
	_ = os.WriteFile("/proc/self/comm", []byte("sshfs"), 0) // only looks
	switch err := o.serve(ctx, p, d); {
	case errors.Is(err, context.Canceled):
		return 1 // the caller says so
	case err != nil:
		return o.fail("sshfs", err)
	}
	return 0
}

// detach is how a holder lets go of its caller.
type detach struct {
	up, tty *os.File
}

// done tells the caller that the mount is up, and keeps nothing of it: a pipe
// that is read to its end must not wait for the mount.
func (d *detach) done() error {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer null.Close()
	for fd := range 3 {
		if err := unix.Dup3(int(null.Fd()), fd, 0); err != nil {
			return fmt.Errorf("let go of descriptor %d: %w", fd, err)
		}
	}
	if d.tty != nil {
		d.tty.Close()
	}
	_, err = io.WriteString(d.up, mountedMark)
	return errors.Join(err, d.up.Close(), os.Chdir("/"))
}

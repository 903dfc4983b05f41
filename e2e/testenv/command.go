package testenv

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"testing"
	"time"
)

// commandLimit is how long a command of a test may take; one that takes longer hangs.
const commandLimit = time.Minute

// Run runs a program to its end and returns what it printed and its exit code. The
// test fails where it cannot be run, or hangs. env is its whole environment; nil is ours.
func Run(t testing.TB, env []string, argv ...string) (stdout, stderr string, code int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), commandLimit)
	defer cancel()
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Env = env
	cmd.WaitDelay = time.Second
	var o, e bytes.Buffer
	cmd.Stdout, cmd.Stderr = &o, &e
	err := cmd.Run()
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		t.Fatalf("%q hung:\n%s%s", argv, o.String(), e.String())
	case err != nil && !errors.As(err, &exit) && !errors.Is(err, exec.ErrWaitDelay):
		t.Fatalf("%q: %v", argv, err)
	}
	return o.String(), e.String(), cmd.ProcessState.ExitCode()
}

// RunOK runs a program that must succeed and returns all that it printed.
func RunOK(t testing.TB, argv ...string) string {
	t.Helper()
	stdout, stderr, code := Run(t, nil, argv...)
	if code != 0 {
		t.Fatalf("%q: exit %d\n%s%s", argv, code, stdout, stderr)
	}
	return stdout + stderr
}

// Build builds the program under test as path, with further flags of `go build` and
// further environment. It is for TestMain, which has no test to fail.
func Build(path string, env []string, flags ...string) error {
	args := append([]string{"build"}, flags...)
	cmd := exec.CommandContext(context.Background(), "go", append(args, "-o", path, "sshfs-bridge/cmd/sshfs-bridge")...)
	cmd.Env = append(os.Environ(), env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go build: %w\n%s", err, out)
	}
	return nil
}

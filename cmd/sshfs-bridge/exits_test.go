package main

import (
	"errors"
	"fmt"
	"os/exec"

	"github.com/rogpeppe/go-internal/testscript"
)

// exits runs a command and compares its exit code.
func exits(ts *testscript.TestScript, want string, args []string) error {
	err := ts.Exec(args[0], args[1:]...)
	code := 0
	var ee *exec.ExitError
	switch {
	case errors.As(err, &ee):
		code = ee.ExitCode()
	case err != nil:
		return err
	}
	if got := fmt.Sprint(code); got != want {
		return fmt.Errorf("%q: exit %s, want %s", args, got, want)
	}
	return nil
}

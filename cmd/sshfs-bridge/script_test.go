package main

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"sshfs-bridge": func() { os.Exit(run()) }})
}

// TestScript runs the command lines of testdata/script. With $FAKE as the
// socket they speak to a supervisor with fixed answers.
func TestScript(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		UpdateScripts:       os.Getenv("UPDATE") != "",
		RequireExplicitExec: true,
		Setup: func(e *testscript.Env) error {
			e.Setenv("SSHFS_BRIDGE_SOCKET", filepath.Join(e.WorkDir, "nobody"))
			tt, ok := e.T().(testing.TB)
			if !ok {
				return nil
			}
			// A socket's path must be short.
			dir, err := os.MkdirTemp("", "fake")
			if err != nil {
				return err
			}
			e.Defer(func() { os.RemoveAll(dir) })
			e.Setenv("FAKE", serveFake(tt, dir))
			return nil
		},
		Condition: func(cond string) (bool, error) {
			if cond != "systemd" {
				return false, fmt.Errorf("no condition is called %q", cond)
			}
			_, err := os.Stat("/run/systemd/system")
			return err == nil, nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			// exits N COMMAND...: the exit code is N.
			"exits": func(ts *testscript.TestScript, neg bool, args []string) {
				if neg || len(args) < 2 {
					ts.Fatalf("usage: exits N COMMAND...")
				}
				ts.Check(exits(ts, args[0], args[1:]))
			},
		},
	})
}

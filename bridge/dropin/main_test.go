package dropin

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"testing"

	"sshfs-bridge/bridge/worker"
)

// The test binary is also the program under test: called by a drop-in's name
// it is that, and with the argument "worker" it is a worker.
func TestMain(m *testing.M) {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	if run, ok := Names()[filepath.Base(os.Args[0])]; ok {
		code := run(ctx, os.Args[1:], Options{
			RunDir: os.Getenv("TEST_RUN_DIR"), StateDir: os.Getenv("TEST_STATE_DIR"), SSHDir: os.Getenv("TEST_SSH_DIR"),
			ControlSocket: os.Getenv("TEST_SOCKET"), TTY: os.Getenv("TEST_TTY"), Version: "test",
		})
		stop()
		os.Exit(code)
	}
	if len(os.Args) == 2 && os.Args[1] == "worker" {
		if err := worker.Main(ctx); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	stop()
	os.Exit(m.Run())
}

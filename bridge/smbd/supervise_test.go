package smbd

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"testing"
)

type supervised struct {
	ConfPath string
	Dirs     Dirs
	Listen   []string
}

// supervise is a supervisor to be killed: a process of its own that runs smbd.
func supervise(args []string) {
	var p supervised
	if err := json.Unmarshal([]byte(args[0]), &p); err != nil {
		panic(err)
	}
	if err := New(Options{ConfPath: p.ConfPath, Dirs: p.Dirs, Listen: p.Listen}).Run(context.Background()); err != nil {
		panic(err)
	}
}

func superviseIn(t *testing.T, s *setup) (pid int) {
	t.Helper()
	b, err := json.Marshal(supervised{s.o.ConfPath, s.o.Dirs, s.o.Listen})
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0], "supervise", string(b))
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	return cmd.Process.Pid
}

package demo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/moby/sys/mountinfo"

	"sshfs-bridge/bridge/api"
	"sshfs-bridge/bridge/smbd"
	"sshfs-bridge/bridge/worker"
	"sshfs-bridge/e2e/testenv"
)

// The test binary is also the program that the supervisor executes.
func TestMain(m *testing.M) {
	var err error
	switch {
	case len(os.Args) > 1 && os.Args[1] == "worker":
		err = worker.Main(context.Background())
	case len(os.Args) > 1 && os.Args[1] == "smbd-exec":
		err = smbd.ExecMain(os.Args[2:])
	default:
		os.Exit(m.Run())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// workDir is a directory that smbd's user can pass through, and that must not
// hold a mount in the end.
func workDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "bridge-demo-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		mounts, err := mountinfo.GetMounts(mountinfo.PrefixFilter(dir))
		if err != nil || len(mounts) != 0 {
			t.Errorf("left mounted: %v (%v)", mounts, err)
			return
		}
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

func TestRun_check(t *testing.T) {
	testenv.Require(t, "root", "fuse", "smbd")
	var out, logged bytes.Buffer
	start := time.Now()
	err := Run(t.Context(), Options{
		Dir: workDir(t), Port: testenv.FreePort(t), Check: true, LargeBytes: 4 << 20, Out: &out,
		Logger: slog.New(slog.NewTextHandler(&logged, nil)),
	})
	t.Logf("%v\n%s", time.Since(start), out.String())
	if err != nil {
		t.Fatalf("%v\n%s", err, logged.String())
	}
	if !strings.Contains(out.String(), fmt.Sprintf("all %d steps passed", checkSteps)) {
		t.Error("the report does not say so")
	}
}

func TestRun_servesUntilStopped(t *testing.T) {
	testenv.Require(t, "root", "fuse", "smbd")
	dir := workDir(t)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	out := &signalWriter{want: "until it is stopped", seen: make(chan struct{})}
	done := make(chan error, 1)
	port := testenv.FreePort(t)
	go func() {
		done <- Run(ctx, Options{Dir: dir, Port: port, PublishedPort: 12345, LargeBytes: 1 << 20, Out: out})
	}()
	select {
	case <-out.seen:
	case err := <-done:
		t.Fatalf("ended: %v\n%s", err, out.buf.String())
	case <-time.After(60 * time.Second):
		t.Fatal("does not come up")
	}
	steps, err := SelfCheck(ctx, CheckOptions{
		Addr: net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), Share: "demo", Dir: filepath.Join(dir, "samples"),
	})
	if err != nil {
		t.Errorf("%v after %+v", err, steps)
	}
	stop()
	select {
	case err := <-done:
		if err != nil {
			t.Errorf("stopped: %v", err)
		}
	case <-time.After(30 * time.Second):
		t.Fatal("does not stop")
	}
	if text := out.buf.String(); !strings.Contains(text, "open smb://guest:@127.0.0.1:12345/demo\n") {
		t.Errorf("no address for Finder in\n%s", text)
	}
}

// signalWriter closes seen when want was written.
type signalWriter struct {
	buf  bytes.Buffer
	want string
	seen chan struct{}
}

func (w *signalWriter) Write(p []byte) (int, error) {
	before := strings.Contains(w.buf.String(), w.want)
	w.buf.Write(p)
	if !before && strings.Contains(w.buf.String(), w.want) {
		close(w.seen)
	}
	return len(p), nil
}

func TestRun_portInUse(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	port := l.Addr().(*net.TCPAddr).Port
	err = Run(t.Context(), Options{Dir: t.TempDir(), Port: port, LargeBytes: 1, Out: &bytes.Buffer{}})
	var apiErr *api.Error
	if !errors.As(err, &apiErr) || !strings.Contains(apiErr.Message, strconv.Itoa(port)) || apiErr.Hint == "" {
		t.Errorf("error %v", err)
	}
}

func TestRun_sshPortInUse(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	err = Run(t.Context(), Options{Dir: t.TempDir(), SSHAddr: l.Addr().String(), LargeBytes: 1, Out: &bytes.Buffer{}})
	if err == nil || !strings.Contains(err.Error(), "in use") {
		t.Errorf("error %v", err)
	}
}

package worker

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sshfs-bridge/bridge/api"
	"sshfs-bridge/e2e/testenv"
	"sshfs-bridge/fusefs"
)

// The test binary is its own worker, a worker that misbehaves, and a starter
// that can be killed.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case "worker":
			if err := Main(context.Background()); err != nil {
				fmt.Fprintln(os.Stderr, err)
				os.Exit(1)
			}
			os.Exit(0)
		case "fake":
			fake(os.Args[2])
			os.Exit(0)
		case "starter":
			starter(os.Args[2])
			os.Exit(0)
		}
	}
	os.Exit(testenv.Main(m))
}

// fake is a worker that misbehaves.
func fake(kind string) {
	control := os.NewFile(fdControl, "control")
	switch kind {
	case "garbage":
		fmt.Fprintln(control, `{"v":1}`)
		fmt.Fprintln(control, "this is not JSON")
		io.Copy(io.Discard, control)
	case "version":
		fmt.Fprintln(control, `{"v":99}`)
		io.Copy(io.Discard, control)
	case "endless":
		fmt.Fprintln(control, `{"v":1}`)
		for {
			if _, err := control.WriteString(strings.Repeat("x", 1<<16)); err != nil {
				return
			}
		}
	case "panic":
		fmt.Fprintln(control, `{"v":1}`)
		panic("something is wrong")
	case "deaf":
		fmt.Fprintln(control, `{"v":1}`)
		signal.Ignore(syscall.SIGTERM)
		select {}
	}
}

// starter starts a worker as args say, and waits to be killed.
func starter(args string) {
	var s struct {
		Spec       Spec
		Mountpoint string
		Detached   bool
	}
	check := func(err error) {
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
	}
	check(json.Unmarshal([]byte(args), &s))
	dev, err := fusefs.Mount(fusefs.MountOptions{Mountpoint: s.Mountpoint, AllowOther: true})
	check(err)
	p, err := Start(context.Background(), StartOptions{
		Dev: dev, Spec: s.Spec, Detached: s.Detached,
	})
	check(err)
	check(p.WaitConnected(context.Background()))
	if s.Detached {
		check(p.Release(context.Background()))
	}
	fmt.Println(p.PID())
	if !s.Detached {
		select {}
	}
}

// events are what a worker told.
type events struct {
	mu   sync.Mutex
	list []Event
	also func(Event)
}

func (e *events) add(ev Event) {
	e.mu.Lock()
	e.list = append(e.list, ev)
	also := e.also
	e.mu.Unlock()
	if also != nil {
		also(ev)
	}
}

func (e *events) all() []Event {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.list)
}

// state is the latest state.
func (e *events) state() StateEvent {
	all := e.all()
	for i := len(all) - 1; i >= 0; i-- {
		if s := all[i].State; s != nil {
			return *s
		}
	}
	return StateEvent{}
}

func (e *events) question() *api.Question {
	for _, ev := range e.all() {
		if ev.Question != nil {
			return ev.Question
		}
	}
	return nil
}

// mounted is a worker on a mount of a test's own.
type mounted struct {
	*Process
	t      *testing.T
	at     string
	events *events
	log    *testenv.Buffer
}

// specFor is a Spec for the account of sshd.
func specFor(sshd *testenv.SSHD, path string) Spec {
	uid, gid := uint32(os.Getuid()), uint32(os.Getgid())
	return Spec{
		Mount:  api.MountSpec{Name: "test", Remote: sshd.Remote(path), UID: &uid, GID: &gid},
		SSHDir: sshd.SSHDir, HomeDir: sshd.Dir, LogLevel: slog.LevelInfo,
	}
}

// mountPoint is a directory from which whatever is mounted is taken away.
func mountPoint(t *testing.T) string {
	t.Helper()
	at := filepath.Join(t.TempDir(), "mnt")
	if err := os.Mkdir(at, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Unmount(at, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW) })
	return at
}

// start mounts and starts a worker; the test's end takes both away.
func start(t *testing.T, o StartOptions) *mounted {
	t.Helper()
	m := &mounted{t: t, at: mountPoint(t), events: &events{}, log: &testenv.Buffer{}}
	dev, err := fusefs.Mount(fusefs.MountOptions{Mountpoint: m.at, Source: "test", AllowOther: true})
	if err != nil {
		t.Fatal(err)
	}
	o.Dev, o.Mountpoint = dev, m.at
	o.Logger = slog.New(slog.NewTextHandler(m.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	o.OnEvent = m.events.add
	m.Process, err = Start(context.WithoutCancel(t.Context()), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		unix.Unmount(m.at, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW)
		m.Kill()
		if t.Failed() {
			t.Logf("events:\n%v\nlog:\n%s", describe(m.events.all()), m.log)
		}
	})
	return m
}

func describe(all []Event) string {
	var b strings.Builder
	for _, e := range all {
		j, _ := json.Marshal(e)
		fmt.Fprintf(&b, "%s\n", j)
	}
	return b.String()
}

func (m *mounted) up() *mounted {
	m.t.Helper()
	ctx, cancel := context.WithTimeout(m.t.Context(), 15*time.Second)
	defer cancel()
	if err := m.WaitConnected(ctx); err != nil {
		m.t.Fatalf("not connected: %v", err)
	}
	return m
}

// ended waits for the worker's end.
func (m *mounted) ended() error {
	m.t.Helper()
	select {
	case <-m.Done():
		return m.Err()
	case <-time.After(10 * time.Second):
		m.t.Fatal("the worker does not end")
		return nil
	}
}

// openDescriptor says whether this process has a descriptor that leads to path.
func openDescriptor(t *testing.T, path string) bool {
	t.Helper()
	fds, err := filepath.Glob("/proc/self/fd/*")
	if err != nil {
		t.Fatal(err)
	}
	return slices.ContainsFunc(fds, func(fd string) bool {
		link, err := os.Readlink(fd)
		return err == nil && link == path
	})
}

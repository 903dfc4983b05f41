package bridge

import (
	"context"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"sshfs-bridge/bridge/api"
)

func TestWatchFile(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(dir, "config.yaml")
		write := func(text string) {
			t.Helper()
			if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		ctx, cancel := context.WithCancel(t.Context())
		var calls atomic.Int64
		var group sync.WaitGroup
		group.Go(func() { watchFile(ctx, path, "", time.Second, func() { calls.Add(1) }) })
		after := func(what string, seconds int, want int64) {
			t.Helper()
			time.Sleep(time.Duration(seconds) * time.Second)
			synctest.Wait()
			if got := calls.Swap(0); got != want {
				t.Errorf("%s: %d reloads, want %d", what, got, want)
			}
		}
		time.Sleep(time.Second / 2) // between two looks
		after("no file", 3, 0)
		write("a")
		after("a new file", 3, 1)
		after("at rest", 10, 0)
		for i := range 5 { // a slow editor
			write("aaaaaa"[:i+2])
			after("while it is written", 1, 0)
		}
		after("written", 2, 1)
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		after("taken away", 5, 0)
		write("back")
		after("back", 3, 1)
		cancel()
		group.Wait()
	})
}

func TestSupervisor_readsAChangedFileByItself(t *testing.T) {
	file := filepath.Join(t.TempDir(), "config.yaml")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("mounts: {}\n")
	c := testConfig(t)
	c.Path, c.sign = file, fileSign(file)
	load := func() (Config, error) {
		next, err := LoadConfig(Sources{Path: file})
		next.StateDir, next.RunDir, next.Hub, next.SSHDir, next.SMB = c.StateDir, c.RunDir, c.Hub, c.SSHDir, c.SMB
		next.UID, next.GID = c.UID, c.GID
		return next, err
	}
	ct := newControlled(t, c, func(ct *controlled) { ct.s.o.Reload, ct.s.watchEvery = load, 20*time.Millisecond })
	events, cancel := ct.s.bus.subscribe("")
	defer cancel()
	next := func(kind api.EventKind) api.Event {
		t.Helper()
		for {
			select {
			case e := <-events:
				if e.Kind == kind {
					return e
				}
			case <-time.After(10 * time.Second):
				t.Fatalf("no event %s", kind)
			}
		}
	}
	write("mounts:\n  media: {remote: 'nas:/media'}\n")
	if e := next(api.EventAdded); e.Mount != "media" {
		t.Errorf("added: %+v", e)
	}
	if _, err := ct.s.WaitMount(t.Context(), "media"); err != nil {
		t.Fatal(err)
	}
	before := ct.sys.all()
	write("mounts:\n  media: {remote: 'nas:/media', bogus: 1}\n")
	next(api.EventConfig) // the first reload's
	next(api.EventConfig) // the refusal
	write("mounts:\n  media: {remote: 'nas:/media'}\n  more: {remote: 'nas:/more'}\n")
	if e := next(api.EventAdded); e.Mount != "more" {
		t.Errorf("added: %+v", e)
	}
	if now := ct.sys.all(); now[0] != before[0] || len(now) > 2 {
		t.Errorf("the unchanged mount was touched: %d workers", len(now))
	}
}

// SIGHUP is a reload, as often as it comes.
func TestSupervisor_reloadsOnSIGHUP(t *testing.T) {
	c := testConfig(t, configured("a", "nas:/a"))
	var reads atomic.Int32
	mine := make(chan os.Signal, 1) // a signal that comes too early must not end the test
	signal.Notify(mine, syscall.SIGHUP)
	defer signal.Stop(mine)
	ct := newControlled(t, c, func(ct *controlled) {
		ct.s.o.Reload = func() (Config, error) { reads.Add(1); return c, nil }
	})
	await(t, "a is up", func() bool { return ct.state("a") == api.StateUp })
	a := ct.s.find("a")
	await(t, "it is read", func() bool {
		if err := syscall.Kill(os.Getpid(), syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		return reads.Load() > 1
	})
	if ct.s.find("a") != a {
		t.Error("a mount that did not change was started anew")
	}
}

// What changed and can only take effect with the next start is named.
func TestReload_namesWhatWaits(t *testing.T) {
	c := testConfig(t)
	next := c
	next.SMB.Ports, next.LogFormat, next.LogLevel = []int{4450}, "json", slog.LevelDebug
	level := &slog.LevelVar{}
	ct := newControlled(t, c, func(ct *controlled) {
		ct.s.o.Level = level
		ct.s.o.Reload = func() (Config, error) { return next, nil }
	})
	if _, err := ct.Mount(t.Context(), api.MountRequest{Spec: api.MountSpec{Remote: "nas:/a"}}, nil, nil); err != nil {
		t.Fatal(err)
	}
	r, err := ct.Reload(t.Context())
	if err != nil || !slices.Equal(r.NextStart, []string{"log_format", "smb.ports"}) || r.Added != 0 || r.Removed != 0 {
		t.Errorf("%+v, %v", r, err)
	}
	if got := ct.s.Config(); !slices.Equal(got.SMB.Ports, c.SMB.Ports) || got.LogFormat != c.LogFormat {
		t.Errorf("taken over: %v, %s", got.SMB.Ports, got.LogFormat)
	}
	// The level changes at once, everywhere.
	if level.Level() != slog.LevelDebug || !slices.Contains(ct.sys.all()[0].called(), "log level DEBUG") {
		t.Errorf("level %v, the worker was told %q", level.Level(), ct.sys.all()[0].called())
	}
}

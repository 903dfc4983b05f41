package bridge

import (
	"context"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
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

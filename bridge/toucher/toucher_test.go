package toucher

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sshfs-bridge/e2e/testenv"
)

// The test binary is a helper that writes its orders to a file, and ends at an
// order that says so.
func TestMain(m *testing.M) {
	if file := os.Getenv("TOUCHER_TEST_FILE"); file != "" {
		out, err := os.OpenFile(file, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
		if err != nil {
			os.Exit(1)
		}
		err = serve(os.Stdin, func(o order) error {
			fmt.Fprintf(out, "%d %s %s %q\n", os.Getpid(), o.Mountpoint, o.Dir, o.Names)
			if o.Dir == "end" {
				os.Exit(3)
			}
			return nil
		})
		if err != nil {
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(testenv.Main(m))
}

// A helper that ends is started again at the next change, and none is left when
// Run has returned.
func TestHelperThatEnds(t *testing.T) {
	file := filepath.Join(t.TempDir(), "orders")
	tr := New(Options{Env: []string{"TOUCHER_TEST_FILE=" + file}})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); tr.Run(ctx) }()
	told := func(dir string) (pid string) {
		t.Helper()
		testenv.Eventually(t, 20*time.Second, "the helper is told of "+dir, func() bool {
			tr.Touch("/mnt", dir, []string{"a b"})
			text, _ := os.ReadFile(file)
			for line := range strings.Lines(string(text)) {
				if f := strings.Fields(line); f[2] == dir && strings.HasSuffix(line, `["a b"]`+"\n") {
					pid = f[0]
				}
			}
			return pid != ""
		})
		return pid
	}
	first := told("one")
	if told("two") != first {
		t.Error("each change has a helper of its own")
	}
	told("end")
	if told("three") == first {
		t.Error("the helper did not end")
	}
	cancel()
	<-done
}

// An order for a mount that does not answer keeps no other mount waiting, and no
// more than so many wait for it.
func TestServe_oneMountHangs(t *testing.T) {
	in, out := io.Pipe()
	hang, others := make(chan struct{}), make(chan order, 8)
	var mu sync.Mutex
	var late []string
	served := make(chan error, 1)
	var drained sync.WaitGroup
	drained.Add(1)
	go func() {
		served <- serve(in, func(o order) error {
			if o.Mountpoint != "/hangs" {
				others <- o
				return errors.New("whatever it says")
			}
			<-hang
			mu.Lock()
			defer mu.Unlock()
			if late = append(late, o.Dir); o.Dir == "last" {
				drained.Done()
			}
			return nil
		})
	}()
	enc := json.NewEncoder(out)
	send := func(o order) {
		t.Helper()
		if err := enc.Encode(o); err != nil {
			t.Fatal(err)
		}
	}
	for range 3 * maxPerMount {
		send(order{Mountpoint: "/hangs", Dir: "d"})
	}
	for _, dir := range []string{"a", "b"} {
		send(order{Mountpoint: "/answers", Dir: dir})
		select {
		case o := <-others:
			if o.Dir != dir {
				t.Errorf("%q, want %q", o.Dir, dir)
			}
		case <-time.After(20 * time.Second):
			t.Fatal("another mount waits")
		}
	}
	close(hang)
	testenv.Eventually(t, 20*time.Second, "what waited is done", func() bool {
		mu.Lock()
		defer mu.Unlock()
		return len(late) >= maxPerMount
	})
	send(order{Mountpoint: "/hangs", Dir: "last"})
	drained.Wait()
	if n := len(late); n > maxPerMount+2 {
		t.Errorf("%d waited, more than %d", n, maxPerMount)
	}
	out.Close()
	if err := <-served; err != nil {
		t.Error(err)
	}
}

// Nothing is touched where nothing is mounted, nor what a link leads to, nor what
// lies outside.
func TestTouch_goesNowhereElse(t *testing.T) {
	testenv.Require(t, "root")
	dir := t.TempDir()
	for _, d := range []string{"outside", "mnt"} {
		if err := os.Mkdir(filepath.Join(dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	mnt := filepath.Join(dir, "mnt")
	if err := touch(order{Mountpoint: mnt}); err == nil || !strings.Contains(err.Error(), "nothing is mounted") {
		t.Errorf("touched a bare mount point: %v", err)
	}
	if err := unix.Mount("t", mnt, "tmpfs", 0, ""); err != nil {
		t.Fatal(err)
	}
	defer unix.Unmount(mnt, unix.MNT_DETACH)
	if err := os.Symlink("../outside", filepath.Join(mnt, "link")); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(mnt, "in"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("u", filepath.Join(mnt, "in"), "tmpfs", 0, ""); err != nil {
		t.Fatal(err)
	}
	defer unix.Unmount(filepath.Join(mnt, "in"), unix.MNT_DETACH)
	for path, want := range map[string][]error{
		"link": {unix.ELOOP}, "..": {unix.EXDEV}, "../outside": {unix.EXDEV}, "/etc": {unix.EXDEV}, "in": {unix.EXDEV}, "gone": {unix.ENOENT},
	} {
		if err := touch(order{Mountpoint: mnt, Dir: path}); !slices.ContainsFunc(want, func(e error) bool { return errors.Is(err, e) }) {
			t.Errorf("touch %q: %v, want %v", path, err, want)
		}
	}
}

package e2e

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"sshfs-bridge/e2e/testenv"
	"sshfs-bridge/fusefs"
	"sshfs-bridge/fusefs/remote"
	"sshfs-bridge/fusefs/vfs"
)

// The rig counts what smbd makes of a client's wishes: smbd on a mount of ours, on
// a server that counts. Only the supervisor is left out, as it would not let
// smb.conf be anything else than ours.

// shareAccount owns the files and is whom smbd works as: every Debian has it.
const shareAccount, shareID = "daemon", uint32(1)

const countedMountEnv = "E2E_COUNTED_MOUNT"

// requests are FUSE requests that smbd waited for, SFTP requests and round trips.
type requests struct {
	FUSE, SFTP map[string]int
	Depth      int
}

// notWaited are kinds that come later by themselves; they cost nobody any time,
// and a count of them would depend on chance.
var notWaited = map[string]bool{"RELEASE": true, "RELEASEDIR": true, "FORGET": true, "BATCH_FORGET": true, "INTERRUPT": true, "close": true}

func total(m map[string]int) (n int) {
	for kind, k := range m {
		if !notWaited[kind] {
			n += k
		}
	}
	return n
}

// fuseCounter reads the requests out of go-fuse's debug log.
type fuseCounter struct {
	slog.Handler
	mu   sync.Mutex
	seen map[string]int
}

func (c *fuseCounter) Enabled(context.Context, slog.Level) bool { return true }
func (c *fuseCounter) Handle(_ context.Context, r slog.Record) error {
	if os.Getenv("E2E_FUSE_LOG") != "" {
		fmt.Fprintln(os.Stderr, r.Message)
	}
	_, rest, ok := strings.Cut(r.Message, "rx ")
	if !ok {
		return nil
	}
	if f := strings.Fields(rest); len(f) > 1 {
		c.mu.Lock()
		c.seen[f[1]]++
		c.mu.Unlock()
	}
	return nil
}

func (c *fuseCounter) take() map[string]int {
	c.mu.Lock()
	defer c.mu.Unlock()
	seen := c.seen
	c.seen = map[string]int{}
	return seen
}

// TestCountedMountHelper is not a test: it is the process that serves the rig's
// mount. It answers each line on standard input with a line.
func TestCountedMountHelper(t *testing.T) {
	dir := os.Getenv(countedMountEnv)
	if dir == "" {
		return
	}
	delay, err := time.ParseDuration(os.Getenv(countedMountEnv + "_DELAY"))
	if err != nil {
		t.Fatal(err)
	}
	count := testenv.NewCountServer(t, testenv.CountOptions{Dir: dir, Delay: delay})
	dial := dialFunc(func(ctx context.Context) (remote.Conn, error) { return count.Dial(ctx) })
	r := remote.New(remote.Options{Dialer: dial, Root: dir})
	if err := r.Connect(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	fuse := &fuseCounter{Handler: slog.DiscardHandler, seen: map[string]int{}}
	id := shareID
	srv, err := fusefs.NewServer(os.NewFile(3, "/dev/fuse"), r, fusefs.Options{Debug: os.Getenv("E2E_NODEBUG") == "", Options: vfs.Options{
		UID: &id, GID: &id, Symlinks: vfs.SymlinksXSym, Logger: slog.New(fuse), AttrTTL: time.Hour, NoBackgroundCheck: true, NoPrefetch: true,
	}})
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		for in := bufio.NewScanner(os.Stdin); in.Scan(); {
			var n requests
			if in.Text() == "begin" {
				count.Rounds(func() {})
				fuse.take()
			} else {
				c := count.Counted()
				n = requests{FUSE: fuse.take(), SFTP: c.Requests, Depth: c.Depth}
			}
			b, _ := json.Marshal(n)
			fmt.Println("#" + string(b))
		}
		// The test is over and has unmounted. Where another program's mount namespace
		// still holds a copy of the mount, Serve would not end.
		time.AfterFunc(2*time.Second, func() { os.Exit(0) })
	}()
	if err := srv.Serve(); err != nil {
		t.Error(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := r.Close(ctx); err != nil {
		t.Error(err)
	}
}

type dialFunc func(ctx context.Context) (remote.Conn, error)

func (d dialFunc) Dial(ctx context.Context, _ bool) (remote.Conn, error) { return d(ctx) }

// countedMount is a mount that counts.
type countedMount struct {
	t        testing.TB
	mnt, dir string // where it is, and the server's directory
	in       io.WriteCloser
	out      *bufio.Scanner
}

// mountCounted mounts a new directory behind a link with a delay in each
// direction.
func mountCounted(t testing.TB, delay time.Duration) *countedMount {
	t.Helper()
	testenv.Require(t, "root", "fuse", "smbd")
	base := testenv.PublicDir(t, "")
	m := &countedMount{t: t, mnt: filepath.Join(base, "mnt"), dir: filepath.Join(base, "server")}
	for _, d := range []string{m.mnt, m.dir} {
		if err := os.Mkdir(d, 0o777); err != nil {
			t.Fatal(err)
		}
	}
	dev, err := fusefs.Mount(fusefs.MountOptions{Mountpoint: m.mnt, Source: "counted", AllowOther: true})
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestCountedMountHelper$", "-test.timeout=10m")
	cmd.Env = append(os.Environ(), countedMountEnv+"="+m.dir, countedMountEnv+"_DELAY="+delay.String())
	cmd.ExtraFiles = []*os.File{dev}
	cmd.Stderr = os.Stderr
	if m.in, err = cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	m.out = bufio.NewScanner(stdout)
	m.out.Buffer(nil, 1<<20)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	dev.Close()
	t.Cleanup(func() {
		if err := fusefs.Unmount(m.mnt, false); err != nil {
			t.Errorf("unmount: %v", err)
			fusefs.Unmount(m.mnt, true)
		}
		m.in.Close()
		dead := time.AfterFunc(10*time.Second, func() { cmd.Process.Kill() })
		defer dead.Stop()
		for m.out.Scan() {
			if line := m.out.Text(); strings.Contains(line, "FAIL") || strings.Contains(line, "panic") {
				t.Errorf("the mount's server: %s", line)
			}
		}
		if err := cmd.Wait(); err != nil {
			t.Errorf("the mount's server: %v", err)
		}
	})
	return m
}

func (m *countedMount) ask(what string) (n requests) {
	m.t.Helper()
	fmt.Fprintln(m.in, what)
	for m.out.Scan() {
		if line, ok := strings.CutPrefix(m.out.Text(), "#"); ok {
			if err := json.Unmarshal([]byte(line), &n); err != nil {
				m.t.Fatal(err)
			}
			return n
		}
	}
	m.t.Fatal("the mount's server is gone")
	return n
}

// cost is what f costs.
func (m *countedMount) cost(f func()) requests {
	m.t.Helper()
	m.ask("begin")
	f()
	return m.ask("counted")
}

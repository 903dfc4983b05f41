package fusefs

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"sshfs-bridge/e2e/testenv"
	"sshfs-bridge/fusefs/remote"
	"sshfs-bridge/fusefs/vfs"
)

// serveSpec tells the re-executed test binary what to serve: the process that
// serves a mount never touches it.
type serveSpec struct {
	Dir     string
	Delay   time.Duration // of all answers; of signs of life and new channels alone with "pkg" and "openssh"
	Window  int
	Settle  time.Duration
	Without []string
	Server  string // "count" (also where it is empty), "pkg" or "openssh"
	Channel int    // MaxChannels
	Options vfs.Options
	// OldKernel has the kernel answer as one before Linux 6.18.
	OldKernel bool
}

// oldKernel cannot be told which inodes to forget.
type oldKernel struct{ kernel }

func (oldKernel) Prune([]uint64) bool { return false }

const serveEnv = "FUSEFS_TEST_SERVE"

type dialFunc func(ctx context.Context) (remote.Conn, error)

func (d dialFunc) Dial(ctx context.Context, _ bool) (remote.Conn, error) { return d(ctx) }

// TestServeHelper is not a test: it is what the mount tests run in another
// process. It obeys lines on standard input and answers each with a line.
func TestServeHelper(t *testing.T) {
	text := os.Getenv(serveEnv)
	if text == "" {
		return
	}
	var spec serveSpec
	if err := json.Unmarshal([]byte(text), &spec); err != nil {
		t.Fatal(err)
	}
	var dial dialFunc
	var count *testenv.CountServer
	var stream *streamConn
	switch spec.Server {
	case "pkg":
		stream = newPkgConn(spec.Dir)
	case "openssh":
		stream = newOpenSSHConn(spec.Dir)
	default:
		count = testenv.NewCountServer(t, testenv.CountOptions{Dir: spec.Dir, Delay: spec.Delay, Window: spec.Window, Settle: spec.Settle, Without: spec.Without})
		dial = func(ctx context.Context) (remote.Conn, error) { return count.Dial(ctx) }
	}
	if stream != nil {
		stream.rtt = spec.Delay
		dial = func(context.Context) (remote.Conn, error) { return stream, nil }
	}
	r := remote.New(remote.Options{Dialer: dial, Root: spec.Dir, MaxChannels: spec.Channel})
	if err := r.Connect(context.Background(), false); err != nil {
		t.Fatal(err)
	}
	level := slog.LevelWarn
	if os.Getenv("FUSEFS_TEST_DEBUG") != "" {
		level = slog.LevelDebug
	}
	o := Options{Options: spec.Options}
	o.Logger = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: level}))
	var crowded atomic.Int64
	o.ForgetUnused = func() { crowded.Add(1) }
	srv, err := NewServer(os.NewFile(3, "/dev/fuse"), r, o)
	if err != nil {
		t.Fatal(err)
	}
	if spec.OldKernel {
		srv.fs.SetKernel(oldKernel{kernel{srv.fuse}})
	}
	go helperCommands(srv, count, stream, &crowded)
	if err := srv.Serve(); err != nil {
		t.Error(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := r.Close(ctx); err != nil {
		t.Error(err)
	}
}

func helperCommands(srv *Server, count *testenv.CountServer, stream *streamConn, crowded *atomic.Int64) {
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		switch in.Text() {
		case "begin":
			count.Rounds(func() {})
			fmt.Println("#{}")
		case "counted":
			b, _ := json.Marshal(count.Counted())
			fmt.Println("#" + string(b))
		case "stats":
			b, _ := json.Marshal(srv.Stats())
			fmt.Println("#" + string(b))
		case "channels":
			b, _ := json.Marshal(stream.carried())
			fmt.Println("#" + string(b))
		case "crowded":
			fmt.Printf("#%d\n", crowded.Swap(0))
		case "refresh":
			srv.Refresh()
			fmt.Println("#{}")
		case "stall":
			count.Stall()
			fmt.Println("#{}")
		case "resume":
			count.Resume()
			fmt.Println("#{}")
		case "break":
			count.Break()
			fmt.Println("#{}")
		}
	}
}

// mount is a mounted filesystem, served by another process.
type mount struct {
	t   testing.TB
	mnt string // where it is mounted
	dir string // what it shows, on the server
	cmd *exec.Cmd
	in  *bufio.Writer
	out *bufio.Scanner
	mu  sync.Mutex
}

// mountDir mounts spec (Dir is made when empty).
func mountDir(t testing.TB, spec serveSpec) *mount {
	t.Helper()
	testenv.Require(t, "fuse")
	if spec.Server == "openssh" {
		testenv.Require(t, "sshd")
	}
	if spec.Dir == "" {
		spec.Dir = t.TempDir()
	}
	// MkdirTemp, as TempDir would be removed before we unmount on failure.
	m := &mount{t: t, mnt: t.TempDir(), dir: spec.Dir}
	dev, err := Mount(MountOptions{
		Mountpoint: m.mnt, Source: "test", AllowOther: true, ReadOnly: spec.Options.ReadOnly,
		DefaultPermissions: spec.Options.UID == nil,
	})
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(spec)
	if err != nil {
		t.Fatal(err)
	}
	m.cmd = exec.Command(os.Args[0], "-test.run=^TestServeHelper$", "-test.timeout=10m")
	m.cmd.Env = append(os.Environ(), serveEnv+"="+string(text))
	m.cmd.ExtraFiles = []*os.File{dev}
	m.cmd.Stderr = os.Stderr
	stdin, err := m.cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := m.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	m.in, m.out = bufio.NewWriter(stdin), bufio.NewScanner(stdout)
	m.out.Buffer(nil, 1<<20)
	if err := m.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	dev.Close()
	t.Cleanup(m.close)
	return m
}

func (m *mount) close() {
	// A process that another test starts has all our descriptors until it executes.
	var err error
	testenv.Poll(5*time.Second, func() bool { err = Unmount(m.mnt, false); return !errors.Is(err, syscall.EBUSY) })
	if err != nil {
		m.t.Errorf("%v", err)
		if err := Unmount(m.mnt, true); err != nil {
			m.t.Error(err)
		}
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for m.out.Scan() {
			if line := m.out.Text(); strings.Contains(line, "FAIL") || strings.Contains(line, "panic") {
				m.t.Errorf("server: %s", line)
			}
		}
		if err := m.cmd.Wait(); err != nil && m.cmd.ProcessState.Exited() {
			m.t.Errorf("server: %v", err)
		}
	}()
	defer func() {
		if _, ok := m.t.(*testing.B); ok {
			m.t.Logf("the server used %v of CPU for itself and %v in the kernel", m.cmd.ProcessState.UserTime(), m.cmd.ProcessState.SystemTime())
		}
	}()
	select {
	case <-done:
	case <-time.After(10 * time.Second):
		m.t.Error("the server did not end by itself")
		m.cmd.Process.Signal(syscall.SIGKILL)
		<-done
	}
}

// ask sends a command to the server process and decodes its answer.
func (m *mount) ask(command string, answer any) {
	m.t.Helper()
	m.mu.Lock()
	defer m.mu.Unlock()
	fmt.Fprintln(m.in, command)
	m.in.Flush()
	for m.out.Scan() {
		if line, ok := strings.CutPrefix(m.out.Text(), "#"); ok {
			if answer != nil {
				if err := json.Unmarshal([]byte(line), answer); err != nil {
					m.t.Fatal(err)
				}
			}
			return
		}
	}
	m.t.Fatalf("the server answered nothing to %q", command)
}

// rounds counts what fn costs.
func (m *mount) rounds(fn func()) testenv.Rounds {
	m.t.Helper()
	m.ask("begin", nil)
	fn()
	var r testenv.Rounds
	m.ask("counted", &r)
	return r
}

func (m *mount) path(name string) string { return filepath.Join(m.mnt, name) }

// fixed are options with the ids of a share.
func fixed(mode vfs.CacheMode) vfs.Options {
	id := uint32(os.Getuid())
	gid := uint32(os.Getgid())
	return vfs.Options{UID: &id, GID: &gid, Cache: mode}
}

// mountKind is who a mount is for.
type mountKind string

const (
	kindFixed mountKind = "fixed" // one user's, whom everything belongs to
	kindShare mountKind = "share" // smbd's: names, links and caching as it needs them
	kindPosix mountKind = "posix" // the remote's own ids, checked by the kernel
)

var mountKinds = []mountKind{kindFixed, kindShare, kindPosix}

// options are what a mount of this kind has. Links are shown as they are, but on a
// share, where nobody gets to see one.
func (k mountKind) options(mode vfs.CacheMode) vfs.Options {
	o := fixed(mode)
	o.Symlinks = vfs.SymlinksRaw
	switch k {
	case kindShare:
		o.Symlinks, o.SMBNames, o.KeepTargets = vfs.SymlinksXSym, true, true
	case kindPosix:
		o.UID, o.GID = nil, nil
	}
	return o
}

var cacheModes = []vfs.CacheMode{vfs.CacheDefault, vfs.CacheStrict, vfs.CacheOff}

func TestMain(m *testing.M) {
	if runtime.GOMAXPROCS(0) < 2 {
		runtime.GOMAXPROCS(2)
	}
	if os.Getenv(serveEnv) == "" {
		if code, done := alone(); done {
			os.Exit(code)
		}
		// Tests of mounts mostly wait: for delays, for times to pass.
		flag.Parse()
		if err := flag.Set("test.parallel", strconv.Itoa(max(4, runtime.GOMAXPROCS(0)))); err != nil {
			panic(err)
		}
	}
	os.Exit(m.Run())
}

const aloneEnv = "FUSEFS_TEST_ALONE"

// alone runs the tests again in a mount namespace of their own, where they may:
// one that another program makes meanwhile would keep our mounts alive.
func alone() (code int, done bool) {
	if os.Getenv(aloneEnv) != "" || os.Geteuid() != 0 {
		return 0, false
	}
	runtime.LockOSThread() // Pdeathsig is the thread's
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Env = append(os.Environ(), aloneEnv+"=1")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return 0, false
	}
	var exit *exec.ExitError
	if err := cmd.Wait(); err != nil && !errors.As(err, &exit) {
		fmt.Fprintln(os.Stderr, err)
	}
	return cmd.ProcessState.ExitCode(), true
}

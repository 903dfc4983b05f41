package mounttree_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"

	"sshfs-bridge/bridge/mounttree"
	"sshfs-bridge/e2e/testenv"
)

// The test binary runs itself in these roles, so that a test has mount
// namespaces and users of its own.
const (
	envRole    = "MOUNTTREE_TEST_ROLE"
	roleShared = "shared" // run the tests with a shared "/", as on a host
	roleSlave  = "slave"  // be a process in a slave mount namespace
	roleNobody = "nobody" // Setup without privileges
	envDir     = "MOUNTTREE_TEST_DIR"
)

func TestMain(m *testing.M) {
	switch os.Getenv(envRole) {
	case roleShared:
		must(unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""))
		must(unix.Mount("", "/", "", unix.MS_REC|unix.MS_SHARED, ""))
	case roleSlave:
		must(unix.Mount("", "/", "", unix.MS_REC|unix.MS_SLAVE, ""))
		fmt.Println("ready")
		io.Copy(io.Discard, os.Stdin) // until the test closes it
		os.Exit(0)
	case roleNobody:
		err := mounttree.New(mounttree.Options{RunDir: os.Getenv(envDir)}).Setup(context.Background())
		fmt.Println(err)
		os.Exit(0)
	}
	os.Exit(testenv.Main(m))
}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// role returns a command that runs this binary in a role.
func role(t *testing.T, name string, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], args...)
	cmd.Env = append(os.Environ(), envRole+"="+name)
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return cmd
}

// slaveNamespace starts a process in a slave mount namespace and returns its
// "/" as seen from here.
func slaveNamespace(t *testing.T) (root string, pid int) {
	t.Helper()
	cmd := role(t, roleSlave)
	cmd.SysProcAttr.Cloneflags = syscall.CLONE_NEWNS
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "ready\n" {
		t.Fatalf("slave namespace: %q, %v", line, err)
	}
	t.Cleanup(func() {
		in.Close()
		cmd.Wait()
	})
	return fmt.Sprintf("/proc/%d/root", cmd.Process.Pid), cmd.Process.Pid
}

// newTree returns a tree that is set up, in directories of its own.
func newTree(t *testing.T) *mounttree.Tree {
	t.Helper()
	dir := realTempDir(t)
	tree := mounttree.New(mounttree.Options{RunDir: filepath.Join(dir, "run"), Hub: filepath.Join(dir, "a hub")})
	if err := tree.Setup(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := tree.Teardown(context.Background()); err != nil {
			t.Error(err)
		}
		if left := mountsBelow(t, "self", dir); len(left) > 0 {
			t.Errorf("left mounted: %v", left)
		}
	})
	return tree
}

func realTempDir(t *testing.T) string {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// mountsBelow lists the mount points at or below dir that process sees.
func mountsBelow(t *testing.T, process, dir string) []string {
	t.Helper()
	f, err := os.Open("/proc/" + process + "/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	infos, err := mountinfo.GetMountsFromReader(f, mountinfo.PrefixFilter(dir))
	if err != nil {
		t.Fatal(err)
	}
	var paths []string
	for _, m := range infos {
		paths = append(paths, m.Mountpoint)
	}
	slices.Sort(paths)
	return paths
}

// mountFiles mounts a tmpfs with one file at path: it stands for a live mount.
func mountFiles(t *testing.T, path, content string) {
	t.Helper()
	if err := unix.Mount("files", path, "tmpfs", 0, "size=64k"); err != nil {
		t.Fatalf("mount at %s: %v", path, err)
	}
	if err := os.WriteFile(filepath.Join(path, "file"), []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

// mountFUSE mounts a FUSE filesystem that nobody serves; the returned
// descriptor keeps it waiting, closing that makes it dead.
func mountFUSE(t *testing.T, path string) *os.File {
	t.Helper()
	dev, err := os.OpenFile("/dev/fuse", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	opts := fmt.Sprintf("fd=%d,rootmode=40000,user_id=0,group_id=0,allow_other", dev.Fd())
	if err := unix.Mount("nas:/srv", path, mounttree.FSType, unix.MS_NOSUID|unix.MS_NODEV, opts); err != nil {
		dev.Close()
		t.Fatalf("mount FUSE at %s: %v", path, err)
	}
	t.Cleanup(func() { dev.Close() })
	return dev
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// within runs f and fails the test when it takes longer: whatever touches a
// waiting FUSE mount hangs.
func within(t *testing.T, d time.Duration, what string, f func()) {
	t.Helper()
	done := make(chan struct{})
	go func() { defer close(done); f() }()
	select {
	case <-done:
	case <-time.After(d):
		t.Fatalf("%s hangs", what)
	}
}

func contains(list []string, part string) bool {
	return slices.ContainsFunc(list, func(s string) bool { return strings.Contains(s, part) })
}

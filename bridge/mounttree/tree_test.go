package mounttree_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"sshfs-bridge/bridge/mounttree"
	"sshfs-bridge/e2e/testenv"
)

// TestSharedRoot runs every test again in a namespace whose "/" is shared, as
// it is on a host with systemd; containers have it private.
func TestSharedRoot(t *testing.T) {
	testenv.Require(t, "root", "fuse")
	cmd := role(t, roleShared, "-test.v", "-test.count=1", "-test.skip=^TestSharedRoot$")
	cmd.SysProcAttr.Cloneflags = syscall.CLONE_NEWNS
	cmd.Stderr = nil
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS: TestMountReachesEveryView") {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestMountReachesEveryView(t *testing.T) {
	testenv.Require(t, "root")
	tree := newTree(t)
	root, _ := slaveNamespace(t)

	if err := tree.Add("nas"); err != nil {
		t.Fatal(err)
	}
	mountFiles(t, tree.Mountpoint("nas"), "here")
	for _, path := range []string{tree.Mountpoint("nas"), tree.HubPath("nas"), root + tree.Mountpoint("nas"), root + tree.HubPath("nas")} {
		if got := readFile(t, filepath.Join(path, "file")); got != "here" {
			t.Errorf("%s: %q", path, got)
		}
	}
	names, err := tree.Mounts()
	if d := cmp.Diff([]string{"nas"}, names); d != "" || err != nil {
		t.Errorf("Mounts: %s, %v", d, err)
	}
	if err := tree.Remove("nas"); !errors.Is(err, syscall.EBUSY) {
		t.Errorf("Remove of a mount in place: %v", err)
	}
	if err := tree.Detach("nas", false); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{tree.Mountpoint("nas"), root + tree.HubPath("nas")} {
		if entries, err := os.ReadDir(path); err != nil || len(entries) > 0 {
			t.Errorf("%s after Detach: %v, %v", path, entries, err)
		}
	}
	if err := tree.Remove("nas"); err != nil {
		t.Fatal(err)
	}
	if entries, err := os.ReadDir(root + tree.Hub()); err != nil || len(entries) > 0 {
		t.Errorf("the hub after Remove: %v, %v", entries, err)
	}
}

func TestMountUponHub(t *testing.T) {
	testenv.Require(t, "root")
	tree := newTree(t)
	root, _ := slaveNamespace(t)
	if err := tree.Add("nas"); err != nil {
		t.Fatal(err)
	}
	mountFiles(t, tree.Hub(), "upon")
	if got := readFile(t, root+tree.Hub()+"/file"); got != "upon" {
		t.Errorf("in the slave namespace: %q", got)
	}
	if _, err := os.Lstat(tree.Dir() + "/file"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the mount upon the hub covers the tree: %v", err)
	}
	if covered, err := tree.HubCovered(); err != nil || !covered {
		t.Errorf("HubCovered: %v, %v", covered, err)
	}
	// A mount made below goes on to be reachable once the hub is free again.
	mountFiles(t, tree.Mountpoint("nas"), "below")
	if err := unix.Unmount(tree.Hub(), 0); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{tree.HubPath("nas"), root + tree.HubPath("nas")} {
		if got := readFile(t, path+"/file"); got != "below" {
			t.Errorf("%s: %q", path, got)
		}
	}
	if covered, err := tree.HubCovered(); err != nil || covered {
		t.Errorf("HubCovered: %v, %v", covered, err)
	}
}

func TestNothingCanBeWrittenWhereNothingIsMounted(t *testing.T) {
	testenv.Require(t, "root")
	tree := newTree(t)
	root, _ := slaveNamespace(t)
	if err := tree.Add("nas"); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{tree.Dir(), tree.Hub(), tree.Mountpoint("nas"), tree.HubPath("nas"), root + tree.Hub(), root + tree.HubPath("nas"), root + tree.Mountpoint("nas")} {
		if err := os.WriteFile(dir+"/x", nil, 0o666); !errors.Is(err, syscall.EROFS) {
			t.Errorf("create a file in %s: %v", dir, err)
		}
		if err := os.Mkdir(dir+"/d", 0o777); !errors.Is(err, syscall.EROFS) {
			t.Errorf("make a directory in %s: %v", dir, err)
		}
		if err := os.Chmod(dir, 0o777); !errors.Is(err, syscall.EROFS) {
			t.Errorf("chmod %s: %v", dir, err)
		}
		fi, err := os.Lstat(dir)
		if err != nil || fi.Mode().Perm() != 0o555 || fi.Sys().(*syscall.Stat_t).Uid != 0 {
			t.Errorf("%s: %v, %v", dir, fi, err)
		}
	}
}

func TestBadNames(t *testing.T) {
	tree := mounttree.New(mounttree.Options{RunDir: t.TempDir()})
	for _, name := range []string{"", ".", "..", "a/b", "/", "a\x00b", strings.Repeat("x", 256)} {
		for what, err := range map[string]error{"Add": tree.Add(name), "Remove": tree.Remove(name), "Detach": tree.Detach(name, true)} {
			if err == nil {
				t.Errorf("%s(%q) is accepted", what, name)
			}
		}
	}
	if err := tree.Add("good"); !errors.Is(err, mounttree.ErrNotSetUp) {
		t.Errorf("Add before Setup: %v", err)
	}
}

func TestAddRemoveAreIdempotent(t *testing.T) {
	testenv.Require(t, "root")
	tree := newTree(t)
	for range 2 {
		if err := tree.Add("Ünï cödé \n \\040"); err != nil {
			t.Fatal(err)
		}
	}
	mountFiles(t, tree.Mountpoint("Ünï cödé \n \\040"), "odd")
	if names, err := tree.Mounts(); err != nil || len(names) != 1 || names[0] != "Ünï cödé \n \\040" {
		t.Errorf("Mounts: %q, %v", names, err)
	}
	for range 2 {
		if err := tree.Detach("Ünï cödé \n \\040", true); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		if err := tree.Remove("Ünï cödé \n \\040"); err != nil {
			t.Fatal(err)
		}
	}
}

func TestDetachInUse(t *testing.T) {
	testenv.Require(t, "root")
	tree := newTree(t)
	if err := tree.Add("nas"); err != nil {
		t.Fatal(err)
	}
	mountFiles(t, tree.Mountpoint("nas"), "busy")
	f, err := os.Open(tree.HubPath("nas") + "/file")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := tree.Detach("nas", false); !errors.Is(err, syscall.EBUSY) {
		t.Errorf("Detach in use: %v", err)
	}
	if err := tree.Detach("nas", true); err != nil {
		t.Error(err)
	}
	if err := tree.Remove("nas"); err != nil {
		t.Error(err)
	}
}

func TestWithoutPrivilege(t *testing.T) {
	testenv.Require(t, "root")
	dir := t.TempDir()
	for d := dir; d != "/"; d = filepath.Dir(d) { // t.TempDir is private to root
		if fi, err := os.Stat(d); err == nil && strings.HasPrefix(filepath.Base(d), "Test") || d == dir {
			os.Chmod(d, fi.Mode().Perm()|0o777)
		}
	}
	exe := filepath.Join(dir, "test")
	b, err := os.ReadFile(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(exe, b, 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := role(t, roleNobody)
	cmd.Path = exe
	cmd.Dir = "/"
	cmd.Env = append(cmd.Env, envDir+"="+filepath.Join(dir, "run"))
	cmd.SysProcAttr.Credential = &syscall.Credential{Uid: 65534, Gid: 65534}
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(out), "mounting is not permitted here") || !strings.Contains(string(out), "--privileged") {
		t.Errorf("error without privilege: %s", out)
	}
}

// TestPredecessor: a killed supervisor left its tree, a dead mount, a waiting
// one (which hangs whoever looks at it), and mounts upon each other.
func TestPredecessor(t *testing.T) {
	testenv.Require(t, "root", "fuse")
	dir := realTempDir(t)
	o := mounttree.Options{RunDir: filepath.Join(dir, "run"), Hub: filepath.Join(dir, "hub")}
	old := mounttree.New(o)
	if err := old.Setup(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"dead", "waiting", "stacked", "stacked-more"} {
		if err := old.Add(name); err != nil {
			t.Fatal(err)
		}
	}
	mountFUSE(t, old.Mountpoint("dead")).Close()
	mountFUSE(t, old.Mountpoint("waiting"))
	mountFiles(t, old.Mountpoint("stacked"), "1")
	if err := os.Mkdir(old.Mountpoint("stacked")+"/sub", 0o755); err != nil {
		t.Fatal(err)
	}
	mountFUSE(t, old.Mountpoint("stacked")+"/sub")
	mountFiles(t, old.Mountpoint("stacked-more"), "1")
	mountFiles(t, old.Mountpoint("stacked-more"), "2")
	mountFUSE(t, old.Hub()) // what a drop-in left
	defer old.Teardown(context.Background())

	within(t, 10*time.Second, "Setup", func() {
		tree := mounttree.New(o)
		stale, err := tree.StaleMounts()
		if err != nil || !contains(stale, "/mnt/dead") || !contains(stale, "/hub/waiting") {
			t.Errorf("StaleMounts: %q, %v", stale, err)
		}
		if err := tree.Setup(context.Background()); err != nil {
			t.Error(err)
			return
		}
		if got := mountsBelow(t, "self", dir); len(got) != 2 {
			t.Errorf("mounts after Setup: %q", got)
		}
		if err := tree.Add("dead"); err != nil {
			t.Error(err)
		}
		if err := tree.Teardown(context.Background()); err != nil {
			t.Error(err)
		}
	})
	if left := mountsBelow(t, "self", dir); len(left) > 0 {
		t.Errorf("left mounted: %q", left)
	}
}

func TestForeignMountAtHubStays(t *testing.T) {
	testenv.Require(t, "root")
	dir := realTempDir(t)
	hub := filepath.Join(dir, "hub")
	if err := os.Mkdir(hub, 0o755); err != nil {
		t.Fatal(err)
	}
	mountFiles(t, hub, "a volume of the user's")
	defer unix.Unmount(hub, unix.MNT_DETACH)
	for range 2 { // the second one clears what the first, as if killed, left
		tree := mounttree.New(mounttree.Options{RunDir: filepath.Join(dir, "run"), Hub: hub})
		if err := tree.Setup(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Lstat(hub + "/file"); err == nil {
			t.Error("the hub does not cover the volume")
		}
		if covered, err := tree.HubCovered(); covered || err != nil {
			t.Errorf("HubCovered: %v, %v", covered, err)
		}
		defer tree.Teardown(context.Background())
	}
	tree := mounttree.New(mounttree.Options{RunDir: filepath.Join(dir, "run"), Hub: hub})
	if err := tree.Setup(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := tree.Teardown(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := readFile(t, hub+"/file"); got != "a volume of the user's" {
		t.Errorf("the volume after Teardown: %q", got)
	}
}

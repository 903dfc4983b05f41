package fusefs

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"sshfs-bridge/fusefs/vfs"
)

// The names that are remembered are bounded while the kernel has memory enough for all
// of a tree, be they of files or of directories: it is made to forget what nobody uses.
// All is found again under its number, and what is open, or somebody's working
// directory, stays what it is.
func TestKernelForgetsNames(t *testing.T) {
	const most = 2000
	trees := map[string]func(t *testing.T, dir string) (names int){
		"files": func(t *testing.T, dir string) int {
			const dirs, files = 60, 150
			for d := range dirs {
				must(t, os.Mkdir(fmt.Sprintf("%s/d%d", dir, d), 0o755))
				for i := range files {
					must(t, os.WriteFile(fmt.Sprintf("%s/d%d/f%d", dir, d, i), []byte("content"), 0o644))
				}
			}
			return dirs * (files + 1)
		},
		"directories": func(t *testing.T, dir string) int {
			const dirs, each = 50, 60
			for d := range dirs {
				for i := range each {
					must(t, os.MkdirAll(fmt.Sprintf("%s/d%d/e%d/in", dir, d, i), 0o755))
				}
			}
			for _, name := range []string{"f0", "f1"} {
				must(t, os.WriteFile(dir+"/d0/"+name, []byte("content"), 0o644))
			}
			return dirs*(2*each+1) + 2
		},
	}
	for _, c := range []struct {
		tree   string
		absent bool // the kernel knows of each directory a name that is not there
		old    bool // the kernel cannot be told which directories to forget
	}{
		{tree: "files"}, {tree: "files", old: true},
		{tree: "directories"}, {tree: "directories", absent: true}, {tree: "directories", old: true},
	} {
		t.Run(fmt.Sprintf("%+v", c), func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			names := trees[c.tree](t, dir)
			o := fixed(vfs.CacheDefault)
			o.MaxNodes = most
			testForgetting(t, mountDir(t, serveSpec{Dir: dir, Options: o, OldKernel: c.old}), names, most, c.absent)
		})
	}
}

func testForgetting(t *testing.T, m *mount, names, most int, absent bool) {
	walk := func() map[string]uint64 {
		t.Helper()
		inos := map[string]uint64{}
		must(t, filepath.WalkDir(m.mnt, func(path string, e fs.DirEntry, err error) error {
			if err == nil && absent && e.IsDir() {
				if _, err := os.Lstat(path + "/absent"); !errors.Is(err, fs.ErrNotExist) {
					t.Fatal(err)
				}
			}
			if err == nil {
				var info fs.FileInfo
				if info, err = e.Info(); err == nil {
					inos[path] = info.Sys().(*syscall.Stat_t).Ino
				}
			}
			return err
		}))
		return inos
	}
	// The test's own process must not leave its directory.
	shell, answers := startShell(t, m.path("d0"))
	open, err := os.OpenFile(m.path("d0/f0"), os.O_RDWR, 0)
	must(t, err)
	defer open.Close()
	openDir, err := os.Open(m.path("d1"))
	must(t, err)
	defer openDir.Close()
	before := walk()
	if len(before) != 1+names {
		t.Fatalf("%d names, not %d", len(before), 1+names)
	}
	forgotten := func() bool {
		var crowded int
		if m.ask("crowded", &crowded); crowded > 0 {
			must(t, ForgetUnused(m.mnt)) // as the supervisor does
		}
		var s vfs.Stats
		m.ask("stats", &s)
		return s.Nodes <= most
	}
	waitFor(t, "names are forgotten", forgotten)
	for path, ino := range walk() {
		if before[path] != ino {
			t.Fatalf("%s was number %d and is %d", path, before[path], ino)
		}
	}
	waitFor(t, "names are forgotten again", forgotten)
	_, err = open.WriteAt([]byte("C"), 0)
	must(t, err)
	must(t, open.Sync())
	if b, err := os.ReadFile(m.dir + "/d0/f0"); err != nil || string(b) != "Content" {
		t.Errorf("written through the open file: %q, %v", b, err)
	}
	if path, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", openDir.Fd())); err != nil || path != m.path("d1") {
		t.Errorf("the open directory is %q, %v", path, err)
	}
	fmt.Fprintln(shell, "pwd -P; cat f1; echo; exit")
	for _, want := range []string{m.path("d0"), "content"} {
		if !answers.Scan() || answers.Text() != want {
			t.Errorf("in the working directory: %q, want %q", answers.Text(), want)
		}
	}
}

// Who asks for the server's state of everything keeps his working directory, and what is
// mounted inside.
func TestRefreshKeepsWorkingDirectories(t *testing.T) {
	m := mountDir(t, serveSpec{Options: fixed(vfs.CacheDefault)})
	must(t, os.MkdirAll(m.dir+"/d0/d1", 0o755))
	must(t, os.Mkdir(m.dir+"/mounted", 0o755))
	must(t, unix.Mount("test", m.path("mounted"), "tmpfs", 0, ""))
	defer func() { must(t, Unmount(m.path("mounted"), false)) }()
	must(t, os.WriteFile(m.path("mounted/inside"), nil, 0o644))
	shell, answers := startShell(t, m.path("d0/d1"))
	// Only now it has looked for the directory by its name.
	if fmt.Fprintln(shell, "echo ready"); !answers.Scan() {
		t.Fatal("the shell says nothing")
	}
	m.ask("refresh", nil)
	if fmt.Fprintln(shell, "pwd -P; exit"); !answers.Scan() || answers.Text() != m.path("d0/d1") {
		t.Errorf("after a refresh the working directory is %q", answers.Text())
	}
	if _, err := os.Stat(m.path("mounted/inside")); err != nil {
		t.Errorf("what was mounted inside: %v", err)
	}
	// A directory that others removed is found to be so at once.
	must(t, os.RemoveAll(m.dir+"/d0"))
	m.ask("refresh", nil)
	for _, name := range []string{"d0/d1", "d0"} {
		if _, err := os.Stat(m.path(name)); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s, removed on the server: %v", name, err)
		}
	}
}

// startShell runs a shell in dir, which obeys lines.
func startShell(t *testing.T, dir string) (io.Writer, *bufio.Scanner) {
	t.Helper()
	cmd := exec.Command("/bin/sh")
	cmd.Dir = dir
	in, err := cmd.StdinPipe()
	must(t, err)
	out, err := cmd.StdoutPipe()
	must(t, err)
	cmd.Stderr = os.Stderr
	must(t, cmd.Start())
	t.Cleanup(func() {
		in.Close()
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
	})
	return in, bufio.NewScanner(out)
}

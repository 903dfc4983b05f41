package fusefs

import (
	"bufio"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"sshfs-bridge/fusefs/vfs"
)

// The names that are remembered are bounded while the kernel has memory enough for all
// of a tree: it is made to forget files that nobody has open. They are found again under
// their numbers, and what is open, or somebody's working directory, stays what it is.
func TestKernelForgetsNames(t *testing.T) {
	const dirs, files, most = 60, 150, 2000
	dir := t.TempDir()
	for d := range dirs {
		must(t, os.Mkdir(fmt.Sprintf("%s/d%d", dir, d), 0o755))
		for i := range files {
			must(t, os.WriteFile(fmt.Sprintf("%s/d%d/f%d", dir, d, i), []byte("content"), 0o644))
		}
	}
	o := fixed(vfs.CacheDefault)
	o.MaxNodes = most
	m := mountDir(t, serveSpec{Dir: dir, Options: o})
	walk := func() map[string]uint64 {
		t.Helper()
		inos := map[string]uint64{}
		must(t, filepath.WalkDir(m.mnt, func(path string, e fs.DirEntry, err error) error {
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
	before := walk()
	if len(before) != 1+dirs*(files+1) {
		t.Fatalf("%d names", len(before))
	}
	waitFor(t, "names are forgotten", func() bool {
		var s vfs.Stats
		m.ask("stats", &s)
		return s.Nodes <= most
	})
	for path, ino := range walk() {
		if before[path] != ino {
			t.Fatalf("%s was number %d and is %d", path, before[path], ino)
		}
	}
	_, err = open.WriteAt([]byte("C"), 0)
	must(t, err)
	must(t, open.Sync())
	if b, err := os.ReadFile(dir + "/d0/f0"); err != nil || string(b) != "Content" {
		t.Errorf("written through the open file: %q, %v", b, err)
	}
	fmt.Fprintln(shell, "pwd -P; cat f1; echo; exit")
	for _, want := range []string{m.path("d0"), "content"} {
		if !answers.Scan() || answers.Text() != want {
			t.Errorf("in the working directory: %q, want %q", answers.Text(), want)
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

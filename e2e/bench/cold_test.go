package bench

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// dropCaches writes back what is dirty on the directory's filesystem and drops what the
// kernel has cached, so that the next reader gets it from its disk.
func dropCaches(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	if err := unix.Syncfs(int(d.Fd())); err != nil {
		return fmt.Errorf("sync %s: %w", dir, err)
	}
	return os.WriteFile("/proc/sys/vm/drop_caches", []byte("3"), 0)
}

// warmPrograms reads the programs and libraries of processes, and further programs,
// after dropCaches: data shall come from the disk, not the code that is measured.
func warmPrograms(pids []int, names ...string) {
	seen := map[string]bool{}
	for _, pid := range pids {
		maps, _ := os.ReadFile(fmt.Sprintf("/proc/%d/maps", pid))
		for line := range strings.Lines(string(maps)) {
			if f := strings.Fields(line); len(f) == 6 && strings.HasPrefix(f[5], "/") {
				seen[f[5]] = true
			}
		}
	}
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			seen[path] = true
		}
	}
	for path := range seen {
		_ = warmFile(path) // what cannot be read stays cold
	}
}

// warmFiles reads all files below a directory.
func warmFiles(dir string) error {
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		return warmFile(path)
	})
}

func warmFile(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = io.Copy(io.Discard, f)
	return err
}

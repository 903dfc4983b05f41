package e2e

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"sshfs-bridge/e2e/testenv"
)

const (
	idleMemory = 64 << 20 // of a worker that has only been mounted
	// What a worker has at most beside its part of cache_memory is besideCache (what is
	// in flight, garbage, the program itself), and besideNames more in a tree of 300,000
	// names of which it remembers 20,000, and those that a walk lists ahead.
	besideCache = 96 << 20
	besideNames = 64 << 20
)

// plainBinary builds the program without the race detector, whose memory is not the
// program's.
func plainBinary(t testing.TB) string {
	t.Helper()
	if os.Getenv("BRIDGE_TEST_BINARY") != "" || len(buildFlags) == 0 {
		return binary
	}
	path := filepath.Join(t.TempDir(), "sshfs-bridge")
	if err := testenv.Build(path, []string{"CGO_ENABLED=0"}, "-trimpath"); err != nil {
		t.Fatal(err)
	}
	return path
}

// A worker is small when idle, and keeps its budget with a stream many times as large,
// with readers all over a file, and with more names than it remembers.
func TestMemory(t *testing.T) {
	testenv.Require(t, "sshd")
	const (
		budget, size = 64 << 20, 512 << 20
		readers      = 64
		dirs, files  = 300, 1000 // many times max_names
	)
	sshd := testenv.StartSSHD(t, testenv.SSHDOptions{})
	b := newBridge(t, bridgeOptions{SSHDir: sshd.SSHDir, Binary: plainBinary(t)}, testenv.FreePort(t))
	dir := filepath.Join(sshd.Home, "dir")
	ownedBy(t, dir, sshd.User)
	writeFile(t, filepath.Join(dir, "large"), "")
	if err := os.Truncate(filepath.Join(dir, "large"), size); err != nil {
		t.Fatal(err)
	}
	for i := range dirs {
		below := filepath.Join(dir, "names", fmt.Sprint(i))
		if err := os.MkdirAll(below, 0o755); err != nil {
			t.Fatal(err)
		}
		name := func(j int) string { return filepath.Join(below, fmt.Sprintf("a name of a file %04d", j)) }
		writeFile(t, name(0), "")
		for j := 1; j < files; j++ { // links, as a disk may take its time for so many files
			if err := os.Link(name(0), name(j)); err != nil {
				t.Fatal(err)
			}
		}
	}
	appendTo(t, b.config, fmt.Sprintf("cache_memory: 64MiB\nmounts:\n  m: {remote: '%s', max_names: 20000}\n", sshd.Remote(filepath.Join(sshd.HomeSeen, "dir"))))
	b.launch()
	b.eventually(20*time.Second, "it is up", func() error {
		if stdout, stderr, code := b.run("healthcheck"); code != 0 {
			return errors.New(stdout + stderr)
		}
		return nil
	})
	worker := b.status("m").WorkerPID
	if rss := residentBytes(t, worker); rss > idleMemory {
		t.Errorf("an idle worker has %d MiB resident, more than 64", rss>>20)
	}
	mnt := filepath.Join(b.Hub, "m")
	phase := func(name string, limit int64, work func() error) {
		t.Helper()
		// From here on the peak is counted anew (proc(5)).
		if err := os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", worker), []byte("5"), 0); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		if err := work(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		peak := memoryOf(t, worker, "VmHWM:")
		t.Logf("%s: %d MiB at most, in %v", name, peak>>20, time.Since(began).Round(time.Millisecond))
		if peak > limit {
			t.Errorf("%s: a worker with %d MiB of cache has %d MiB at most, more than %d", name, budget>>20, peak>>20, limit>>20)
		}
	}
	phase("a stream", budget+besideCache, func() error {
		f, err := os.Open(filepath.Join(mnt, "large"))
		if err != nil {
			return err
		}
		defer f.Close()
		if n, err := io.CopyBuffer(io.Discard, struct{ io.Reader }{f}, make([]byte, 1<<20)); err != nil || n != size {
			return fmt.Errorf("%d bytes: %w", n, err)
		}
		return nil
	})
	phase("readers", budget+besideCache, func() error {
		errs := make([]error, readers)
		var wg sync.WaitGroup
		for i := range errs {
			wg.Go(func() { errs[i] = readAllOver(filepath.Join(mnt, "large"), size, uint64(i)) })
		}
		wg.Wait()
		return errors.Join(errs...)
	})
	phase("names", budget+besideCache+besideNames, func() error {
		n := 0
		err := filepath.WalkDir(filepath.Join(mnt, "names"), func(_ string, d fs.DirEntry, err error) error {
			if err == nil && !d.IsDir() {
				n++
				_, err = d.Info()
			}
			return err
		})
		if err == nil && n != dirs*files {
			err = fmt.Errorf("%d files, want %d", n, dirs*files)
		}
		return err
	})
	if got := b.status("m"); got.WorkerPID != worker {
		t.Errorf("the worker was replaced: %+v", got)
	}
}

// readAllOver reads pieces of a file here and there.
func readAllOver(path string, size int64, seed uint64) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	random := rand.New(rand.NewPCG(seed, 1))
	buf := make([]byte, 128<<10)
	for range 100 {
		if _, err := f.ReadAt(buf, random.Int64N(size-int64(len(buf)))); err != nil {
			return err
		}
	}
	return nil
}

package testenv

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// leakPatience is how long what is on its way out may take: sockets and helper
// goroutines end a moment after the call that ends them.
const leakPatience = 5 * time.Second

// NoLeaks fails the test when, at its end, goroutines or descriptors are left
// that were not there when NoLeaks was called. Call it first, so that it looks
// after all other cleanups. It is not for tests that run in parallel.
func NoLeaks(t testing.TB) {
	t.Helper()
	goroutines := goleak.IgnoreCurrent()
	before := openFiles()
	t.Cleanup(func() {
		t.Helper()
		if err := findGoroutines(goroutines); err != nil {
			t.Errorf("goroutines left: %v", err)
		}
		if left := descriptorsLeft(before); len(left) > 0 {
			t.Errorf("descriptors left:\n%s", strings.Join(left, "\n"))
		}
	})
}

// Main runs a package's tests and fails when goroutines or descriptors are left
// at the end. Use it as the body of TestMain: os.Exit(testenv.Main(m)).
func Main(m *testing.M) int {
	before := openFiles()
	code := m.Run()
	if code != 0 {
		return code
	}
	if err := findGoroutines(); err != nil {
		fmt.Fprintln(os.Stderr, "goroutines left after the tests:", err)
		return 1
	}
	if left := descriptorsLeft(before); len(left) > 0 {
		fmt.Fprintln(os.Stderr, "descriptors left after the tests:", strings.Join(left, ", "))
		code = 1
	}
	return code
}

func findGoroutines(o ...goleak.Option) error {
	var err error
	for start := time.Now(); time.Since(start) < leakPatience; {
		if err = goleak.Find(o...); err == nil {
			return nil
		}
	}
	return err
}

// descriptorsLeft gives those that were not there before, once they had their time to go.
func descriptorsLeft(before map[string]string) []string {
	var left []string
	Poll(leakPatience, func() bool {
		left = nil
		for fd, name := range openFiles() {
			if before[fd] != name {
				left = append(left, fd+" "+name)
			}
		}
		return len(left) == 0
	})
	slices.Sort(left)
	return left
}

// openFiles are this process's descriptors and what they are, without those of
// the Go runtime, which come with the first use of the network and stay: epoll, its
// event descriptor, and the pipes that io.Copy keeps for splice(2). These have both
// ends here, unlike a pipe to a child.
func openFiles() map[string]string {
	files := make(map[string]string)
	ends := make(map[string]int)
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return files
	}
	for _, e := range entries {
		name, err := os.Readlink("/proc/self/fd/" + e.Name())
		if err != nil || strings.HasPrefix(name, "anon_inode:[event") || strings.HasPrefix(name, "/proc/") {
			continue
		}
		files[e.Name()] = name
		ends[name]++
	}
	for fd, name := range files {
		if strings.HasPrefix(name, "pipe:") && ends[name] > 1 {
			delete(files, fd)
		}
	}
	return files
}

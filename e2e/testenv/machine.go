package testenv

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"strconv"
	"strings"
	"testing"
)

// FreePort is a TCP port of 127.0.0.1 on which nothing listens. It is free when
// FreePort returns, and lies outside of the range from which the system gives ports to
// connections and to listeners that ask for any: what else is started before the test
// takes it, or while its server is down, does not get it by chance.
func FreePort(t testing.TB) int {
	t.Helper()
	return freePort(t, "127.0.0.1")
}

// The ports of FreePort: above the services', below Linux's ip_local_port_range.
const (
	firstPort = 20000
	lastPort  = 32000
)

func freePort(t testing.TB, host string) int {
	t.Helper()
	var err error
	for range 100 {
		port := firstPort + rand.IntN(lastPort-firstPort)
		var l net.Listener
		if l, err = (&net.ListenConfig{}).Listen(context.Background(), "tcp", net.JoinHostPort(host, strconv.Itoa(port))); err == nil {
			must(t, l.Close())
			return port
		}
	}
	t.Fatalf("testenv: no free port: %v", err)
	return 0
}

// PublicDir is a temporary directory below parent ("" is the usual place) that other
// users may enter, which t.TempDir's is not: smbd serves files as their owner, and
// sshd a session as its user. The test's end removes it.
func PublicDir(t testing.TB, parent string) string {
	t.Helper()
	dir, err := os.MkdirTemp(parent, "bridge-test-")
	must(t, err)
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	must(t, os.Chmod(dir, 0o755))
	return dir
}

// MountsBelow lists the mount points at and below a directory, outermost first, as
// this process sees them.
func MountsBelow(dir string) []string {
	var found []string
	table, _ := os.ReadFile("/proc/self/mountinfo")
	for line := range strings.Lines(string(table)) {
		if f := strings.Fields(line); len(f) > 4 && (f[4] == dir || strings.HasPrefix(f[4], dir+"/")) {
			found = append(found, f[4])
		}
	}
	return found
}

// Alive says whether a process runs; a zombie does not.
func Alive(pid int) bool {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	return err == nil && len(b) > 0
}

package e2e

import (
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"sshfs-bridge/e2e/testenv"
)

// smbTry runs smbclient as guest and returns what it printed. Options, such as
// "-m", "NT1", go at the end of its command line.
func smbTry(t testing.TB, host string, port int, share, command string, options ...string) (string, error) {
	t.Helper()
	testenv.Require(t, "smbclient")
	args := []string{"-N", "-U", "guest%", "-t", "20", "-p", strconv.Itoa(port), "//" + host + "/" + share, "-c", command}
	return commandTry(t, time.Minute, "smbclient", append(args, options...)...)
}

func smbDo(t testing.TB, host string, port int, share, command string) string {
	t.Helper()
	out, err := smbTry(t, host, port, share, command)
	if err != nil || strings.Contains(out, "NT_STATUS_") {
		t.Fatalf("smbclient //%s:%d/%s %q: %v\n%s", host, port, share, command, err, out)
	}
	return out
}

// smbRefused fails the test when a command succeeds. smbclient's own exit code
// is 0 also when one of its commands failed.
func smbRefused(t testing.TB, host string, port int, share, command, why string) {
	t.Helper()
	if out, err := smbTry(t, host, port, share, command); err == nil && !strings.Contains(out, "NT_STATUS_") {
		t.Errorf("%s: %q succeeded:\n%s", why, command, out)
	}
}

// putAndGet copies a file in and out again through SMB: the bytes that lie on
// the server (at onServer) and those that come back are those that went in.
func putAndGet(t testing.TB, host string, port int, share, name, onServer string, size int64) {
	t.Helper()
	local := filepath.Join(t.TempDir(), "data.bin")
	want := randomFile(t, local, size)
	start := time.Now()
	smbDo(t, host, port, share, `put "`+local+`" "`+name+`"`)
	put := time.Since(start)
	if got := hashFile(t, onServer); got != want {
		t.Errorf("%s on the server has the hash %x, want %x", onServer, got, want)
	}
	back := local + ".back"
	start = time.Now()
	smbDo(t, host, port, share, `get "`+name+`" "`+back+`"`)
	get := time.Since(start)
	if got := hashFile(t, back); got != want {
		t.Errorf("%s came back with the hash %x, want %x", name, got, want)
	}
	if size >= 64<<20 {
		rate := func(d time.Duration) float64 { return float64(size) / (1 << 20) / d.Seconds() }
		t.Logf("%d MiB through SMB: put %.0f MiB/s, get %.0f MiB/s", size>>20, rate(put), rate(get))
	}
}

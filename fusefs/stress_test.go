package fusefs

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"sshfs-bridge/e2e/testenv"
	"sshfs-bridge/fusefs/vfs"
)

// A directory with very many files is listed completely, and its names are found.
func TestManyFiles(t *testing.T) {
	dir := t.TempDir()
	files := 50_000
	if raceDetector {
		files = 10_000 // they differ in nothing that it could see
	}
	for i := range files {
		f, err := os.Create(fmt.Sprintf("%s/f%05d", dir, i))
		must(t, err)
		f.Close()
	}
	m := mountDir(t, serveSpec{Dir: dir, Options: fixed(vfs.CacheDefault)})
	d, err := os.Open(m.mnt)
	must(t, err)
	defer d.Close()
	names, err := d.Readdirnames(-1)
	must(t, err)
	seen := map[string]bool{}
	for _, name := range names {
		seen[name] = true
	}
	if len(names) != files || len(seen) != files {
		t.Fatalf("%d names, %d different ones", len(names), len(seen))
	}
	got := m.rounds(func() {
		for i := 0; i < files; i += 777 {
			_, err := os.Stat(fmt.Sprintf("%s/f%05d", m.mnt, i))
			must(t, err)
		}
	})
	if got.Depth != 0 {
		t.Errorf("%d round trips to look at names that were listed: %v", got.Depth, got.Requests)
	}
}

// Who is killed while the server does not answer is let go.
func TestKilledReaderIsLetGo(t *testing.T) {
	dir := t.TempDir()
	must(t, os.WriteFile(dir+"/f", randomBytes(1<<20), 0o644))
	m := mountDir(t, serveSpec{Dir: dir, Options: fixed(vfs.CacheDefault)})
	_, err := os.ReadDir(m.mnt)
	must(t, err)
	m.ask("stall", nil)
	cmd := exec.Command("cat", m.path("f"))
	must(t, cmd.Start())
	// It reads in a system call that only the server's answer or a signal ends.
	testenv.Eventually(t, 10*time.Second, "cat waits for the server", func() bool {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", cmd.Process.Pid))
		if err != nil {
			return false
		}
		_, rest, _ := strings.Cut(string(b), ") ")
		return strings.HasPrefix(rest, "S") || strings.HasPrefix(rest, "D")
	})
	start := time.Now()
	must(t, cmd.Process.Kill())
	cmd.Wait()
	if d := time.Since(start); d > 4*time.Second {
		t.Errorf("it took %v", d)
	}
	m.ask("resume", nil)
	waitFor(t, "the file", func() bool {
		b, err := os.ReadFile(m.path("f"))
		return err == nil && len(b) == 1<<20
	})
}

// A lost connection is an input/output error or a timeout to a program, never a
// missing file, and the mount goes on when it is back.
func TestLostConnection(t *testing.T) {
	dir := t.TempDir()
	must(t, os.Mkdir(dir+"/d", 0o755))
	must(t, os.WriteFile(dir+"/d/f", []byte("content"), 0o644))
	m := mountDir(t, serveSpec{Dir: dir, Options: fixed(vfs.CacheDefault)})
	_, err := os.ReadDir(m.mnt)
	must(t, err)
	m.ask("stall", nil)
	m.ask("break", nil)
	start := time.Now()
	_, err = os.Stat(m.path("d/f"))
	if err == nil || os.IsNotExist(err) {
		t.Errorf("while the link is down: %v", err)
	}
	if d := time.Since(start); d > 7*time.Second {
		t.Errorf("it took %v", d)
	}
	if _, err := os.ReadDir(m.mnt); err != nil {
		t.Errorf("a listing that is known: %v", err)
	}
	m.ask("resume", nil)
	waitFor(t, "the link", func() bool { b, err := os.ReadFile(m.path("d/f")); return err == nil && string(b) == "content" })
}

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

// A directory with very many files is listed completely, its names are found
// without asking, and it is removed: no single file costs more for being one of many.
func TestManyFiles(t *testing.T) {
	files := 50_000
	if raceDetector {
		files = 10_000 // they differ in nothing that it could see
	}
	dir := t.TempDir()
	fill := func(name string, n int) {
		must(t, os.Mkdir(dir+"/"+name, 0o755))
		for i := range n {
			f, err := os.Create(fmt.Sprintf("%s/%s/f%05d", dir, name, i))
			must(t, err)
			f.Close()
		}
	}
	fill("many", files)
	fill("few", files/20)
	m := mountDir(t, serveSpec{Dir: dir, Options: fixed(vfs.CacheDefault)})
	d, err := os.Open(m.path("many"))
	must(t, err)
	names, err := d.Readdirnames(-1)
	must(t, err)
	d.Close()
	seen := map[string]bool{}
	for _, name := range names {
		seen[name] = true
	}
	if len(names) != files || len(seen) != files {
		t.Fatalf("%d names, %d different ones", len(names), len(seen))
	}
	got := m.rounds(func() {
		for i := 0; i < files; i += 777 {
			_, err := os.Stat(fmt.Sprintf("%s/f%05d", m.path("many"), i))
			must(t, err)
		}
	})
	if got.Depth != 0 {
		t.Errorf("%d round trips to look at names that were listed: %v", got.Depth, got.Requests)
	}
	// What costs more than its share grows with the square of the number: 400-fold
	// here, where 20-fold is fair.
	times := map[string]time.Duration{}
	for _, name := range []string{"few", "many"} {
		start := time.Now()
		for i := range 3 {
			// Each new file is looked at among all the others.
			made := fmt.Sprintf("%s/new%d", m.path(name), i)
			must(t, os.WriteFile(made, []byte("x"), 0o644))
			wantFile(t, made, "x")
		}
		must(t, os.RemoveAll(m.path(name)))
		times[name] = time.Since(start)
		if _, err := os.Lstat(dir + "/" + name); !os.IsNotExist(err) {
			t.Errorf("%s is still on the server: %v", name, err)
		}
	}
	t.Logf("removed %d files in %v, %d in %v", files/20, times["few"], files, times["many"])
	if times["many"] > 100*times["few"] {
		t.Errorf("20 times the files took %v instead of %v to remove", times["many"], times["few"])
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

package localmeta

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// envVictim makes the test binary a process that writes into a store and is
// killed: for each operation that returned it prints a line.
const envVictim = "LOCALMETA_TEST_VICTIM"

func victim(dir string) {
	f, err := OpenFiles(dir)
	if err != nil {
		panic(err)
	}
	s, err := Open(Options{Files: f, CommitEvery: 3 * time.Millisecond})
	if err != nil {
		panic(err)
	}
	for i := 0; ; i++ {
		if err := s.SetXattr(fmt.Sprintf("d%d/f%d", i%7, i), "user.n", fmt.Append(nil, i), 0); err != nil {
			panic(err)
		}
		if i%50 == 49 {
			if err := s.Rename(fmt.Sprintf("d%d", i%7), fmt.Sprintf("r%d", i), nil); err != nil {
				panic(err)
			}
		}
		fmt.Println(i)
	}
}

// What an operation returned for is there after kill -9, and a renamed directory
// is in one place.
func TestKilled(t *testing.T) {
	dir := t.TempDir()
	for round := range 6 {
		last := killedAfter(t, dir, 100+37*round)
		s := openAt(t, dir, Options{})
		if len(s.Notes()) > 0 {
			t.Fatalf("after kill -9: %q", s.Notes())
		}
		checkBytes(t, s)
		// Where the i-th name is follows from the renames up to the last one.
		seen := 0
		for i := last; i >= 0; i-- {
			name := fmt.Sprintf("f%d", i)
			places := []string{fmt.Sprintf("d%d/%s", i%7, name)}
			for j := i/50*50 + 49; j <= last+50; j += 50 {
				if j >= i && j%7 == i%7 {
					places = append(places, fmt.Sprintf("r%d/%s", j, name))
					break
				}
			}
			found := 0
			for _, p := range places {
				if v, ok := s.Xattr(p, "user.n"); ok && string(v) == fmt.Sprint(i) {
					found++
				}
			}
			if found != 1 {
				t.Fatalf("round %d: number %d of %d is in %d of %q", round, i, last, found, places)
			}
			seen++
		}
		t.Logf("killed after %d operations: all there", seen)
		for _, p := range []string{"d", "r"} {
			for i := range last + 100 {
				if err := s.Remove(fmt.Sprintf("%s%d", p, i), nil); err != nil {
					t.Fatal(err)
				}
			}
		}
		if used, _ := s.Usage(); used != 0 {
			t.Fatalf("%d bytes are left of nothing", used)
		}
		s.Close()
	}
}

// killedAfter runs a victim, kills it after it told of n operations, and gives
// the last one that it told of.
func killedAfter(t *testing.T, dir string, n int) int {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), envVictim+"="+dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	last := -1
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if _, err := fmt.Sscan(lines.Text(), &last); err != nil {
			break // the last line may be torn
		}
		if last == n {
			cmd.Process.Kill()
		}
	}
	var exit *exec.ExitError
	if err := cmd.Wait(); !errors.As(err, &exit) || last < n {
		t.Fatalf("the victim ended by itself after %d: %v", last, err)
	}
	return last
}

// A store that cannot be read is set aside and told; another one takes its place.
func TestDamage(t *testing.T) {
	good := t.TempDir()
	s := openAt(t, good, Options{CommitEvery: time.Hour})
	for i := range 2000 {
		if err := s.SetXattr(fmt.Sprintf("dir/f%d", i), "user.a", []byte(strings.Repeat("x", i%300)), 0); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Sync(); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(filepath.Join(good, dbFile))
	if err != nil {
		t.Fatal(err)
	}
	used := len(whole)
	for name, hurt := range map[string]func([]byte) []byte{
		"no bbolt file":        func([]byte) []byte { return []byte(strings.Repeat("garbage", 3000)) },
		"too short for a page": func(b []byte) []byte { return b[:100] },
		"both heads zeroed":    func(b []byte) []byte { clear(b[:8192]); return b },
		"cut in the middle":    func(b []byte) []byte { return b[:used/2/4096*4096] },
		"pages zeroed":         func(b []byte) []byte { clear(b[8192:]); return b },
		"pages of ones": func(b []byte) []byte {
			for i := 8192; i < len(b); i++ {
				b[i] = 0xff
			}
			return b
		},
		"another program's file": func([]byte) []byte { return []byte("SQLite format 3\x00") },
	} {
		t.Run(name, func(t *testing.T) {
			dir := copyStore(t, good)
			b := hurt(append([]byte{}, whole...))
			if err := os.WriteFile(filepath.Join(dir, dbFile), b, 0o600); err != nil {
				t.Fatal(err)
			}
			s := openAt(t, dir, Options{})
			if n := s.Notes(); len(n) != 1 || !strings.Contains(n[0], "set aside") {
				t.Errorf("told: %q", n)
			}
			aside, err := os.ReadFile(filepath.Join(dir, damagedFile))
			if err != nil || !bytes.HasPrefix(aside, b) {
				t.Errorf("not set aside: %d bytes, %v", len(aside), err)
			}
			if err := s.SetXattr("f", "user.a", []byte("new"), 0); err != nil {
				t.Fatal(err)
			}
			s.Close()
			again := openAt(t, dir, Options{})
			if v, ok := again.Xattr("f", "user.a"); !ok || string(v) != "new" || len(again.Notes()) > 0 {
				t.Errorf("the new one: %q, %q", v, again.Notes())
			}
		})
	}
}

// Damage that is met only later ends what is kept, and not the process.
func TestDamageFoundLater(t *testing.T) {
	dir := t.TempDir()
	var logged strings.Builder
	s := openAt(t, dir, Options{CommitEvery: 100 * time.Millisecond, Logger: slog.New(slog.NewTextHandler(&logged, nil))})
	for i := range 4000 {
		if err := s.SetXattr(fmt.Sprintf("dir/f%d", i), "user.a", []byte(strings.Repeat("x", 200)), 0); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Sync(); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(filepath.Join(dir, dbFile), 8192); err != nil {
		t.Fatal(err)
	}
	failed := 0
	for i := range 4000 {
		if err := s.SetXattr(fmt.Sprintf("dir/f%d", i), "user.a", []byte("y"), 0); err != nil {
			failed++
		}
	}
	if failed == 0 {
		t.Error("nothing failed over a file that is gone")
	}
	select {
	case <-s.done:
	case <-time.After(20 * time.Second):
		t.Error("commits are still tried")
	}
	s.Close()
	if n := strings.Count(logged.String(), "level=ERROR"); n != 1 {
		t.Errorf("told %d times: %s", n, logged.String())
	}
	if s := openAt(t, dir, Options{}); len(s.Notes()) > 0 {
		t.Errorf("the next one begins with %q", s.Notes())
	}
}

func TestOneProcess(t *testing.T) {
	dir := t.TempDir()
	first := openAt(t, dir, Options{})
	f, err := OpenFiles(dir)
	if err != nil {
		t.Fatal(err)
	}
	if s, err := Open(Options{Files: f, LockWait: 60 * time.Millisecond}); !errors.Is(err, ErrInUse) {
		t.Fatalf("a second one: %v, %v", s, err)
	}
	if fi, err := os.Stat(filepath.Join(dir, damagedFile)); err != nil || fi.Size() > 0 {
		t.Errorf("what is in use was set aside: %v, %v", fi, err)
	}
	// A second one that waits gets it when the first one lets go.
	got := make(chan *Store)
	go func() {
		f, err := OpenFiles(dir)
		if err != nil {
			t.Error(err)
		}
		s, err := Open(Options{Files: f, LockWait: 20 * time.Second})
		if err != nil {
			t.Error(err)
		}
		got <- s
	}()
	if err := first.SetXattr("f", "user.a", []byte("1"), 0); err != nil {
		t.Fatal(err)
	}
	first.Close()
	second := <-got
	defer second.Close()
	if v, _ := second.Xattr("f", "user.a"); string(v) != "1" {
		t.Errorf("the second one has %q", v)
	}
}

// A journal whose new beginning reached the disk in a power cut, and the cut of its end
// did not, does nothing twice.
func TestJournalNotCut(t *testing.T) {
	dir := t.TempDir()
	s := openAt(t, dir, Options{CommitEvery: time.Hour})
	if err := s.SetXattr("old", "user.tag", nil, 0); err != nil {
		t.Fatal(err)
	}
	if err := s.Sync(); err != nil {
		t.Fatal(err)
	}
	if err := s.Rename("old", "new", nil); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(filepath.Join(dir, journalFile))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Sync(); err != nil {
		t.Fatal(err)
	}
	left := copyStore(t, dir)
	head, err := os.ReadFile(filepath.Join(left, journalFile))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(left, journalFile), append(head, before[len(head):]...), 0o600); err != nil {
		t.Fatal(err)
	}
	again := openAt(t, left, Options{})
	if got := again.Xattrs("new"); len(got) != 1 {
		t.Errorf("the renamed file has %q", got)
	}
}

// A machine that cannot read the journal any more ends what is kept, and does away with
// none of it: the next one has it all.
func TestMachineTroubleIsNoDamage(t *testing.T) {
	dir := t.TempDir()
	s := openAt(t, dir, Options{CommitEvery: time.Hour})
	if err := s.SetXattr("f", "user.a", []byte("1"), 0); err != nil {
		t.Fatal(err)
	}
	blind, err := os.OpenFile(filepath.Join(dir, journalFile), os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer blind.Close()
	s.journal.f = blind
	if err := s.tx.Rollback(); err != nil { // as a commit that fails leaves it
		t.Fatal(err)
	}
	if err := s.Sync(); err == nil {
		t.Error("a commit that failed is not told")
	}
	if err := s.SetXattr("f", "user.a", []byte("2"), 0); err == nil {
		t.Error("a change is taken")
	}
	s.Close()
	again := openAt(t, dir, Options{})
	if v, _ := again.Xattr("f", "user.a"); string(v) != "1" || len(again.Notes()) > 0 {
		t.Errorf("the next one has %q, and says %q", v, again.Notes())
	}
}

package e2e

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/hirochachacha/go-smb2"

	"sshfs-bridge/e2e/testenv"
)

// TestNamesOfAShare: a client that goes through a tree of many folders, and asks in each
// for what is not there as Finder does, does not have the worker remember them all.
func TestNamesOfAShare(t *testing.T) {
	testenv.Require(t, "sshd")
	t.Parallel()
	const most, dirs, each = 1000, 30, 40
	sshd := testenv.StartSSHD(t, testenv.SSHDOptions{})
	for d := range dirs {
		for e := range each {
			at := filepath.Join(sshd.Home, "tree", fmt.Sprint(d), fmt.Sprint(e))
			check(t, os.MkdirAll(at, 0o755))
			writeFile(t, filepath.Join(at, "file"), at)
		}
	}
	b := startBridge(t, bridgeOptions{SSHDir: sshd.SSHDir, Config: fmt.Sprintf(
		"mounts:\n  m: {remote: '%s', max_names: %d}\n", sshd.Remote(filepath.Join(sshd.HomeSeen, "tree")), most)})
	s := b.share("m")
	if names, want := goThrough(t, s, "."), dirs*(1+2*each); names != want {
		t.Errorf("%d names, not %d", names, want)
	}
	b.eventually(20*time.Second, "names are forgotten", func() error {
		if n := b.status("m").Traffic.Names; n > most {
			return fmt.Errorf("%d are remembered", n)
		}
		return nil
	})
	if data, err := s.ReadFile("7/7/file"); err != nil || string(data) != filepath.Join(sshd.Home, "tree", "7", "7") {
		t.Errorf("a file that was forgotten reads %q, %v", data, err)
	}
}

// goThrough counts what is in dir and below.
func goThrough(t *testing.T, s *smb2.Share, dir string) (names int) {
	t.Helper()
	list, err := s.ReadDir(dir)
	check(t, err)
	if _, err := s.Stat(dir + "/.hidden"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("what is not there: %v", err)
	}
	for _, e := range list {
		names++
		if e.IsDir() {
			names += goThrough(t, s, dir+"/"+e.Name())
		}
	}
	return names
}

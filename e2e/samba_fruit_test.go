package e2e

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"sshfs-bridge/e2e/testenv"
)

// fruitNeeds are the settings without which Samba's own suite for vfs_fruit does
// not even begin: it insists on all four of Apple's capabilities, and on the full
// NT rights that a file has here only with every mode bit.
var fruitNeeds = changes{"fruit:nfs_aces": "yes", "fruit:copyfile": "yes", "inherit permissions": "no", "force create mode": "0777"}

// fruitFails are the tests of the suite that a share of ours fails, as it shall,
// with the causes. docs/samba.md has them too.
var fruitFails = map[string]string{
	"SMB2/CREATE context AAPL":                                "wants a volume that says it is not case sensitive",
	"OS X AppleDouble file conversion":                        "wants `._` files of the server to be taken apart, which we leave as they are",
	"OS X AppleDouble file conversion without embedded xattr": "as above",
}

// fruitMayFail fail or pass with the state of smbd's memory, or are in some releases only.
var fruitMayFail = map[string]string{
	"case_insensitive_find": "4.22: wants a share that is not case sensitive",
	"copyfile":              "an smbd without the mending of CVE-2025-9640 (4.22.5) leaves what was in its memory in a stream that is written beyond its end",
}

// TestFruitSuite runs Samba's suite for vfs_fruit, a client that negotiates
// Apple's extension, on a mount of ours: what passes shall pass, what fails has
// a known cause.
func TestFruitSuite(t *testing.T) {
	testenv.Require(t, "smbtorture")
	m := mountCounted(t, 0)
	port := startSmbd(t, m.mnt, fruitNeeds)
	out, stderr, _ := testenv.Run(t, nil, "smbtorture", fmt.Sprintf("--smb-ports=%d", port), "--configfile=/dev/null", "--option=torture:share2="+plainShare, "-U", "guest%", "//127.0.0.1/files", "vfs.fruit")
	passed, failed := tortureResults(out)
	t.Logf("%d passed: %q", len(passed), passed)
	for _, name := range slices.Sorted(maps.Keys(failed)) {
		cause, known := fruitFails[name]
		if !known {
			cause, known = fruitMayFail[name]
		}
		if !known {
			t.Errorf("%s: %s", name, failed[name])
		}
		t.Logf("%s: %s (%s)", name, failed[name], cause)
	}
	for name := range fruitFails {
		if slices.Contains(passed, name) {
			t.Errorf("%s passes: take it out of the list", name)
		}
	}
	const least = 28 // of 32
	if len(passed)+len(fruitMayFail) < least+1 {
		t.Errorf("%d tests passed, want about %d\n%s%s", len(passed), least, out, stderr)
	}
	left, err := os.ReadDir(m.dir)
	check(t, err)
	for _, e := range left {
		if strings.HasPrefix(e.Name(), "._") || e.Name() == ".DS_Store" {
			t.Errorf("left on the server: %s", e.Name())
		}
	}
}

// tortureResults reads what smbtorture says; a skipped test has not passed.
func tortureResults(out string) (passed []string, failed map[string]string) {
	failed = map[string]string{}
	lines := strings.Split(out, "\n")
	for i, line := range lines {
		what, name, _ := strings.Cut(strings.TrimSuffix(line, " ["), ": ")
		switch what {
		case "success":
			passed = append(passed, name)
		case "failure", "error", "skip":
			failed[name] = what
			if i+1 < len(lines) {
				failed[name] += ": " + lines[i+1]
			}
		}
	}
	return passed, failed
}

package vfs

import (
	"errors"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"

	"sshfs-bridge/e2e/testenv"
)

// The same name as two files of a server, and in the two forms of Unicode.
const nfcName, nfdName = "caf\u00e9", "cafe\u0301"

// A name is found in whatever form it is asked for.
func TestNameFoundInEveryForm(t *testing.T) {
	for _, smb := range []bool{false, true} {
		g := newRig(t, Options{NoBackgroundCheck: true, SMBNames: smb}, testenv.CountOptions{})
		g.file("c/"+nfcName, "composed")
		g.file("d/"+nfdName, "decomposed")
		for dir, want := range map[string]string{"c": "composed", "d": "decomposed"} {
			d := g.lookup(g.root, dir)
			g.list(d)
			for _, name := range []string{nfcName, nfdName} {
				if got := g.read(g.lookup(d, name)); got != want {
					t.Errorf("smb %v: %q is %q, want %q", smb, name, got, want)
				}
			}
		}
	}
}

// When the file that was shown by a name goes, the name is that of the other file
// which the server knows by it: it is seen, and not overwritten unasked.
func TestOtherFileOfTheNameIsSeen(t *testing.T) {
	g := newRig(t, Options{NoBackgroundCheck: true, SMBNames: true}, testenv.CountOptions{})
	g.file(nfcName, "the other one")
	g.file(nfdName, "the one")
	g.file("tmp", "new")
	g.list(g.root)
	if got := g.read(g.lookup(g.root, nfcName)); got != "the one" {
		t.Fatalf("shown is %q", got)
	}
	g.must(g.Unlink(g.ctx, g.root, nfcName))
	n, err := g.Lookup(g.ctx, g.root, nfcName)
	g.must(err)
	if got := g.read(n.Ino); got != "the other one" {
		t.Errorf("under the name is %q", got)
	}
	if err := g.Rename(g.ctx, g.root, "tmp", g.root, nfcName, RenameNoReplace); !errors.Is(err, syscall.EEXIST) {
		t.Errorf("rename: %v", err)
	}
	if _, _, err := g.Create(g.ctx, g.root, nfcName, syscall.O_WRONLY|syscall.O_EXCL, 0o644); !errors.Is(err, os.ErrExist) {
		t.Errorf("create: %v", err)
	}
	if got := g.onServer(nfcName); got != "the other one" {
		t.Errorf("on the server: %q", got)
	}
}

// What is kept of a file follows it to another spelling of its name.
func TestMetadataFollowsToAnotherSpelling(t *testing.T) {
	g := newRig(t, Options{NoBackgroundCheck: true, SMBNames: true}, testenv.CountOptions{})
	g.file("d/"+nfdName, "content")
	d := g.lookup(g.root, "d")
	g.list(d)
	g.must(g.SetXattr(g.lookup(d, nfdName), "user.tag", []byte("red"), 0))
	g.must(g.Rename(g.ctx, d, nfdName, d, nfcName, 0))
	g.missing("d/" + nfdName)
	if v, err := g.GetXattr(g.lookup(d, nfcName), "user.tag"); err != nil || string(v) != "red" {
		t.Errorf("%q, %v", v, err)
	}
}

// Names as long as names may be are shown apart, too, by names that are no longer.
func TestLongNamesToldApart(t *testing.T) {
	bubble(t, Options{NoBackgroundCheck: true, SMBNames: true}, func(g *rig) {
		long := strings.Repeat("x", 252)
		g.file("e\u0301"+long, "one")
		g.file("\u00e9"+long, "other")
		var got []string
		for _, name := range g.list(g.root) {
			if len(name) > maxName {
				t.Errorf("%d bytes: %s", len(name), name)
				continue
			}
			got = append(got, g.read(g.lookup(g.root, name)))
		}
		slices.Sort(got)
		if !slices.Equal(got, []string{"one", "other"}) {
			t.Errorf("read %q", got)
		}
	})
}

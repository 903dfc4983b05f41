package vfs

import (
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"sshfs-bridge/e2e/testenv"
)

// Names that are found under other spellings, too, cost no more for being many.
func TestManySpelledNames(t *testing.T) {
	g := newRig(t, Options{SMBNames: true}, testenv.CountOptions{NamesPerReply: 1000})
	remove := func(dir string, files int) time.Duration {
		for i := range files {
			g.file(fmt.Sprintf("%s/cafe\u0301 %d", dir, i), "")
		}
		d := g.lookup(g.root, dir)
		names := g.list(d)
		if len(names) != files {
			t.Fatalf("%d names of %d", len(names), files)
		}
		start := time.Now()
		for i := range names {
			g.must(g.Unlink(g.ctx, d, fmt.Sprintf("caf\u00e9 %d", i)))
		}
		return time.Since(start)
	}
	few, many := remove("few", 400), remove("many", 8000)
	t.Logf("removed 400 in %v, 8000 in %v", few, many)
	if many > 100*few {
		t.Errorf("20 times the files took %v instead of %v to remove", many, few)
	}
}

// Names of 255 bytes that are longer when a share shows them are shown shortened,
// each as another, and can be used under what is shown.
func TestLongShareNames(t *testing.T) {
	for _, listed := range []bool{true, false} {
		g := newRig(t, Options{SMBNames: true}, testenv.CountOptions{})
		want := map[string]bool{}
		for _, end := range []string{"a", "b"} {
			name := strings.Repeat("\xff", 254) + end
			g.file(name, end)
			want[end] = true
		}
		var names []string
		if listed {
			names = g.list(g.root)
		} else {
			for _, end := range []string{"a", "b"} {
				name := strings.Repeat("\xff", 254) + end
				names = append(names, shortened(g.names.show(name), name))
			}
		}
		if len(names) != 2 || names[0] == names[1] {
			t.Fatalf("shown as %q", names)
		}
		for _, name := range names {
			if len(name) > 255 || !utf8.ValidString(name) {
				t.Errorf("%q has %d bytes", name, len(name))
			}
			content := g.read(g.lookup(g.root, name))
			if !want[content] {
				t.Errorf("%q has %q", name, content)
			}
			delete(want, content)
			g.must(g.Unlink(g.ctx, g.root, name))
			g.missing(strings.Repeat("\xff", 254) + content)
		}
	}
}

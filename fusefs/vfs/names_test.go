package vfs

import (
	"strings"
	"syscall"
	"testing"
	"unicode/utf8"

	"sshfs-bridge/e2e/testenv"
)

func TestNames(t *testing.T) {
	m := names{smb: true}
	for _, c := range []struct{ name, shown string }{
		{"plain.txt", "plain.txt"},
		{"100%.txt", "100%.txt"},
		{"a%20b", "a%20b"},
		{"caf\xe9", "caf%E9"},
		{"\xff\xfe", "%FF%FE"},
		{"caf%E9", "caf%25E9"},
		{"100%25", "100%2525"},
		{"trailing ", "trailing" + shownSpace},
		{"trailing.", "trailing" + shownDot},
		{"..hidden", "..hidden"},
		{"été", "été"},
		{"10\uf02230", "10%EF%80%A230"},
		{"\uf001", "%EF%80%81"},
		{"\uf028x", "\uf028x"},
		{"x\uf027\uf028", "x%EF%80%A7%EF%80%A8"},
	} {
		if got := m.show(c.name); got != c.shown {
			t.Errorf("show(%q) = %q, want %q", c.name, got, c.shown)
		}
		if got := m.remote(c.shown); got != c.name {
			t.Errorf("remote(%q) = %q, want %q", c.shown, got, c.name)
		}
		if got := (names{}).show(c.name); got != c.name {
			t.Errorf("without smb, show(%q) = %q", c.name, got)
		}
	}
	// As smbd gives them where it does not translate back.
	for given, name := range map[string]string{
		"10\uf02230": "10:30", "\uf001\uf01f": "\x01\x1f", "\uf020\uf021\uf022\uf023\uf024\uf025\uf026\uf027": "\"*:<>?\\|",
		"\uf022%EF%80%A2\uf028": ":\uf022 ",
	} {
		if got := m.remote(given); got != name {
			t.Errorf("remote(%+q) = %+q, want %+q", given, got, name)
		}
	}
}

// FuzzNames: every name is shown as UTF-8, without what SMB cannot carry at its
// end or stands for it elsewhere, and finds its way back.
func FuzzNames(f *testing.F) {
	for _, s := range []string{"a", "\xe9", "%E9", "%25", "x ", "x.", "x\uf028", "x\uf029", "\xef\x80\xa8", "%EF%80%A8", "%", "%2", "..", " ", "\x80%", "a\xffb%C3%A9", "10\uf02230", "\uf001"} {
		f.Add(s)
	}
	m := names{smb: true}
	f.Fuzz(func(t *testing.T, name string) {
		if name == "" || name == "." || name == ".." || strings.ContainsAny(name, "/\x00") {
			return
		}
		shown := m.show(name)
		if !utf8.ValidString(shown) || strings.HasSuffix(shown, " ") || strings.HasSuffix(shown, ".") {
			t.Errorf("show(%q) = %q", name, shown)
		}
		if strings.ContainsFunc(shown, func(r rune) bool { return r >= 0xf001 && r <= 0xf027 }) {
			t.Errorf("%q is shown as %q, in which smbd would take a character for another", name, shown)
		}
		if back := m.remote(shown); back != name {
			t.Errorf("%q is shown as %q, which stands for %q", name, shown, back)
		}
		if r := m.remote(name); strings.ContainsAny(r, "/\x00") || r == "" {
			t.Errorf("remote(%q) = %q", name, r)
		}
	})
}

// What a share shows of a directory with names that SMB or a Mac cannot tell
// apart: all of them, each found under the name it is shown by.
func TestShareNames(t *testing.T) {
	g := newRig(t, Options{SMBNames: true}, testenv.CountOptions{})
	for _, name := range []string{"caf\u00e9", "cafe\u0301", "bad\xe9", "dot.", "space ", "plain"} {
		g.file(name, "content of "+name)
	}
	shown := g.list(g.root)
	if len(shown) != 6 {
		t.Fatalf("listed %q", shown)
	}
	seen := map[string]bool{}
	for _, name := range shown {
		if !utf8.ValidString(name) || seen[nfcOr(name)] {
			t.Errorf("%q is shown", name)
		}
		seen[nfcOr(name)] = true
		if got := g.read(g.lookup(g.root, name)); !strings.HasPrefix(got, "content of ") {
			t.Errorf("%q has %q", name, got)
		}
	}
	// Created, renamed and removed under names as a Mac gives them.
	_, o, err := g.Create(g.ctx, g.root, "new"+shownDot, syscall.O_WRONLY|syscall.O_EXCL, 0o644)
	g.must(err)
	g.Release(o.FH)
	if g.onServer("new.") != "" {
		t.Error("no file new.")
	}
	g.must(g.Rename(g.ctx, g.root, "bad%E9", g.root, "good", 0))
	if g.onServer("good") != "content of bad\xe9" {
		t.Error("rename of an escaped name")
	}
	g.must(g.Unlink(g.ctx, g.root, "space"+shownSpace))
	g.missing("space ")
}

func nfcOr(name string) string {
	if k := nfc(name); k != "" {
		return k
	}
	return name
}

func TestXSymEncoding(t *testing.T) {
	for _, target := range []string{"a", "../x/y", strings.Repeat("long/", 200), "ünï"} {
		b := encodeXSym(target)
		if len(b) != xsymSize {
			t.Fatalf("%d bytes", len(b))
		}
		if got, ok := decodeXSym(b); !ok || got != target {
			t.Errorf("%q came back as %q", target, got)
		}
	}
	if encodeXSym(strings.Repeat("x", maxXSym+1)) != nil {
		t.Error("a target that does not fit was encoded")
	}
	b := encodeXSym("target")
	b[20] ^= 1
	if _, ok := decodeXSym(b); ok {
		t.Error("a wrong checksum was taken")
	}
}

func FuzzXSym(f *testing.F) {
	f.Add(encodeXSym("target"))
	f.Add([]byte("XSym\n9999\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if target, ok := decodeXSym(b); ok && (target == "" || strings.ContainsRune(target, 0)) {
			t.Errorf("decoded %q", target)
		}
	})
}

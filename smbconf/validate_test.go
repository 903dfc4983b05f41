package smbconf

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

// TestValidate_everyProblemAtOnce: one run names every field that is wrong, in
// the order of the fields.
func TestValidate_everyProblemAtOnce(t *testing.T) {
	c := Config{
		Version: Version{4, 9, 0}, Workgroup: "two words", NetBIOSName: "a-name-that-is-too-long",
		Ports: []int{445, 0, 445}, Interfaces: []string{"eth0", "eth0;speed=9"}, HostsAllow: []string{"172.17.0.1", "ALL", "fe80::1%eth0", "10.1.0.0/8x"},
		ForceUser: "+wheel", ForceGroup: "", Auth: "open", LogLevel: 11,
		Dirs: Dirs{Private: "/p", Lock: "/p", State: "relative", Cache: "/c/../d", PID: "/a%Ub", NCALRPC: "", Log: "/l"},
		Shares: []Share{
			{Name: "media", Path: "/mnt/media"},
			{Name: "MEDIA", Path: "/mnt/media\n[evil]", Comment: "100%U"},
			{Name: "a]b", Path: "/x  y"},
			{Name: "Homes", Path: `/x\`, Comment: strings.Repeat("x", 201)},
		},
	}
	want := []string{
		"version", "workgroup", "netbios_name", "force_user", "force_group", "auth", "log_level",
		"ports[1]", "ports[2]", "interfaces[1]", "hosts_allow[1]", "hosts_allow[2]", "hosts_allow[3]",
		"dirs.lock", "dirs.state", "dirs.cache", "dirs.pid", "dirs.ncalrpc",
		"share[MEDIA].name", "share[MEDIA].path", "share[MEDIA].comment", "share[2].name", "share[2].path",
		"share[3].name", "share[3].path", "share[3].comment",
	}
	if got := paths(c.Validate()); !slices.Equal(got, want) {
		t.Errorf("problems at\n%q, want\n%q\n%v", got, want, c.Validate())
	}
	if _, err := c.Render(); err == nil {
		t.Error("Render accepted it")
	}
	if got, want := paths(Config{}.Validate()), "version"; len(got) < 10 || got[0] != want {
		t.Errorf("the zero value: %q", got)
	}
}

// paths are the fields that an error of Validate names.
func paths(err error) []string {
	var out []string
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return nil
	}
	for _, e := range joined.Unwrap() {
		var f *FieldError
		if !errors.As(e, &f) {
			return append(out, "not a FieldError: "+e.Error())
		}
		out = append(out, f.Path)
	}
	return out
}

func TestShareNames(t *testing.T) {
	for _, name := range []string{"media", "SSHFS Share", "Größe", "日本語", "a.b", "a'b", "web (alt)", "C$x", "home", strings.Repeat("é", 80)} {
		if why := badShareName(name); why != "" {
			t.Errorf("%q refused: %s", name, why)
		}
	}
	for _, name := range []string{
		"", "global", "GLOBAL", "glo bals", "homes", "Printers", "ipc$", "x$", ".hidden", "#x", "a/b", "a[b", "a]b", "a=b", "a\nb", "a\x00b",
		"a\tb", " a", "a ", "a  b", "a%Sb", `a"b`, "a,b", "a;b", "a:b", "\xff", strings.Repeat("x", 81),
	} {
		if why := badShareName(name); why == "" {
			t.Errorf("%q accepted", name)
		}
	}
}

func TestCleanComment(t *testing.T) {
	for in, want := range map[string]string{
		"alice@nas:/srv":                "alice@nas:/srv",
		"":                              "",
		"100%U \"x\"":                   "100％U ＂x＂",
		"  a \t\n b  ":                  "a b",
		"a\nguest ok = yes":             "a guest ok = yes",
		"a\x00b\xffc":                   "a b?c",
		`ends in \ \ `:                  "ends in",
		strings.Repeat("é", 101):        strings.Repeat("é", 100),
		strings.Repeat("x", 199) + " y": strings.Repeat("x", 199),
	} {
		got := CleanComment(in)
		if got != want {
			t.Errorf("CleanComment(%q) = %q, want %q", in, got, want)
		}
		if CleanComment(got) != got {
			t.Errorf("CleanComment(%q) is not stable", got)
		}
	}
}

func TestParseVersion(t *testing.T) {
	for in, want := range map[string]Version{
		"Version 4.17.12-Debian":                        {4, 17, 12},
		"Version 4.22.11-Debian-4.22.11+dfsg-0+deb13u1": {4, 22, 11},
		"4.24":                 {4, 24, 0},
		"Version 5.0.0rc1":     {5, 0, 0},
		"Version 4.99999.0":    {},
		"Version":              {},
		"":                     {},
		"Version 4.17.12.13.1": {4, 17, 12},
	} {
		got, err := ParseVersion(in)
		if got != want || (err != nil) != (want == Version{}) {
			t.Errorf("ParseVersion(%q) = %v, %v; want %v", in, got, err, want)
		}
	}
	if !(Version{4, 22, 0}).AtLeast(4, 22) || !(Version{5, 0, 0}).AtLeast(4, 22) || (Version{4, 21, 9}).AtLeast(4, 22) {
		t.Error("AtLeast is wrong")
	}
}

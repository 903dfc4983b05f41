package smbconf

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the goldens in testdata anew")

// guest and password are the two kinds of server, each with the hub, a mount
// and everything else that a share can be.
func guest(v Version) Config {
	c := Default(v, "/run/sshfs-bridge/smbd", "/var/lib/sshfs-bridge/samba")
	c.Shares = []Share{
		Hub("/samba-share"),
		{Name: "media", Path: "/run/sshfs-bridge/mnt/media", Comment: "alice@nas.example.com:/srv/media"},
		{Name: "Größe & Co (alt)", Path: "/run/sshfs-bridge/mnt/Größe & Co (alt)", ReadOnly: true, Strict: true},
	}
	return c
}

func password(v Version) Config {
	c := guest(v)
	c.Auth = AuthPassword
	c.Interfaces = nil
	c.HostsAllow = append(Loopback(), "172.17.0.1")
	return c
}

func TestRender_goldens(t *testing.T) {
	for name, tt := range map[string]struct {
		config Config
		render func(Config) ([]byte, error)
	}{
		"guest-4.17":           {guest(Version{4, 17, 12}), Config.Render},
		"guest-4.22":           {guest(Version{4, 22, 11}), Config.Render},
		"guest-4.24-commented": {guest(Version{4, 24, 3}), Config.RenderCommented},
		"password-4.22":        {password(Version{4, 22, 11}), Config.Render},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := tt.render(tt.config)
			if err != nil {
				t.Fatal(err)
			}
			golden := filepath.Join("testdata", name+".smb.conf")
			if *update {
				if err := os.WriteFile(golden, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), string(got)); diff != "" {
				t.Errorf("differs from %s (go test -update writes it anew):\n%s", golden, diff)
			}
			back, err := Parse(got)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.config, back); diff != "" {
				t.Errorf("Parse(Render(c)) differs:\n%s", diff)
			}
		})
	}
}

// TestRender_commentsChangeNothing: smbd reads the same with and without them.
func TestRender_commentsChangeNothing(t *testing.T) {
	c := guest(Version{4, 24, 0})
	plain, err := c.Render()
	if err != nil {
		t.Fatal(err)
	}
	commented, err := c.RenderCommented()
	if err != nil {
		t.Fatal(err)
	}
	want, err := readSections(plain)
	if err != nil {
		t.Fatal(err)
	}
	got, err := readSections(commented)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(section{}, param{})); diff != "" {
		t.Error(diff)
	}
	// One reason above each setting of [global] and of the first share.
	if n, want := bytes.Count(commented, []byte("\n\n\t# ")), len(c.globalSettings())+len(c.shareSettings(c.Shares[0])); n < want-2 {
		t.Errorf("%d reasons for %d settings", n, want)
	}
}

// TestSettings_haveReasons: each says why it is there and where that comes from.
func TestSettings_haveReasons(t *testing.T) {
	for _, c := range []Config{guest(Version{4, 24, 0}), password(Version{4, 24, 0})} {
		for _, s := range append(c.globalSettings(), c.shareSettings(c.Shares[1])...) {
			if !strings.HasSuffix(s.why, ".") || s.source == "" || strings.HasSuffix(s.source, ".") {
				t.Errorf("%s: %q (%s)", s.name, s.why, s.source)
			}
		}
	}
}

// TestRender_versions: each release gets the settings that it knows, and no other
// difference.
func TestRender_versions(t *testing.T) {
	names := func(minor int) map[string]bool {
		c := guest(Version{4, minor, 0})
		m := map[string]bool{}
		for _, s := range append(c.globalSettings(), c.shareSettings(c.Shares[0])...) {
			m[s.name] = true
		}
		return m
	}
	since := map[int][]string{
		22: {"smb3 unix extensions", "smb3 directory leases", "vfs mkdir use tmp name", "fruit:posix_opens", "fruit:ignore_zero_aces"},
		24: {"fruit:veto_localized"},
	}
	before := names(17)
	for minor := 18; minor <= 25; minor++ {
		now := names(minor)
		for _, name := range since[minor] {
			if before[name] || !now[name] {
				t.Errorf("%s is not new in 4.%d", name, minor)
			}
		}
		if len(now) != len(before)+len(since[minor]) {
			t.Errorf("4.%d has %d settings, the one before %d and %d are new", minor, len(now), len(before), len(since[minor]))
		}
		before = now
	}
}

// TestRender_noSettingTwice: the second one would silently win.
func TestRender_noSettingTwice(t *testing.T) {
	for _, c := range []Config{guest(Version{4, 24, 0}), password(Version{4, 17, 0})} {
		for i, settings := range [][]setting{c.globalSettings(), c.shareSettings(c.Shares[2])} {
			seen := map[string]bool{}
			for _, s := range settings {
				if seen[s.name] {
					t.Errorf("section %d has %q twice", i, s.name)
				}
				seen[s.name] = true
				if why := badValue(s.value); why != "" {
					t.Errorf("%s: %s", s.name, why)
				}
			}
		}
	}
}

func TestParse_refusesWhatWeDidNotWrite(t *testing.T) {
	data, err := guest(Version{4, 22, 11}).Render()
	if err != nil {
		t.Fatal(err)
	}
	text := string(data)
	for name, changed := range map[string]string{
		"an added setting":    text + "\troot preexec = reboot\n",
		"a removed setting":   strings.Replace(text, "\tguest only = yes\n", "", 1),
		"a changed setting":   strings.Replace(text, "wide links = no", "wide links = yes", 1),
		"a mask":              strings.Replace(text, "inherit permissions = yes", "create mask = 0777", 1),
		"an include":          strings.Replace(text, "[SSHFS Share]", "include = /etc/passwd\n[SSHFS Share]", 1),
		"no header":           strings.TrimPrefix(text, header),
		"nothing":             "",
		"an open section":     "[global",
		"a setting in no one": "a = b",
		"only a header":       header + "4.22.0;\n",
		"a line continued":    strings.Replace(text, "/samba-share", "/samba-\\\nshare", 1),
	} {
		t.Run(name, func(t *testing.T) {
			if c, err := Parse([]byte(changed)); err == nil {
				t.Errorf("accepted as %+v", c)
			} else if !strings.Contains(err.Error(), ErrNotOurs.Error()) {
				t.Errorf("error %q is not ErrNotOurs", err)
			}
		})
	}
}

package bridge

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sshfs-bridge/bridge/api"
)

func loadText(t *testing.T, text string, environ ...string) (Config, []string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := LoadConfig(Sources{Path: path, Environ: environ})
	var ce *ConfigError
	if err != nil && !errors.As(err, &ce) {
		t.Fatal(err)
	}
	var lines []string
	if ce != nil {
		for _, p := range ce.Problems {
			lines = append(lines, strings.Replace(p.String(), path, "F", 1))
		}
	}
	return c, lines
}

func TestConfig_everyProblemAtOnceWithItsLineAndKey(t *testing.T) {
	for _, tc := range []struct {
		name, text string
		environ    []string
		want       []string // the beginning of each problem
	}{
		{name: "empty", text: ""},
		{name: "only a comment", text: "# nothing\n"},
		{name: "by name", text: "mounts:\n  media:\n    remote: nas:/srv\n"},
		{name: "as a list", text: "mounts:\n  - remote: nas:/srv/media\n  - {remote: 'a@h:', name: home}\n"},
		{name: "no mounts", text: "mounts:\n"},
		{
			name: "many",
			text: "colour: red\nuid: many\nmounts:\n  media:\n    remote: 'alice@:/x'\n    reed_only: true\n  x:\n    port: 0\nsmb:\n  ports: [70000]\n  auth: none\nlog_level: loud\n",
			want: []string{
				"F:1: colour: unknown key", "F:2: uid: \"many\"", "F:5: mounts.media.remote: ",
				"F:6: mounts.media.reed_only: unknown key: did you mean \"read_only\"?",
				"F:7: mounts.x.remote: the remote is missing", "F:8: mounts.x.port: \"0\"",
				"F:10: smb.ports: \"70000\"", "F:11: smb.auth: \"none\" is none of guest, password", "F:12: log_level: ",
			},
		},
		{
			name: "rates", text: "mounts:\n  x:\n    remote: a:/x\n    read_rate: fast\n    write_rate: 100\n    request_rate: 3\n",
			want: []string{
				"F:4: mounts.x.read_rate: \"fast\" is not a size", "F:5: mounts.x.write_rate: 100 bytes a second is out of range",
				"F:6: mounts.x.request_rate: 3 a second is out of range",
			},
		},
		{name: "not YAML", text: "a: [1\nb: 2\n", want: []string{"F:2: not valid YAML: "}},
		{name: "tab", text: "smb:\n\tports: [1]\n", want: []string{"F:2: not valid YAML: "}},
		{name: "twice", text: "uid: 1\nuid: 2\n", want: []string{"F:2: "}},
		{name: "two documents", text: "uid: 1\n---\nuid: 2\n", want: []string{"F:3: a second document"}},
		{name: "a list at the top", text: "- uid\n", want: []string{"F:1: keys and values are needed here"}},
		{name: "a value instead of keys", text: "smb: 445\n", want: []string{"F:1: smb: keys and values are needed here"}},
		{name: "a list instead of a value", text: "uid: [1]\n", want: []string{"F:1: uid: one value is needed"}},
		{name: "keys instead of a value", text: "uid:\n  x: 1\n", want: []string{"F:2: uid: a plain value is needed"}},
		{name: "no value", text: "ssh_dir:\n", want: []string{"F:1: ssh_dir: the value is missing"}},
		{name: "relative path", text: "ssh_dir: .ssh\n", want: []string{"F:1: ssh_dir: \".ssh\" is not an absolute path"}},
		{name: "directories in each other", text: "state_dir: /a\nrun_dir: /a/b\nhub: /h\nssh_dir: /s\n", want: []string{"run_dir: /a/b overlaps state_dir (/a)"}},
		{
			name: "one name twice", text: "mounts:\n  media:\n    remote: a:/x\n  MEDIA:\n    remote: b:/y\n",
			want: []string{"F:4: mounts.MEDIA.name: the name \"MEDIA\" is taken by the mount of a:/x (line 2)"},
		},
		{name: "derived names that collide", text: "mounts:\n- remote: a:/x/data\n- remote: b:/data\n", want: []string{"F:3: mounts[1].name: the name \"data\" is taken"}},
		{name: "bad name", text: "mounts:\n  ../etc:\n    remote: a:/x\n", want: []string{"F:2: mounts.../etc.name: the name \"../etc\" begins with"}},
		{name: "reserved name", text: "mounts:\n  Global:\n    remote: a:/x\n", want: []string{"F:2: mounts.Global.name: the name \"Global\" is reserved"}},
		{name: "anchors", text: "uid: &u 1\ngid: *u\n", want: []string{"F:1: uid: anchors", "F:2: gid: anchors"}},
		{name: "environment", environ: []string{"SSHFS_BRIDGE_REMOTE=a@h:/x", "SSHFS_BRIDGE_PORT=22", "SSHFS_BRIDGE_SMB_PORTS=1445, 1446"}},
		{
			name: "bad environment", environ: []string{"SSHFS_BRIDGE_PORT=x", "SSHFS_BRIDGE_RED_ONLY=1", "SSHFS_BRIDGE_UID=-1", "SSHFS_BRIDGE_NAME=n"},
			want: []string{
				"environment: SSHFS_BRIDGE_UID: ", "environment: SSHFS_BRIDGE_PORT: ", "environment: SSHFS_BRIDGE_RED_ONLY: unknown variable",
				"environment: SSHFS_BRIDGE_REMOTE: the remote is missing",
			},
		},
		{name: "the same in both", text: "mounts:\n  x:\n    remote: a:/x\n", environ: []string{"SSHFS_BRIDGE_REMOTE=b:/x"}, want: []string{"environment: SSHFS_BRIDGE_REMOTE: the name \"x\" is taken"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, got := loadText(t, tc.text, tc.environ...)
			if len(got) != len(tc.want) {
				t.Fatalf("problems:\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(tc.want, "\n"))
			}
			slices.Sort(got)
			want := slices.Sorted(slices.Values(tc.want))
			for i := range want {
				if !strings.HasPrefix(got[i], want[i]) {
					t.Errorf("problem %q, want %q...", got[i], want[i])
				}
			}
		})
	}
}

func TestConfig_valuesArriveWhereTheyBelong(t *testing.T) {
	c, problems := loadText(t, `
ssh_dir: /keys/
uid: 501
cache_memory: 2GiB
log_level: warn
smb:
  ports: 1445
  published_port: 2445
  hosts_allow: [192.0.2.0/24, "::1"]
mounts:
  media:
    remote: alice@nas:/srv/media
    port: 2222
    identity_files: ~/.ssh/id_x
    ssh_options: ["Ciphers=aes128-gcm@openssh.com,aes256-ctr"]
    read_only: yes
    uid: 7
    cache: strict
    on_demand: true
    idle_seconds: 90
    read_rate: 20MiB
    write_rate: 65536
    request_rate: 200
    max_open_files: 500
    max_names: 5000
    cache_seconds: 5
    max_unwritten: 8MiB
`, "SSHFS_BRIDGE_REMOTE=bob@h:/other", "SSHFS_BRIDGE_READ_ONLY=true", "SSHFS_BRIDGE_IDENTITY_FILE=/a,/b", "SSHFS_BRIDGE_GID=20", "SSHFS_BRIDGE_CACHE_SECONDS=60", "HOME=/root")
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	if c.SSHDir != "/keys" || c.UID != 501 || c.GID != 20 || c.CacheBytes != 2<<30 || !slices.Equal(c.SMB.Ports, []int{1445}) || c.SMB.PublishedPort != 2445 {
		t.Errorf("%+v", c)
	}
	if len(c.Mounts) != 2 {
		t.Fatalf("mounts %+v", c.Mounts)
	}
	m, e := c.Mounts[0], c.Mounts[1]
	if m.Name != "media" || m.Port != 2222 || !m.ReadOnly || *m.UID != 7 || m.Cache != "strict" || !m.OnDemand || m.IdleSeconds != 90 ||
		m.ReadRate != 20<<20 || m.WriteRate != 64<<10 || m.RequestRate != 200 || m.MaxOpenFiles != 500 || m.MaxNames != 5000 || m.CacheSeconds != 5 || m.MaxUnwritten != 8<<20 ||
		!slices.Equal(m.IdentityFiles, []string{"~/.ssh/id_x"}) || len(m.SSHOptions) != 1 || m.Source != api.SourceConfig || m.Line != 11 {
		t.Errorf("of the file: %+v", m)
	}
	if e.Name != "other" || !e.ReadOnly || e.CacheSeconds != 60 || !slices.Equal(e.IdentityFiles, []string{"/a", "/b"}) || e.Source != api.SourceEnvironment {
		t.Errorf("of the environment: %+v", e)
	}
	if got := c.ShareURL("media"); got != "smb://guest:@127.0.0.1:2445/media" {
		t.Errorf("URL %s", got)
	}
}

func TestConfig_whatIsShownCanBeReadAgain(t *testing.T) {
	c, problems := loadText(t, "uid: 12\nmounts:\n  a:\n    remote: 'h:/with: odd #chars'\n    ssh_options: ['User=x']\n    gid: 3\n    read_rate: 70000\n    write_rate: 3M\n    request_rate: 11\n    max_open_files: 64\n    max_names: 1000\n    cache_seconds: 7\n    max_unwritten: 1M\n  b:\n    remote: u@h\n")
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	text, err := c.YAML()
	if err != nil {
		t.Fatal(err)
	}
	again, problems := loadText(t, string(text))
	if len(problems) > 0 {
		t.Fatalf("%v\n%s", problems, text)
	}
	for i := range c.Mounts {
		if !sameMount(c.Mounts[i], again.Mounts[i]) {
			t.Errorf("%+v became %+v", c.Mounts[i], again.Mounts[i])
		}
	}
	second, err := again.YAML()
	if err != nil || len(second) == 0 || again.UID != 12 {
		t.Errorf("%v\n%s", err, second)
	}
}

func TestConfig_missingFile(t *testing.T) {
	_, err := LoadConfig(Sources{Path: filepath.Join(t.TempDir(), "none.yaml")})
	var ce *ConfigError
	if !errors.As(err, &ce) || len(ce.Problems) != 1 || !strings.Contains(ce.Problems[0].Message, "no such file") {
		t.Errorf("a named file that is missing: %v", err)
	}
}

func TestNames(t *testing.T) {
	for remote, want := range map[string]string{
		"alice@nas.example.com:/srv/media": "media",
		"alice@nas.example.com":            "nas",
		"nas:":                             "nas",
		"nas:~":                            "nas",
		"nas:/":                            "nas",
		"nas:docs/":                        "docs",
		"bob@192.0.2.7":                    "192.0.2.7",
		"bob@[2001:db8::1]:/x y/a b":       "a b",
		"nas:/srv/ My  Photos ":            "My Photos",
		"nas:/srv/Büro":                    "Büro",
		"nas:/srv/Bu\u0308ro":              "Büro", // composed
		"nas:/srv/.hidden":                 "hidden",
		"nas:/srv/homes":                   "nas-homes",
		"nas:/srv/..":                      "nas",
		"nas:/srv/%$!":                     "nas", // see below
		"sftp://alice@nas:2222/srv/x":      "x",
		"nas:/" + strings.Repeat("a", 200): strings.Repeat("a", maxNameBytes),
	} {
		got := DeriveName(remote)
		if want == "nas" && strings.HasSuffix(remote, "%$!") {
			if CheckName(got) != nil {
				t.Errorf("%s: %q cannot be a name", remote, got)
			}
			continue
		}
		if got != want {
			t.Errorf("%s: %q, want %q", remote, got, want)
		}
	}
	for _, bad := range []string{"", ".", "..", ".x", "-x", "a/b", "a  b", " a", "a ", "glo bal", "a\u00a0b", "a\\b", "a:b", "x.", "IPC$", "SSHFS Share", "a\nb", "a%", "\xff", strings.Repeat("a", 99)} {
		if CheckName(bad) == nil {
			t.Errorf("%q was taken for a name", bad)
		}
	}
}

func FuzzDeriveName(f *testing.F) {
	for _, s := range []string{"a@b:/c", "b:", "[::1]:/x", "sftp://h/é", "h:/\u0301", "h:/\xff/\x00"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, remote string) {
		if name := DeriveName(remote); name != "" {
			if err := CheckName(name); err != nil {
				t.Errorf("%q: %v", remote, err)
			}
		}
	})
}

func FuzzReadYAML(f *testing.F) {
	for _, s := range []string{"uid: 1", "mounts: {a: {remote: h}}", "mounts:\n- remote: [", "? x\n: y", "<<: {a: 1}", "!!binary x", "a: &a\n  b: *a", "smb: {ports: [1,2]}"} {
		f.Add(s)
	}
	f.Fuzz(func(_ *testing.T, text string) {
		c := DefaultConfig()
		readYAML(&c, "f", []byte(text))
		c.normalise()
		c.problems()
	})
}

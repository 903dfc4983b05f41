package dropin

import (
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"sshfs-bridge/bridge/api"
)

// words splits a command line at its spaces.
func words(line string) []string { return strings.Fields(line) }

func id(n uint32) *uint32 { return &n }

// spec is what every plan of these tests has.
func spec(change func(*api.MountSpec)) api.MountSpec {
	s := api.MountSpec{Remote: "host:", Mountpoint: "/mnt", Symlinks: "contained", RemoteIDs: true}
	if change != nil {
		change(&s)
	}
	return s
}

func TestParse_spec(t *testing.T) {
	owned := func(s *api.MountSpec) { s.UID, s.GID, s.RemoteIDs = id(1000), id(1000), false }
	tests := map[string]api.MountSpec{
		"host: /mnt":    spec(nil),
		"host: -f /mnt": spec(nil),
		"-o allow_other,uid=1000,gid=1000 user@host:path /samba-share": spec(func(s *api.MountSpec) {
			owned(s)
			s.Remote, s.Mountpoint = "user@host:path", "/samba-share"
		}),
		"host: /mnt -oallow_other -ouid=1000 -o gid=1000": spec(owned),
		"host: /mnt -o uid=5":                             spec(func(s *api.MountSpec) { s.UID, s.RemoteIDs = id(5), false }),
		"-p 2222 host: /mnt":                              spec(func(s *api.MountSpec) { s.Port = 2222 }),
		"-p2222 -o port=1 -o Port=3 host: /mnt":           spec(func(s *api.MountSpec) { s.Port = 2222 }),
		"-o ro host: /mnt":                                spec(func(s *api.MountSpec) { s.ReadOnly = true }),
		"-r host: /mnt":                                   spec(func(s *api.MountSpec) { s.ReadOnly = true }),
		"-o ro,rw host: /mnt":                             spec(nil),
		"-o rw,nosuid,nodev,noatime,_netdev,user=bob,x-systemd.automount,noauto host: /mnt": spec(nil),
		"-o IdentityFile=~/.ssh/a -o identityfile=/b host: /mnt": spec(func(s *api.MountSpec) {
			s.IdentityFiles = []string{"~/.ssh/a", "/b"}
		}),
		"-o proxyjump=gate,ProxyJump=other host: /mnt": spec(func(s *api.MountSpec) { s.ProxyJump = "gate" }),
		`-o ProxyJump=a\,b,Ciphers=x\,y host: /mnt`: spec(func(s *api.MountSpec) {
			s.ProxyJump, s.SSHOptions = "a,b", []string{"Ciphers=x,y"}
		}),
		"-o serveraliveinterval=15,ServerAliveCountMax=3,reconnect host: /mnt": spec(func(s *api.MountSpec) {
			s.SSHOptions = []string{"ServerAliveInterval=15", "ServerAliveCountMax=3"}
		}),
		"-o StrictHostKeyChecking=no,UserKnownHostsFile=/dev/null host: /mnt": spec(func(s *api.MountSpec) {
			s.SSHOptions = []string{"StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null"}
		}),
		"-o delay_connect host: /mnt":    spec(func(s *api.MountSpec) { s.OnDemand = true }),
		"-o dir_cache=no host: /mnt":     spec(func(s *api.MountSpec) { s.Cache = "strict" }),
		"-o cache_timeout=0 host: /mnt":  spec(func(s *api.MountSpec) { s.Cache = "strict" }),
		"-o dcache_timeout=5 host: /mnt": spec(func(s *api.MountSpec) { s.CacheSeconds = 5 }),
		"-o cache_timeout=115200,cache_stat_timeout=30,entry_timeout=2.5,attr_timeout=7,ac_attr_timeout=9 host: /mnt": spec(func(s *api.MountSpec) { s.CacheSeconds = 2 }),
		"-o entry_timeout=0.9 host: /mnt": spec(func(s *api.MountSpec) { s.Cache = "strict" }),
		"-o dcache_timeout=-1 host: /mnt": spec(func(s *api.MountSpec) { s.CacheSeconds = api.MaxCacheSeconds }),

		"-o negative_timeout=3,dcache_timeout=1000000000000 host: /mnt": spec(func(s *api.MountSpec) { s.CacheSeconds = 3 }),
		"-o dcache_timeout=1000000000000 host: /mnt":                    spec(func(s *api.MountSpec) { s.CacheSeconds = api.MaxCacheSeconds }),
		"-o attr_timeout=0.0 host: /mnt": spec(func(s *api.MountSpec) {
			s.Cache = "strict"
		}),
		"-o direct_io,dir_cache=no host: /mnt":                 spec(func(s *api.MountSpec) { s.Cache = "off" }),
		"-o follow_symlinks host: /mnt":                        spec(func(s *api.MountSpec) { s.Symlinks = "follow" }),
		"-o no_contain_symlinks host: /mnt":                    spec(func(s *api.MountSpec) { s.Symlinks = "raw" }),
		"-o transform_symlinks host: /mnt":                     spec(func(s *api.MountSpec) { s.Symlinks = "transform-contained" }),
		"-o no_contain_symlinks,transform_symlinks host: /mnt": spec(func(s *api.MountSpec) { s.Symlinks = "transform" }),
		// The last one wins.
		"-o no_contain_symlinks,contain_symlinks host: /mnt": spec(nil),
		"-o contain_symlinks,no_contain_symlinks host: /mnt": spec(func(s *api.MountSpec) { s.Symlinks = "raw" }),
		"[2001:db8::1]: /mnt":                                spec(func(s *api.MountSpec) { s.Remote = "[2001:db8::1]:" }),
		"bob@[::1]:/a:b /mnt":                                spec(func(s *api.MountSpec) { s.Remote = "bob@[::1]:/a:b" }),
		"-- host: /mnt":                                      spec(nil),
		"-o ssh_protocol=2,sftp_server=/usr/lib/sftp-server,max_conns=4 host: /mnt": spec(nil),
	}
	for line, want := range tests {
		t.Run(line, func(t *testing.T) {
			p, err := parse(words(line))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, p.spec); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestParse_sshCommand(t *testing.T) {
	p, err := parse([]string{"-o", `ssh_command=ssh -p 2222 -i "/my keys/id" -J gate -l bob -o Ciphers=a\\\,b -oBatchMode=yes -4 -q`, "host:", "/mnt"})
	if err != nil {
		t.Fatal(err)
	}
	want := spec(func(s *api.MountSpec) {
		s.Port, s.IdentityFiles, s.ProxyJump = 2222, []string{"/my keys/id"}, "gate"
		s.SSHOptions = []string{"User=bob", "Ciphers=a,b", "BatchMode=yes", "AddressFamily=inet"}
	})
	if diff := cmp.Diff(want, p.spec); diff != "" {
		t.Error(diff)
	}
	for _, command := range []string{"sshpass -p x ssh", "", "ssh -Z", "ssh 'a", "ssh host", "ssh -o Bogus=1", "ssh -p"} {
		if _, err := parse([]string{"-o", "ssh_command=" + command, "host:", "/mnt"}); err == nil {
			t.Errorf("%q was accepted", command)
		}
	}
}

func TestParse_plan(t *testing.T) {
	p, err := parse(words("host: /mnt -d -v -o allow_other,default_permissions,noexec,noatime,exec,fsname=nas,max_read=65536,nonempty,password_stdin -F cfg"))
	if err != nil {
		t.Fatal(err)
	}
	if !p.foreground || !p.debug || !p.verbose || !p.allowOther || !p.defaultPermissions || !p.nonempty || !p.passwordStdin {
		t.Errorf("flags: %+v", p)
	}
	if p.mountFlags != unix.MS_NOATIME || p.maxRead != 65536 || p.source() != "nas" || p.configFile != "cfg" {
		t.Errorf("values: %+v", p)
	}
	if len(p.notes) != 0 {
		t.Errorf("notes: %q", p.notes)
	}
	t.Setenv("SUDO_UID", "501")
	t.Setenv("SUDO_GID", "20")
	if p, err = parse(words("host: /mnt -o idmap=user")); err != nil || *p.spec.UID != 501 || *p.spec.GID != 20 || p.spec.RemoteIDs {
		t.Errorf("idmap=user: %+v, %v", p, err)
	}
}

func TestParse_notesOnce(t *testing.T) {
	p, err := parse(words("host: /mnt -C -s -o sshfs_sync,sshfs_sync,no_readahead,max_conns=3,compression=yes -o sshfs_sync -o workaround=rename:nofstat"))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, n := range p.notes {
		names = append(names, n[:strings.Index(n, " has no effect")])
	}
	want := []string{"-C", "-s", "-o sshfs_sync", "-o no_readahead", "-o max_conns", "-o Compression=yes", "-o workaround"}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Error(diff)
	}
}

func TestParse_errors(t *testing.T) {
	tests := map[string]string{ // command line -> part of the message
		"":                                   "missing host",
		"host:":                              "no mountpoint",
		"host /mnt":                          "with a colon",
		"[::1 /mnt":                          "not closed",
		":dir /mnt":                          "",
		"host: /mnt more":                    "one argument too many",
		"host: /mnt -o":                      "-o needs a value",
		"host: /mnt -p":                      "-p needs a value",
		"host: /mnt -p 0":                    "1 to 65535",
		"host: /mnt -p 22x":                  "no whole number",
		"host: /mnt -o port":                 "needs a value (PORT)",
		"host: /mnt -o allow_othr":           "did you mean allow_other?",
		"host: /mnt -o allow-other":          "did you mean allow_other?",
		"host: /mnt -o IdentityFiel=x":       "did you mean IdentityFile?",
		"host: /mnt -o Allow_Other":          "did you mean allow_other?",
		"host: /mnt -o zzzzzzzzzzzzzzzzzzzz": "sshfs -h lists them all",
		"host: /mnt -o allow_other=yes":      "takes no value",
		"host: /mnt -o uid=bob":              "no whole number",
		"host: /mnt -o uid=-1":               "no user or group number",
		"host: /mnt -o uid=4294967295":       "no user or group number",
		"host: /mnt -o umask=999":            "no octal mode",
		"host: /mnt -o dir_cache=maybe":      "neither yes nor no",
		"host: /mnt -o idmap=map":            "none, user or file",
		"host: /mnt -o workaround=bogus":     "is none of",
		"host: /mnt -o entry_timeout=nan":    "no number of seconds",
		"host: /mnt -o ServerAliveInterval":  "-o ServerAliveInterval=VALUE",
		"host: /mnt -o Ciphers=a,b":          `written \,`,
		"host: /mnt -o directport=1":         "only spoken inside SSH",
		"host: /mnt -o passive":              "only spoken inside SSH",
		"host: /mnt -o modules=subdir":       "after the host's colon",
		"host: /mnt -1":                      "protocol 1",
		"host: /mnt -o ssh_protocol=1":       "only 2 is",
		"host: /mnt -fd":                     "one by one",
		"host: /mnt --allow_other":           "did you mean -o allow_other?",
		"host: /mnt -o max_read=-2":          "no size",
		`host: /mnt -o uid=1\`:               "backslash",
	}
	for line, want := range tests {
		t.Run(line, func(t *testing.T) {
			_, err := parse(words(line))
			var usage *usageError
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Fatalf("error %v, want %q in it", err, want)
			}
			if !errors.As(err, &usage) && !errors.As(err, new(*unknownError)) {
				t.Errorf("%T is no usage error", err)
			}
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("more than one line: %q", err)
			}
		})
	}
}

// Every option in the help of the sshfs that this machine has is known here.
func TestParse_knowsEveryOptionOfSSHFS(t *testing.T) {
	help, err := os.ReadFile("testdata/sshfs-3.7.3-help.txt")
	if err != nil {
		t.Fatal(err)
	}
	skip := []string{"SSHOPT", "opt", "subdir", "from_code", "to_code", "[no]rellinks"} // the last four are refused with modules=
	found := 0
	for line := range strings.Lines(string(help)) {
		rest, ok := strings.CutPrefix(strings.TrimSpace(line), "-o ")
		if !ok {
			continue
		}
		name, _, _ := strings.Cut(strings.Fields(rest)[0], "=")
		name, _, _ = strings.Cut(name, ",")
		if slices.Contains(skip, name) {
			continue
		}
		names := []string{name}
		if base, ok := strings.CutPrefix(name, "[no]"); ok {
			names = []string{base, "no" + base}
		}
		if name == "dcache_{stat,link,dir}_timeout" || strings.HasPrefix(name, "dcache_{") {
			names = []string{"dcache_stat_timeout", "dcache_link_timeout", "dcache_dir_timeout"}
		}
		for _, n := range names {
			found++
			if _, ok := lookup(n); !ok {
				t.Errorf("-o %s is not in the table", n)
			}
		}
	}
	if found < 45 {
		t.Errorf("only %d options in the help", found)
	}
}

func TestTable_isSound(t *testing.T) {
	seen := map[string]bool{}
	for _, s := range table() {
		for _, o := range s.options {
			if o.name == "" && o.short == "" || o.note == "" {
				t.Errorf("%+v lacks a name or a note", o)
			}
			if (o.kind == kindFlag) != (o.arg == "") {
				t.Errorf("%s: the value's name %q does not go with its kind", o.usage(), o.arg)
			}
			for _, n := range []string{o.name, o.short} {
				if n != "" && seen[n] {
					t.Errorf("%s is there twice", n)
				}
				seen[n] = true
			}
			if o.name != "" && !strings.HasSuffix(o.name, "=") {
				if keyword, ok := lookupKeyword(o.name); ok && o.name != "port" && o.name != "user" {
					t.Errorf("%s hides the keyword %s", o.name, keyword)
				}
			}
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		"host: /mnt", "-o allow_other,uid=1000,gid=1000 user@host:path /samba-share", "-o a\\,b\\054c,uid=1", "-p 22 -F x -Chf",
		"-o ssh_command=ssh\\ -p\\ 22 [::1]:x /mnt", "-o IdentityFile=~/x,idmap=user -- - -", "-o ,,,=,=x,user=", "-o \\",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, line string) {
		p, err := parse(strings.Split(line, " "))
		if err != nil || p.help || p.version {
			return
		}
		if p.spec.Remote == "" || p.spec.Mountpoint == "" || p.spec.Port < 0 || p.spec.Port > 65535 {
			t.Errorf("%q: %+v", line, p.spec)
		}
		for _, o := range p.spec.SSHOptions {
			if strings.ContainsAny(o, "\n\r\x00") || !strings.Contains(o, "=") {
				t.Errorf("%q: the ssh option %q", line, o)
			}
		}
	})
}

func FuzzSplitOptions(f *testing.F) {
	for _, seed := range []string{"", "a,b", `a\,b`, `\054`, `\000`, `a\`, ",,"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, list string) {
		options, err := splitOptions(list)
		if err != nil {
			return
		}
		escape := strings.NewReplacer(`\`, `\\`, ",", `\,`)
		for i := range options {
			options[i] = escape.Replace(options[i])
		}
		again, err := splitOptions(strings.Join(options, ","))
		if err != nil {
			t.Fatal(err)
		}
		for i := range again {
			again[i] = escape.Replace(again[i])
		}
		if !slices.Equal(options, again) {
			t.Errorf("%q: %q, then %q", list, options, again)
		}
	})
}

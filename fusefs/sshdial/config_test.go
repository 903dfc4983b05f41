package sshdial

import (
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
)

// resolve evaluates config for remote, with SSHDir a new directory that holds
// files besides.
func resolve(t *testing.T, config, remote string, o Options, files ...string) (*Route, error) {
	t.Helper()
	if o.SSHDir == "" {
		o.SSHDir = t.TempDir()
	}
	if o.HomeDir == "" {
		o.HomeDir = "/home/me"
	}
	if o.LocalUser == "" {
		o.LocalUser = "me"
	}
	writeFile(t, o.SSHDir, "config", config)
	for i := 0; i+1 < len(files); i += 2 {
		writeFile(t, o.SSHDir, files[i], files[i+1])
	}
	target, err := ParseTarget(remote)
	if err != nil {
		t.Fatal(err)
	}
	return Resolve(target, o)
}

func mustResolve(t *testing.T, config, remote string, o Options, files ...string) *Route {
	t.Helper()
	r, err := resolve(t, config, remote, o, files...)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func (r *Route) last() *hop { return r.hops[len(r.hops)-1] }

func TestResolveAddress(t *testing.T) {
	const config = `
# a comment
Host=nas other # and another
	HostName "%h.example.com"
	Port = 2222
	User alice
Host *.lan !bad.lan
	User lan
Match host nas.example.com user alice
	ConnectTimeout 1m5s
Match originalhost other
	AddressFamily inet6
Match user bob
	ServerAliveInterval 7
	ServerAliveCountMax 3
Host *
	Port 22
	User fallback
`
	for _, c := range []struct {
		remote string
		o      Options
		want   string // user@host:port
	}{
		{remote: "nas", want: "alice@nas.example.com:2222"},
		{remote: "bob@nas", want: "bob@nas.example.com:2222"},
		{remote: "NAS", want: "alice@NAS.example.com:2222"},
		{remote: "a.lan", want: "lan@a.lan:22"},
		{remote: "bad.lan", want: "fallback@bad.lan:22"},
		{remote: "sftp://x:77/", want: "fallback@x:77"},
		{remote: "nas", o: Options{Port: 5, Overrides: []string{"user=carol", "Port 6", "HostName=h"}}, want: "carol@h:5"},
		{remote: "[fe80::1%eth0]", want: "fallback@[fe80::1%eth0]:22"},
		{remote: "[::1]", want: "fallback@[::1]:22"},
		{remote: "nas", o: Options{ConfigFiles: []string{"none"}}, want: "me@nas:22"},
	} {
		r := mustResolve(t, config, c.remote, c.o)
		if got := r.User + "@" + r.last().addr(); got != c.want {
			t.Errorf("%s %+v: %s; want %s", c.remote, c.o, got, c.want)
		}
	}
	if r := mustResolve(t, config, "nas", Options{}); r.ConnectTimeout != 65*time.Second {
		t.Errorf("Match host did not see the host name: %v", r.ConnectTimeout)
	}
	if r := mustResolve(t, config, "bob@other", Options{}); r.ServerAliveInterval != 7*time.Second || r.ServerAliveCountMax != 3 || r.last().network != "tcp6" {
		t.Errorf("Match user or originalhost: %+v", r)
	}
}

func TestResolveInclude(t *testing.T) {
	r := mustResolve(t, "Include conf.d/*.conf ~/.ssh/more /Users/someone/.ssh/mac\nHost nas\n Include inner\nHost other\n Include inner2\nHost *\n Port 9\n", "nas", Options{},
		"conf.d/1.conf", "Host nas\n HostName one\n", "conf.d/2.conf", "Host nas\n HostName two\n User u2\n",
		"more", "ServerAliveInterval 3\n", "mac", "ServerAliveCountMax 4\n",
		"inner", "Host *\n AddressFamily inet\n", "inner2", "Host *\n Port 1\n")
	if r.HostName != "one" || r.User != "u2" || r.ServerAliveInterval != 3*time.Second || r.ServerAliveCountMax != 4 || r.HostKeyName != "[one]:9" || r.last().network != "tcp4" || r.Port != 9 {
		t.Errorf("got %+v, network %s", r, r.last().network)
	}
	if _, err := resolve(t, "Include config\n", "nas", Options{}); err == nil {
		t.Error("a file that includes itself was accepted")
	}
	if _, err := resolve(t, "", "nas", Options{ConfigFiles: []string{"missing"}}); err == nil {
		t.Error("a named file that is missing was accepted")
	}
}

func TestResolvePaths(t *testing.T) {
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	t.Setenv("SOME_DIR", "/var/keys")
	r := mustResolve(t, `Host nas
 IdentityFile ~/.ssh/one
 IdentityFile /Users/alice/.ssh/two
 IdentityFile "%d/.ssh/three"
 IdentityFile ${HOME}/.ssh/four
 IdentityFile ~/keys/%r@%n_%p
 IdentityFile ${SOME_DIR}/five
 IdentityFile six
 IdentityFile ~alice/.ssh/seven
 IdentityFile /home/no-such-user/.ssh/eight
 IdentityFile ~/.ssh/one
 CertificateFile ~/.ssh/one-cert.pub
 UserKnownHostsFile ~/.ssh/kh /elsewhere/kh
 GlobalKnownHostsFile none
 IdentityAgent ~/.ssh/agent.sock
 User u
`, "nas", Options{SSHDir: dir, AgentSocket: "/agent", IdentityFiles: []string{"/Users/bob/.ssh/zero"}})
	h := r.last()
	var got []string
	for _, id := range h.identities {
		got = append(got, id.path)
	}
	want := []string{in("zero"), in("one"), in("two"), in("three"), in("four"), "/home/me/keys/u@nas_22", "/var/keys/five", in("six"), in("seven"), in("eight")}
	if !slices.Equal(got, want) {
		t.Errorf("identities %q\nwant %q", got, want)
	}
	if !slices.Equal(h.certificates, []string{in("one-cert.pub")}) || !slices.Equal(h.knownHosts, []string{in("kh"), "/elsewhere/kh"}) {
		t.Errorf("certificates %q, known hosts %q", h.certificates, h.knownHosts)
	}
	if h.agentSocket != in("agent.sock") || h.agentSocketOtherwise != "/agent" {
		t.Errorf("agent %q, otherwise %q", h.agentSocket, h.agentSocketOtherwise)
	}
	if h = mustResolve(t, "IdentityAgent none\nIdentityFile none\n", "nas", Options{AgentSocket: "/agent"}).last(); h.agentSocket != "" || len(h.identities) != 0 {
		t.Errorf("none is not none: %+v", h)
	}
	if h = mustResolve(t, "IdentityAgent SSH_AUTH_SOCK\n", "nas", Options{AgentSocket: "/agent"}).last(); h.agentSocket != "/agent" || len(h.identities) != len(usualIdentities) {
		t.Errorf("defaults: %+v", h)
	}
}

func TestResolveRefusesByName(t *testing.T) {
	for config, want := range map[string]string{
		"ProxyCommand nc %h %p":                    "ProxyCommand",
		"ProxyCommand ssh jump nc %h %p":           "ProxyCommand",
		"ProxyCommand ssh -F x -W %h:%p jump":      "ProxyCommand",
		"ProxyCommand ssh -W other:22 jump":        "ProxyCommand",
		"Match exec \"true\"\n User x":             "Match exec",
		"Match host nas localnetwork 10.0.0.0/8":   "Match localnetwork",
		"KnownHostsCommand /bin/keys":              "KnownHostsCommand",
		"CanonicalizeHostname yes":                 "CanonicalizeHostname",
		"ProxyUseFdpass yes":                       "ProxyUseFdpass",
		"BindInterface eth0":                       "BindInterface",
		"Host nas\n KnownHostsCommand x\nHost *\n": "config:2",
	} {
		_, err := resolve(t, config, "nas", Options{})
		var u *UnsupportedError
		if !errors.As(err, &u) || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v; want an UnsupportedError with %q", config, err, want)
		}
	}
	for _, config := range []string{
		"Match host other exec \"true\"\n User x",
		"Host other\n KnownHostsCommand x\n ProxyCommand y\nMatch exec z user nobody",
		"KnownHostsCommand none\nProxyCommand none\nCanonicalizeHostname no\nProxyUseFdpass no",
		"ProxyJump none\nProxyCommand nc",
	} {
		if _, err := resolve(t, config, "nas", Options{}); err != nil {
			t.Errorf("%q: %v", config, err)
		}
	}
	for _, config := range []string{
		"Port x", "Port 0", "Port 70000", "ConnectTimeout x", "User", "User \"x", "Match", "Match host", "Match nonsense x",
		"HostName %z", "HostName -x", "HostName *", "HostKeyAlias *", "HostKeyAlias |x", "IdentityFile %z", "IdentityFile ${NO_SUCH_VARIABLE_HERE}", "StrictHostKeyChecking maybe",
		"Ciphers 3des-cbc", "KexAlgorithms diffie-hellman-group1-sha1", "MACs hmac-sha1", "HostKeyAlgorithms ssh-rsa,ssh-dss",
		"AddressFamily ipx", "BatchMode perhaps", "ProxyJump a:b:c", "ProxyJump @", "RefuseConnection \"not today\"", "ProxyJump nas",
	} {
		if _, err := resolve(t, config, "nas", Options{}); err == nil {
			t.Errorf("%q was accepted", config)
		} else if strings.Contains(config, "Port x") && !strings.Contains(err.Error(), "config:1") {
			t.Errorf("%q: the error does not say where: %v", config, err)
		}
	}
	for _, option := range []string{"NoSuchOption=1", "", "Host=x", "Port"} {
		if _, err := resolve(t, "", "nas", Options{Overrides: []string{option}}); err == nil {
			t.Errorf("option %q was accepted", option)
		}
	}
}

func TestResolveNotes(t *testing.T) {
	r := mustResolve(t, "UseKeychain yes\nForwardAgent no\nSomethingNew 1\nStrictHostKeyChecking no\nCiphers aes128-ctr,3des-cbc\nSendEnv LANG\nHost other\n ControlMaster auto\n", "nas", Options{Overrides: []string{"Compression=yes"}})
	all := strings.Join(r.Notes, "\n")
	for _, want := range []string{"UseKeychain", "SomethingNew", "accept-new", "3des-cbc", "SendEnv", "Compression"} {
		if !strings.Contains(all, want) {
			t.Errorf("no note of %s in:\n%s", want, all)
		}
	}
	if strings.Contains(all, "ForwardAgent") || strings.Contains(all, "ControlMaster") {
		t.Errorf("notes of what has no effect anyway:\n%s", all)
	}
}

func TestResolveJumps(t *testing.T) {
	const config = `
Host inner
 ProxyJump bob@outer:2201,middle
Host middle
 HostName 10.0.0.2
 User mallory
 ProxyJump never
Host old
 ProxyCommand exec ssh -q -A -p 2202 -l carol -i ~/.ssh/jump -o ServerAliveInterval=3 -W %h:%p outer 2>/dev/null
Host old2
 ProxyCommand=/usr/bin/ssh -qW [%h]:%p dave@outer
Host token
 ProxyJump %r@gate-%h
Host outer
 Port 2200
Host circle
 ProxyJump circle2
Host circle2
 ProxyJump circle
Match final host 10.*
 ServerAliveCountMax 9
`
	for _, c := range []struct {
		remote string
		o      Options
		want   string
	}{
		{remote: "inner", want: "bob@outer:2201 mallory@10.0.0.2:22 me@inner:22"},
		{remote: "old", want: "carol@outer:2202 me@old:22"},
		{remote: "old2", want: "dave@outer:2200 me@old2:22"},
		{remote: "u@token", want: "u@gate-token:22 u@token:22"},
		{remote: "inner", o: Options{ProxyJump: "none"}, want: "me@inner:22"},
		{remote: "inner", o: Options{ProxyJump: "ssh://x@y:1,[::1]:2", Port: 3, Overrides: []string{"User=z"}}, want: "x@y:1 me@[::1]:2 z@inner:3"},
	} {
		r := mustResolve(t, config, c.remote, c.o)
		var got []string
		for _, h := range r.hops {
			got = append(got, h.user+"@"+h.addr())
		}
		if s := strings.Join(got, " "); s != c.want {
			t.Errorf("%s: %s; want %s", c.remote, s, c.want)
		}
	}
	r := mustResolve(t, config, "old", Options{IdentityFiles: []string{"mine"}})
	if h := r.hops[0]; len(h.identities) != 1 || filepath.Base(h.identities[0].path) != "jump" || h.aliveInterval != 3*time.Second {
		t.Errorf("the jump's own options: %+v", h)
	}
	if r = mustResolve(t, config, "middle", Options{ProxyJump: "none"}); r.ServerAliveCountMax != 9 {
		t.Errorf("Match final did not see the host name")
	}
	if _, err := resolve(t, config, "circle", Options{}); err == nil || !strings.Contains(err.Error(), "circle") {
		t.Errorf("a circle of jump hosts: %v", err)
	}
}

func TestAlgorithms(t *testing.T) {
	def := defaultAlgorithms(true)
	if def.ciphers[0] != ssh.CipherAES128GCM || defaultAlgorithms(false).ciphers[0] != ssh.CipherChaCha20Poly1305 {
		t.Errorf("the fastest cipher is not first: %v", def.ciphers)
	}
	for _, list := range [][]string{def.ciphers, def.kex, def.macs, def.hostKeys, def.caSignatures, def.publicKeys} {
		for _, a := range list {
			if strings.Contains(a, "sha1") || strings.Contains(a, "cbc") || strings.Contains(a, "dss") || a == ssh.KeyAlgoRSA || strings.HasPrefix(a, "ssh-rsa-cert") {
				t.Errorf("%s is offered", a)
			}
		}
	}
	for spec, want := range map[string]string{
		"c,a":    "c,a,",
		"+x":     "a,b,c,",
		"-b,c":   "a,",
		"^c":     "c,a,b,",
		"^b,x,a": "b,a,c,",
		"-?":     "",
		"x":      "",
	} {
		got, _, err := chooseAlgorithms([]string{"a", "b", "c"}, spec)
		if (err != nil) != (want == "") || want != "" && strings.Join(got, ",")+"," != want {
			t.Errorf("%s: %v, %v; want %s", spec, got, err, want)
		}
	}
}

func FuzzConfig(f *testing.F) {
	for _, s := range []string{
		"Host a\n Port 1\n", "Match host a,!b user c\nUser x", "ProxyJump a,b:2", "ProxyCommand ssh -W %h:%p x", "Ciphers ^aes*",
		"IdentityFile \"a b\" # c", "HostName %%%h", "Host \"", "Port=\\\"1", "Match all\nMatch final\nUser a", "ConnectTimeout 1w2d",
	} {
		f.Add(s)
	}
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, text string) {
		e := newEvaluator("a", "me", paths{sshDir: dir, home: dir, localUser: "me"})
		if strings.Contains(strings.ToLower(text), "include") || e.readText(text, "config", 0, true) != nil {
			return
		}
		h, err := newHop(e, Options{SSHDir: dir})
		if err != nil {
			return
		}
		if err := (Target{User: h.user, Host: h.hostName}).check(); err != nil || h.port < 1 || h.port > 65535 || h.connectTimeout <= 0 {
			t.Errorf("%q gives %+v: %v", text, h, err)
		}
		_, _ = e.jumps(h)
	})
}

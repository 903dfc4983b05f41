package docker

import (
	"flag"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the goldens and compose.yaml anew")

func golden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("differs from %s (go test -update writes it anew):\n%s", file, diff)
	}
}

// odd has everything that needs quoting somewhere.
func odd() Appliance {
	a := Default(Privileged)
	a.Name, a.Detach, a.Keep, a.Remove = "o'dd", false, false, true
	a.SSHDir, a.Volume = "/home/a b/.ssh", "/srv/state"
	a.Env = []string{"SSHFS_BRIDGE_REMOTE=alice@nas:/$HOME/it's"}
	a.Command = []string{"demo", "--check"}
	a.Ports = []Port{{Host: netip.MustParseAddrPort("[::1]:10139"), Container: 139}}
	return a
}

func TestGoldens(t *testing.T) {
	for name, a := range map[string]Appliance{"hardened": Default(Hardened), "privileged": Default(Privileged), "odd": odd()} {
		t.Run(name, func(t *testing.T) {
			line, err := a.CommandLine()
			if err != nil {
				t.Fatal(err)
			}
			golden(t, filepath.Join("testdata", name+".sh"), line+"\n")
			file, err := a.Compose()
			if err != nil {
				t.Fatal(err)
			}
			if name == "hardened" {
				golden(t, "compose.yaml", string(file))
			} else {
				golden(t, filepath.Join("testdata", name+".yaml"), string(file))
			}
		})
	}
}

// TestCommandLine_isArgs: a shell makes of the line what Args says.
func TestCommandLine_isArgs(t *testing.T) {
	for _, a := range []Appliance{Default(Hardened), Default(Privileged), odd()} {
		line, err := a.CommandLine()
		if err != nil {
			t.Fatal(err)
		}
		want, err := a.Args()
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command("sh", "-c", `docker() { printf '%s\0' "$@"; }; `+line)
		cmd.Env = []string{"HOME=/home/me"}
		out, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		got := strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00")
		for i := range want {
			if strings.HasPrefix(want[i], "~/") {
				got[i] = strings.Replace(got[i], "/home/me/", "~/", 1) // some shells resolve it here, all of them in a terminal
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s\n%s", line, diff)
		}
	}
}

// TestCompose_isYAML: what was written reads back, and no value is a variable.
func TestCompose_isYAML(t *testing.T) {
	a := odd()
	data, err := a.Compose()
	if err != nil {
		t.Fatal(err)
	}
	var f composeFile
	if err := yaml.UnmarshalWithOptions(data, &f, yaml.Strict()); err != nil {
		t.Fatal(err)
	}
	s, ok := f.Services[a.Name]
	if !ok || s.Environment[0] != strings.ReplaceAll(a.Env[0], "$", "$$") || s.Volumes[0] != "/home/a b/.ssh:/ssh:ro" || s.Ports[0] != "[::1]:10139:139" {
		t.Errorf("reads back as %+v", f)
	}
	if f.Volumes != nil {
		t.Errorf("a directory is not a volume: %v", f.Volumes)
	}
}

// TestHardened_hasNoMore: the profile that is meant for everyday use asks for
// no right beyond the list.
func TestHardened_hasNoMore(t *testing.T) {
	args, err := Default(Hardened).Args()
	if err != nil {
		t.Fatal(err)
	}
	var caps []string
	for i, arg := range args {
		switch arg {
		case "--privileged", "--network", "--pid", "--ipc", "--userns":
			t.Errorf("asks for %s", arg)
		case "--cap-add":
			caps = append(caps, args[i+1])
		}
	}
	if i := slices.Index(args, "--cap-drop"); i < 0 || args[i+1] != "ALL" {
		t.Error("keeps Docker's own capabilities")
	}
	var want []string
	for _, c := range Capabilities() {
		if c.Why == "" {
			t.Errorf("%s has no reason", c.Name)
		}
		want = append(want, c.Name)
	}
	if !slices.Equal(caps, want) {
		t.Errorf("capabilities %q, want %q", caps, want)
	}
	if !slices.Contains(args, "--read-only") || !slices.Contains(args, "no-new-privileges:true") {
		t.Errorf("not hardened: %q", args)
	}
}

func TestValidate(t *testing.T) {
	a := Appliance{
		Ports:  []Port{{Host: netip.MustParseAddrPort("0.0.0.0:445"), Container: 445}, {Host: netip.MustParseAddrPort("127.0.0.1:0")}},
		SSHDir: "ssh", Volume: "a:b", Keep: true, Remove: true, Env: []string{"=x"},
	}
	err := a.Validate()
	if err == nil {
		t.Fatal("accepted")
	}
	for _, want := range []string{"image", "ports[0]", "ports[1]: 127", "ports[1]: has", "ssh_dir, volume", "ssh_dir: ", "keep, remove", "env[0]"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("does not mention %s:\n%v", want, err)
		}
	}
	if _, err := a.Args(); err == nil {
		t.Error("Args accepted it")
	}
	if _, err := a.Compose(); err == nil {
		t.Error("Compose accepted it")
	}
}

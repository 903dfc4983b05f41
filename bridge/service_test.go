package bridge

import (
	"errors"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sshfs-bridge/bridge/api"
	"sshfs-bridge/e2e/testenv"
)

var update = flag.Bool("update", false, "write golden files anew")

func TestServiceUnit_golden(t *testing.T) {
	got, err := ServiceUnit(ServiceOptions{Exe: "/usr/local/bin/sshfs-bridge", Config: "/etc/sshfs-bridge/my %n.yaml", User: "root"})
	if err != nil {
		t.Fatal(err)
	}
	golden := filepath.Join("testdata", "sshfs-bridge.service")
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("the unit changed (go test ./bridge -run ServiceUnit -update):\n%s", diff)
	}
}

// namespaced are the settings that give a service a mount namespace of its own
// (systemd.exec(5)); one of them, and no mount is seen outside.
var namespaced = []string{
	"PrivateMounts", "PrivateTmp", "PrivateDevices", "PrivateIPC", "ProtectSystem", "ProtectHome", "ProtectProc", "ProcSubset",
	"ProtectKernelTunables", "ProtectKernelModules", "ProtectKernelLogs", "ProtectControlGroups", "ReadWritePaths", "ReadOnlyPaths",
	"InaccessiblePaths", "ExecPaths", "NoExecPaths", "BindPaths", "BindReadOnlyPaths", "TemporaryFileSystem", "MountFlags",
	"MountImages", "ExtensionImages", "ExtensionDirectories", "RootDirectory", "RootImage", "LogNamespace", "DynamicUser",
	"MountAPIVFS", "PrivateNetwork", "NetworkNamespacePath",
}

func TestServiceUnit_makesNoMountNamespace(t *testing.T) {
	unit, err := ServiceUnit(ServiceOptions{Exe: "/usr/bin/sshfs-bridge"})
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(unit) {
		for _, name := range namespaced {
			if strings.HasPrefix(line, name+"=") {
				t.Errorf("%q hides every mount", strings.TrimSpace(line))
			}
		}
	}
}

func TestServiceUnit_systemdUnderstandsIt(t *testing.T) {
	testenv.Require(t, "systemd-analyze")
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	spaced := filepath.Join(t.TempDir(), "my 100% program;")
	if err := os.Symlink(exe, spaced); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{exe, spaced} {
		unit, err := ServiceUnit(ServiceOptions{Exe: path, Config: `/it's 100% "$odd" \ #;`, User: "root"})
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(t.TempDir(), "sshfs-bridge.service")
		if err := os.WriteFile(file, []byte(unit), 0o644); err != nil {
			t.Fatal(err)
		}
		out, err := exec.CommandContext(t.Context(), "systemd-analyze", "verify", "--man=no", "--generators=no", "--recursive-errors=no", file).CombinedOutput()
		if err != nil || strings.Contains(string(out), "sshfs-bridge.service") {
			t.Errorf("systemd-analyze verify: %v\n%s", err, out)
		}
		if path == spaced {
			continue
		}
		// 9.6 is a service without any hardening; below 5 is called "OK" and
		// better. What is left is root, SYS_ADMIN and the file system, which
		// mounting needs.
		out, err = exec.CommandContext(t.Context(), "systemd-analyze", "security", "--offline=yes", "--threshold=55", file).CombinedOutput()
		if err != nil {
			t.Errorf("systemd-analyze security: %v\n%s", err, out)
		}
		lines := strings.Split(strings.TrimSpace(string(out)), "\n")
		t.Log(lines[len(lines)-1])
	}
}

func TestServiceUnit_refusesWhatCannotStandInIt(t *testing.T) {
	for _, o := range []ServiceOptions{
		{Exe: "relative"}, {Exe: "/x", Config: "relative"}, {Exe: "/x\ny"}, {Exe: `/"x"`}, {Exe: "/x", Config: "/a{{b}}"}, {Exe: "/x", User: "no such user"},
	} {
		var e *api.Error
		if unit, err := ServiceUnit(o); !errors.As(err, &e) || e.Code != api.CodeInvalid {
			t.Errorf("%+v: %v\n%s", o, err, unit)
		}
	}
}

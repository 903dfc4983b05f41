package e2e

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"sshfs-bridge/e2e/testenv"
)

// diagnosis is what `doctor --json` prints.
type diagnosis struct {
	OK       bool `json:"ok"`
	Findings []struct {
		Check, Verdict, Finding, Remedy string
	} `json:"findings"`
}

// patient is a machine, or a remote, with one thing wrong.
type patient struct {
	name   string
	config string   // further lines of the configuration
	before string   // shell commands, in a mount namespace of doctor's own
	under  []string // what doctor is run by
	args   []string
	check  string // which check finds it
	says   string // part of the finding
	remedy string // part of the remedy
	note   bool   // it is no fault: exit code 0
}

// diagnose runs the doctor on a patient. dir is replaced in its commands.
func (p patient) diagnose(t *testing.T, dir string, asJSON bool) (stdout string, code int) {
	t.Helper()
	file := filepath.Join(dir, "config.yaml")
	writeFile(t, file, fmt.Sprintf("run_dir: %[1]s/run\nstate_dir: %[1]s/state\nhub: %[1]s/hub\nssh_dir: %[1]s/ssh\n%s", dir, p.config))
	for _, d := range []string{"run", "state", "ssh"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	argv := append([]string{}, p.under...)
	if p.before != "" {
		argv = append(argv, "unshare", "--mount", "sh", "-ec", strings.ReplaceAll(p.before, "DIR", dir)+"\n"+`exec "$0" "$@"`)
	}
	argv = append(argv, binary, "doctor", "--config", file, "--socket", filepath.Join(dir, "nobody"))
	if asJSON {
		argv = append(argv, "--json")
	}
	stdout, stderr, code := testenv.Run(t, os.Environ(), append(argv, p.args...)...)
	if strings.Contains(stderr, "sshfs-bridge:") {
		t.Errorf("doctor itself failed: %s", stderr)
	}
	return stdout, code
}

// Every fault that the doctor knows is injected for real: it names it, says what to
// do about it, and its exit code is 5.
func TestDoctor_findsEachFault(t *testing.T) {
	testenv.Require(t, "root", "fuse", "smbd", "sshd", "unshare", "setpriv")
	const noSMB = "smb: {enabled: false}\n"
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	_, busyPort, _ := net.SplitHostPort(busy.Addr().String())

	plain := testenv.StartSSHD(t, testenv.SSHDOptions{})
	changed := testenv.StartSSHD(t, testenv.SSHDOptions{})
	changed.Stop()
	changed.NewHostKeys()
	changed.Start()
	asks := testenv.StartSSHD(t, testenv.SSHDOptions{Password: true})
	noSFTP := testenv.StartSSHD(t, testenv.SSHDOptions{NoSFTP: true})
	bare := testenv.StartSSHD(t, testenv.SSHDOptions{SFTPArgs: []string{"-P", "posix-rename,fsync,statvfs,copy-data"}})
	refuses := testenv.StartSSHD(t, testenv.SSHDOptions{})
	stranger := filepath.Join(t.TempDir(), "id")
	testenv.RunOK(t, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", stranger)
	remote := func(s *testenv.SSHD, more ...string) []string {
		return append([]string{"--ssh-dir", s.SSHDir}, append(more, s.Remote(s.HomeSeen))...)
	}

	folders := testenv.StartSSHD(t, testenv.SSHDOptions{User: "nobody"})
	testenv.RunOK(t, "sh", "-ec", `cd "$1"; touch file; mkdir -m 755 -p secret/deep; chmod 700 secret`, "sh", folders.Home)
	folder := func(name string) []string {
		return []string{"--ssh-dir", folders.SSHDir, folders.Remote(filepath.Join(folders.Home, name))}
	}

	for _, p := range []patient{
		{name: "nothing is wrong", config: noSMB, args: remote(plain), check: "remote", says: "every extension", note: true},
		{name: "nothing is wrong with the folder", config: noSMB, args: remote(plain), check: "remote", says: plain.HomeSeen + " is a folder of root:root, mode 0755", note: true},
		{name: "no /dev/fuse", config: noSMB, check: "/dev/fuse", says: "no /dev/fuse here", remedy: "--device /dev/fuse",
			before: "mkdir DIR/dev; mount -t tmpfs none DIR/dev; touch DIR/dev/null; mount --bind /dev/null DIR/dev/null; mount --move DIR/dev /dev"},
		{name: "another /dev/fuse", config: noSMB, check: "/dev/fuse", says: "something else", remedy: "mknod", before: "mount --bind /dev/null /dev/fuse"},
		{name: "no right to /dev/fuse", config: noSMB, check: "/dev/fuse", says: "ermission", remedy: "run as root",
			before: "touch DIR/f; mount --bind DIR/f /dev/fuse; chmod 0 /dev/fuse",
			under:  []string{"setpriv", "--bounding-set", "-dac_override,-dac_read_search", "--inh-caps", "-dac_override,-dac_read_search"}},
		{name: "no SYS_ADMIN", config: noSMB, check: "capabilities", says: "SYS_ADMIN", remedy: "--cap-add SYS_ADMIN",
			under: []string{"setpriv", "--bounding-set", "-sys_admin", "--inh-caps", "-sys_admin"}},
		{name: "no KILL", config: noSMB, check: "capabilities", says: "missing: KILL", remedy: "--cap-add",
			under: []string{"setpriv", "--bounding-set", "-kill", "--inh-caps", "-kill"}},
		{name: "no smbd", config: "smb: {program: /nonexistent/smbd}\n", check: "smbd", says: "/nonexistent/smbd", remedy: "apt-get install samba"},
		{name: "a port that is taken", config: "smb: {ports: [" + busyPort + "], interfaces: [127.0.0.1]}\n", check: "port 127.0.0.1:" + busyPort, says: "in use", remedy: "smb.ports"},
		{name: "an account that is not there", config: "uid: 54321\n", check: "smbd", says: "54321", remedy: "choose an account"},
		{name: "a wrong configuration", config: noSMB + "colour: red\n", check: "configuration", says: "colour", remedy: "config check"},
		{name: "a read-only state directory", config: noSMB, check: "state directory", says: "read-only", remedy: "--state-dir", before: "mount -t tmpfs -o ro none DIR/state"},
		{name: "a full state directory", config: noSMB, check: "state directory", says: "is full", remedy: "make room",
			before: "mount -t tmpfs -o size=16k none DIR/state; dd if=/dev/zero of=DIR/state/f 2>/dev/null || true"},
		{name: "no SSH directory", config: noSMB, args: []string{"--ssh-dir", "/nonexistent"}, check: "SSH directory", says: "cannot be read", remedy: "-v ~/.ssh:/ssh:ro", note: true},
		{name: "an unknown host", config: noSMB, args: []string{"root@host.invalid:/"}, check: "remote", says: "host.invalid", remedy: "host's name"},
		{name: "nobody listens", config: noSMB, args: []string{fmt.Sprintf("sftp://root@127.0.0.1:%d/", testenv.FreePort(t))}, check: "remote", says: "refused", remedy: "the port"},
		{name: "a malformed remote", config: noSMB, args: []string{"alice@:/x"}, check: "remote", says: "no host", remedy: "[USER@]HOST[:PATH]"},
		{name: "a changed host key", config: noSMB, args: remote(changed), check: "remote", says: "SHA256:", remedy: "known_hosts"},
		{name: "a refused login", config: noSMB + fmt.Sprintf("mounts:\n  m: {remote: '%s', identity_files: [%s], ssh_options: [IdentitiesOnly=yes, IdentityAgent=none]}\n", fmt.Sprintf("sftp://root@127.0.0.1:%d/", refuses.Port), stranger), check: "remote", says: "root", remedy: "key"},
		{name: "a password that nobody typed", config: noSMB, args: remote(asks), check: "remote", says: "", remedy: "on a terminal"},
		{name: "no SFTP service", config: noSMB, args: remote(noSFTP), check: "remote", says: "SFTP", remedy: "Subsystem sftp"},
		{name: "a folder that is not there", config: noSMB, args: folder("none"), check: "remote", says: "none is not there", remedy: "make this one"},
		{name: "a file", config: noSMB, args: folder("file"), check: "remote", says: "file is no folder", remedy: "folder that it is in"},
		{name: "a folder that may not be read", config: noSMB, args: folder("secret"), check: "remote", says: "secret is a folder of root:root, mode 0700: nobody may not look into it", remedy: "let nobody read and enter it"},
		{name: "a folder that may not be reached", config: noSMB, args: folder("secret/deep"), check: "remote", says: "nobody may not get at", remedy: "enter the folders above it"},
		{name: "no extensions", config: noSMB, args: remote(bare), check: "remote", says: "lacks", note: true},
	} {
		t.Run(p.name, func(t *testing.T) {
			stdout, code := p.diagnose(t, testenv.PublicDir(t, ""), true)
			want := 5
			if p.note {
				want = 0
			}
			var d diagnosis
			if err := json.Unmarshal([]byte(stdout), &d); err != nil {
				t.Fatalf("exit %d: %v\n%s", code, err, stdout)
			}
			if code != want || d.OK != p.note {
				t.Errorf("exit %d, want %d", code, want)
			}
			found := false
			for _, f := range d.Findings {
				if f.Verdict == "FAIL" && f.Remedy == "" {
					t.Errorf("%s: no remedy for %q", f.Check, f.Finding)
				}
				found = found || strings.HasPrefix(f.Check, p.check) && (f.Verdict == "FAIL") != p.note &&
					strings.Contains(f.Finding, p.says) && strings.Contains(f.Remedy, p.remedy)
			}
			if !found {
				t.Errorf("not found:\n%s", stdout)
			}
		})
	}
}

// What the doctor says of a supervisor that runs: what is up, what is not, and why.
func TestDoctor_besideARunningSupervisor(t *testing.T) {
	sshd := testenv.StartSSHD(t, testenv.SSHDOptions{})
	b := startBridge(t, bridgeOptions{SSHDir: sshd.SSHDir})
	b.ok("mount", sshd.Remote(sshd.HomeSeen), "files")
	stdout, _, code := b.run("doctor", "--config", b.config)
	if code != 0 || !strings.Contains(stdout, "mount files") || strings.Contains(stdout, "FAIL") {
		t.Errorf("all is well: exit %d\n%s", code, stdout)
	}
	sshd.Stop()
	if err := syscall.Kill(b.status("files").WorkerPID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	b.eventually(20*time.Second, "the mount is degraded", func() error {
		if st := b.status("files"); st.State != "degraded" {
			return fmt.Errorf("%s", st.State)
		}
		return nil
	})
	stdout, _, code = b.run("doctor", "--config", b.config)
	if code != 5 || !strings.Contains(stdout, "FAIL") || !strings.Contains(stdout, "refused") || !strings.Contains(stdout, "tried again by itself") {
		t.Errorf("the server is away: exit %d\n%s", code, stdout)
	}
}

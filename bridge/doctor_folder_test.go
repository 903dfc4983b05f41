package bridge

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"sshfs-bridge/bridge/client"
	"sshfs-bridge/e2e/testenv"
	"sshfs-bridge/fusefs/sftp"
)

// folderOf is what the doctor finds last at a remote.
func folderOf(t *testing.T, sshd *testenv.SSHD, path string) Finding {
	t.Helper()
	c := testConfig(t)
	c.SSHDir = sshd.SSHDir
	fs := Diagnose(t.Context(), DiagnoseOptions{Config: c, Client: &client.Client{Socket: c.ControlSocket()}, Remotes: []string{sshd.Remote(path)}})
	return fs[len(fs)-1]
}

// The doctor says whose folder a remote is, or why a mount of it would be of no use.
func TestFolder(t *testing.T) {
	testenv.Require(t, "root", "sshd", "unshare")
	sshd := testenv.StartSSHD(t, testenv.SSHDOptions{User: testenv.SSHDAccount})
	home, me := sshd.Home, testenv.SSHDAccount
	folder := func(path string, mode os.FileMode, owner int) {
		t.Helper()
		path = filepath.Join(home, path)
		if err := os.MkdirAll(path, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Chown(path, owner, owner); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
	}
	folder("mine", 0o755|os.ModeSetgid, testenv.SSHDUID)
	folder("nobody's", 0o555, 54321)
	folder("secret/deep", 0o755, 0)
	folder("secret", 0o700, 0)
	folder("unlisted", 0o711, 0)
	folder("closed", 0o744, 0) // its names can be read, and nothing of what they name
	folder("odd\x1b[31m", 0o755, 0)
	if err := os.WriteFile(filepath.Join(home, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for link, to := range map[string]string{"link": "mine", "dangling": "nowhere"} {
		if err := os.Symlink(to, filepath.Join(home, link)); err != nil {
			t.Fatal(err)
		}
	}
	for path, want := range map[string]Finding{
		"":                 {Finding: home + " is a folder of root:root, mode 0777"},
		"~":                {Finding: home + " is a folder of root:root, mode 0777"},
		"/":                {Finding: fmt.Sprintf("/ is a folder of root:root, mode %04o", modeOf(t, "/"))},
		"mine":             {Finding: home + "/mine is a folder of " + me + ":4242, mode 2755"},
		"~/mine/":          {Finding: home + "/mine is a folder of " + me + ":4242, mode 2755"},
		"~" + me + "/mine": {Finding: home + "/mine is a folder of " + me + ":4242, mode 2755"},
		home + "/link":     {Finding: home + "/link is a folder of " + me + ":4242, mode 2755"},
		"nobody's":         {Finding: home + "/nobody's is a folder of 54321:54321, mode 0555"},
		"odd\x1b[31m":      {Finding: `"` + home + `/odd\x1b[31m" is a folder of root:root, mode 0755`},
		"none":             {Finding: home + "/none is not there", Remedy: "name a folder that is there"},
		"dangling":         {Finding: "is not there", Remedy: "name a folder that is there"},
		"file/x":           {Finding: "file/x is not there", Remedy: "name a folder that is there"},
		"~nosuchuser/x":    {Finding: `"~nosuchuser/x"`, Remedy: "write the path from / on"},
		"file":             {Finding: home + "/file is no folder", Remedy: "name the folder that it is in"},
		"secret":           {Finding: home + "/secret is a folder of root:root, mode 0700: " + me + " may not look into it", Remedy: "let " + me + " read and enter it"},
		"unlisted":         {Finding: home + "/unlisted is a folder of root:root, mode 0711: " + me + " may not look into it", Remedy: "let " + me + " read and enter it"},
		"closed":           {Finding: home + "/closed is a folder of root:root, mode 0744: " + me + " may not look into it", Remedy: "let " + me + " read and enter it"},
		"secret/deep":      {Finding: me + " may not get at ", Remedy: "let " + me + " enter the folders above it"},
	} {
		got := folderOf(t, sshd, path)
		want.Verdict = VerdictOK
		says := got.Finding == want.Finding
		if want.Remedy != "" {
			want.Verdict = VerdictFail
			says = strings.Contains(got.Finding, want.Finding)
		}
		if got.Verdict != want.Verdict || !says || !strings.Contains(got.Remedy, want.Remedy) {
			t.Errorf("%q: %+v\nwant %+v", path, got, want)
		}
	}
}

func modeOf(t *testing.T, path string) uint32 {
	t.Helper()
	var st syscall.Stat_t
	if err := syscall.Stat(path, &st); err != nil {
		t.Fatal(err)
	}
	return st.Mode & 0o7777
}

// It costs two round trips, and changes nothing; a server without names has numbers.
func TestFolder_costs(t *testing.T) {
	for name, tc := range map[string]struct {
		without []string
		owner   string
		asked   int
	}{
		"names":   {nil, "root:root", 1},
		"numbers": {[]string{sftp.ExtUsersGroupsByID}, "0:0", 0},
	} {
		t.Run(name, func(t *testing.T) {
			testenv.Require(t, "root")
			dir := t.TempDir()
			synctest.Test(t, func(t *testing.T) {
				s := testenv.NewCountServer(t, testenv.CountOptions{Dir: dir, Delay: 20 * time.Millisecond, Without: tc.without})
				c, err := sftp.New(t.Context(), s.Connect(), sftp.Options{})
				if err != nil {
					t.Fatal(err)
				}
				defer c.Close()
				var got Finding
				cost := s.Rounds(func() { got = checkFolder(t.Context(), "remote x", c, "alice", dir) })
				if want := dir + " is a folder of " + tc.owner + ", mode 0755"; got.Verdict != VerdictOK || got.Finding != want {
					t.Errorf("%+v, want %q", got, want)
				}
				if cost.Depth != 2 {
					t.Errorf("%d round trips, want 2", cost.Depth)
				}
				time.Sleep(time.Second) // the close, which nobody waits for, arrives
				want := map[string]int{"realpath": 1, "stat": 1, "opendir": 1, "readdir": 1, "close": 1}
				if tc.asked > 0 {
					want["users-groups-by-id"] = tc.asked
				}
				if diff := cmp.Diff(want, s.Counted().Requests); diff != "" {
					t.Errorf("requests (-want +got):\n%s", diff)
				}
			})
		})
	}
}

// What a server says of names is shown so that no terminal trips over it.
func TestFolder_hostileNames(t *testing.T) {
	for name, want := range map[string]string{
		"":             "7",
		"media":        "media",
		`EXAMPLE\jörg`: `EXAMPLE\jörg`,
		"\x1b[2J":      `"\x1b[2J"`,
		"a\nok":        `"a\nok"`,
		"\xff":         `"\xff"`,
		"\u202egnp":    `"\u202egnp"`,
	} {
		if got := nameOr([]string{name}, 7); got != want {
			t.Errorf("%q: %s, want %s", name, got, want)
		}
	}
	if got := nameOr([]string{strings.Repeat("n", 200_000)}, 7); len(got) > 4096 {
		t.Errorf("%d bytes of a name", len(got))
	}
}

package e2e

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hirochachacha/go-smb2"

	"sshfs-bridge/bridge/api"
	"sshfs-bridge/e2e/testenv"
)

// TestSharesWithAPassword: with `auth: password` a password is made and shown once,
// a guest gets nowhere, and a command changes it while clients go on.
func TestSharesWithAPassword(t *testing.T) {
	testenv.Require(t, "smbclient")
	t.Parallel()
	sshd := testenv.StartSSHD(t, testenv.SSHDOptions{})
	writeFile(t, filepath.Join(sshd.Home, "hello"), "there")
	b := startBridge(t, bridgeOptions{SSHDir: sshd.SSHDir, Config: "  auth: password\n"})
	out := b.ok("mount", sshd.Remote(sshd.HomeSeen), "files")
	shown := regexp.MustCompile(`The shares' user is (\S+), the password (\S+)`).FindAllStringSubmatch(b.log.String(), -1)
	if len(shown) != 1 {
		t.Fatalf("the password was shown %d times", len(shown))
	}
	user, first := shown[0][1], shown[0][2]
	if len(first) < 20 {
		t.Errorf("the password has %d characters", len(first))
	}
	if url := fmt.Sprintf("smb://%s@127.0.0.1:%d/files", user, b.Port); !strings.Contains(out, url) {
		t.Errorf("mount does not print the URL %s:\n%s", url, out)
	}

	held := b.shareAs(user, first, "files")
	f, err := held.Create("held open")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	refused := func(user, password string) {
		t.Helper()
		if _, err := b.dialShareAs(user, password, "files"); err == nil {
			t.Errorf("%q gets in with %q", user, password)
		}
	}
	for _, who := range []string{"guest", "", "nobody", user} {
		refused(who, "")
		refused(who, "wrong")
	}
	if out, code := b.smbclient("files", "ls"); code == 0 || !strings.Contains(out, "NT_STATUS_LOGON_FAILURE") && !strings.Contains(out, "NT_STATUS_ACCESS_DENIED") {
		t.Errorf("a guest: exit %d: %s", code, out)
	}

	// Signed, always; encrypted, when the client wants it (FIELD.md 3.3: macOS does
	// either, where there is a key).
	run := func(password string, options ...string) (string, int) {
		t.Helper()
		args := append([]string{"smbclient", "-U", user + "%" + password, "-p", fmt.Sprint(b.Port), "//127.0.0.1/files", "-c", "get hello /dev/null"}, options...)
		out, stderr, code := testenv.Run(t, nil, args...)
		return out + stderr, code
	}
	for name, options := range map[string][]string{
		"signed": {"--client-protection=sign"}, "encrypted": {"--client-protection=encrypt"}, "as it comes": nil,
	} {
		if out, code := run(first, options...); code != 0 {
			t.Errorf("%s: exit %d: %s", name, code, out)
		}
	}

	// Another password: who is connected stays, the others need it.
	var second api.Password
	if err := json.Unmarshal([]byte(b.ok("password", "--json")), &second); err != nil {
		t.Fatal(err)
	}
	if second.User != user || second.Password == first {
		t.Errorf("the new password: %+v", second)
	}
	// Not a write: smbd may say first that it takes a while, unsigned as the protocol
	// has it, and go-smb2 takes that for a forgery.
	if _, err := f.Stat(); err != nil {
		t.Errorf("a file that was open: %v", err)
	}
	refused(user, first)
	b.shareAs(user, second.Password, "files")
	const own = "of somebody's own"
	if stdout, stderr, code := testenv.Run(t, b.env, "sh", "-c", `printf '%s\n' "$1" | "$0" password --stdin`, binary, own); code != 0 || stdout != "" {
		t.Errorf("password --stdin: exit %d: %s%s", code, stdout, stderr)
	}
	refused(user, second.Password)
	b.shareAs(user, own, "files")
	for _, bad := range []string{"short", " begins with a space", strings.Repeat("x", 128)} {
		_, stderr, code := testenv.Run(t, b.env, "sh", "-c", `printf '%s\n' "$1" | "$0" password --stdin`, binary, bad)
		if code != 2 || !strings.Contains(stderr, "8 to 127 bytes") {
			t.Errorf("%q: exit %d: %s", bad, code, stderr)
		}
	}

	// After a new start it is the same, and not shown again; smbd is healthy: its
	// own probe logs in.
	b.stop(syscall.SIGTERM, 10*time.Second)
	b.start()
	b.eventually(10*time.Second, "the share is back", func() error {
		_, err := b.dialShareAs(user, own, "files")
		return err
	})
	log := b.log.String()
	if n := strings.Count(log, first); n != 1 {
		t.Errorf("the first password is %d times in what serve printed", n)
	}
	for _, secret := range []string{second.Password, own} {
		if strings.Contains(log, secret) {
			t.Errorf("%q is in what serve printed", secret)
		}
	}
}

// A guest share has no password to change.
func TestPasswordOfGuestShares(t *testing.T) {
	b := startBridge(t, bridgeOptions{})
	if stdout, stderr, code := b.run("password"); code != 2 || stdout != "" || !strings.Contains(stderr, "smb.auth: password") {
		t.Errorf("exit %d: %s%s", code, stdout, stderr)
	}
}

func (b *bridge) dialShareAs(user, password, share string) (*smb2.Share, error) {
	return b.dialShareWith(&smb2.NTLMInitiator{User: user, Password: password}, share)
}

// shareAs connects go-smb2 to a share; the test's end disconnects.
func (b *bridge) shareAs(user, password, share string) *smb2.Share {
	b.t.Helper()
	s, err := b.dialShareAs(user, password, share)
	if err != nil {
		b.t.Fatalf("share %s as %s: %v", share, user, err)
	}
	return s
}

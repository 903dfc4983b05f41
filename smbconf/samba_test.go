package smbconf

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sshfs-bridge/e2e/testenv"
)

// onThisHost is c with directories that exist, for the smbd of this machine.
func onThisHost(t *testing.T, c Config) Config {
	t.Helper()
	dir := t.TempDir()
	d := Default(c.Version, filepath.Join(dir, "run"), filepath.Join(dir, "private"))
	c.Dirs = d.Dirs
	for _, dir := range c.Dirs.All() {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	c.ForceUser, c.ForceGroup = "root", "root"
	return c
}

func write(t *testing.T, data []byte) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "smb.conf")
	if err := os.WriteFile(file, data, 0o644); err != nil {
		t.Fatal(err)
	}
	return file
}

func detect(t *testing.T) (context.Context, Version) {
	t.Helper()
	testenv.Require(t, "smbd")
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	t.Cleanup(cancel)
	v, err := DetectVersion(ctx, "/usr/sbin/smbd")
	if err != nil {
		t.Fatal(err)
	}
	return ctx, v
}

// TestCheck_everyModel: the installed Samba knows every setting that is written
// for its version, with and without comments.
func TestCheck_everyModel(t *testing.T) {
	ctx, v := detect(t)
	for name, c := range map[string]Config{"guest": guest(v), "password": password(v)} {
		t.Run(name, func(t *testing.T) {
			c := onThisHost(t, c)
			for _, render := range []func() ([]byte, error){c.Render, c.RenderCommented} {
				data, err := render()
				if err != nil {
					t.Fatal(err)
				}
				if err := Check(ctx, "testparm", write(t, data)); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

func TestCheck_findsWhatIsWrong(t *testing.T) {
	ctx, v := detect(t)
	c := onThisHost(t, guest(v))
	data, err := c.Render()
	if err != nil {
		t.Fatal(err)
	}
	if err := Check(ctx, "testparm", write(t, append(data, "\tno such setting = yes\n"...))); err == nil {
		t.Error("an unknown setting passed")
	} else if !strings.Contains(err.Error(), "no such setting") {
		t.Errorf("the error does not name it: %v", err)
	}
	if err := os.Remove(c.Dirs.State); err != nil {
		t.Fatal(err)
	}
	if err := Check(ctx, "testparm", write(t, data)); err == nil || !strings.Contains(err.Error(), c.Dirs.State) {
		t.Errorf("a missing directory: %v", err)
	}
	if err := Check(ctx, "testparm", filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("a missing file passed")
	}
	if err := Check(ctx, "no-such-testparm", "x"); err == nil || !strings.Contains(err.Error(), "apt-get") {
		t.Errorf("without testparm: %v", err)
	}
	if _, err := DetectVersion(ctx, "no-such-smbd"); err == nil || !strings.Contains(err.Error(), "apt-get") {
		t.Errorf("without smbd: %v", err)
	}
}

// TestRender_sambaReadsTheSame asks Samba itself what it reads, for values
// that try to be more than a value and get past Validate.
func TestRender_sambaReadsTheSame(t *testing.T) {
	ctx, v := detect(t)
	c := onThisHost(t, guest(v))
	c.Shares = []Share{
		{Name: "a'b & (c)!", Path: "/srv/ä; b # c = [d]", Comment: "; x"},
		{Name: "b~{}`^@_", Path: `/srv/a\b`, Comment: "# $HOME $(id) \u2028 \u00a0 = y"},
		{Name: "日本語", Path: "/srv/日本語", Comment: CleanComment("%U \"%$(HOME)\"\nguest ok = no \\")},
	}
	data, err := c.Render()
	if err != nil {
		t.Fatal(err)
	}
	file := write(t, data)
	for _, s := range c.Shares {
		for setting, want := range map[string]string{"path": s.Path, "comment": s.Comment, "guest ok": "Yes"} {
			out, err := exec.CommandContext(ctx, "testparm", "--suppress-prompt", "--section-name="+s.Name, "--parameter-name="+setting, file).Output()
			if err != nil {
				t.Fatalf("%s of %s: %v", setting, s.Name, err)
			}
			if got := strings.TrimSuffix(string(out), "\n"); got != want {
				t.Errorf("%s of %s is %q to Samba, want %q", setting, s.Name, got, want)
			}
		}
	}
	out, err := exec.CommandContext(ctx, "testparm", "--suppress-prompt", file).Output()
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(out), "\n["); n != 1+len(c.Shares) {
		t.Errorf("Samba sees %d sections, want %d:\n%s", n, 1+len(c.Shares), out)
	}
}

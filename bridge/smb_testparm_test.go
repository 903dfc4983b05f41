package bridge

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"sshfs-bridge/bridge/api"
	"sshfs-bridge/smbconf"
)

// An smb.conf that Samba refuses is not put in the place of the one that works, and
// status says why.
func TestSMBConf_thatSambaRefusesIsNotUsed(t *testing.T) {
	var refuses atomic.Bool
	ct := newControlled(t, testConfig(t, configured("media", "nas:/media")), func(ct *controlled) {
		ct.s.smb.check = func(context.Context, string, smbconf.Config) error {
			if refuses.Load() {
				return errors.New("unknown parameter, says testparm")
			}
			return nil
		}
	})
	if _, err := ct.s.WaitMount(t.Context(), "media"); err != nil {
		t.Fatal(err)
	}
	await(t, "smbd is up", func() bool { return ct.s.Status().Ready })
	has := func(share string) bool {
		conf, err := os.ReadFile(ct.s.c.smbConfPath())
		return err == nil && strings.Contains(string(conf), "["+share+"]")
	}
	mount := func(name string) {
		t.Helper()
		if _, err := ct.Mount(t.Context(), api.MountRequest{Spec: api.MountSpec{Remote: "nas:/" + name, Name: name}}, func(api.Event) {}, nil); err != nil {
			t.Fatal(err)
		}
	}
	told := func() bool { return strings.Contains(strings.Join(ct.s.Status().Problems, " "), "says testparm") }
	refuses.Store(true)
	mount("second")
	if !has("media") || has("second") || !told() {
		t.Errorf("refused: media %t, second %t, told %t", has("media"), has("second"), told())
	}
	refuses.Store(false)
	mount("third")
	if !has("second") || !has("third") || told() {
		t.Errorf("after that: second %t, third %t, told %t", has("second"), has("third"), told())
	}
}

// What the testparm beside smbd says counts. One that hangs, or that cannot be asked, says
// nothing: a full /tmp takes no share away.
func TestTestparm(t *testing.T) {
	dir := t.TempDir()
	program := filepath.Join(dir, "smbd")
	script := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"+text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	ask := func() error {
		c := smbconf.Default(smbconf.Version{Major: 4, Minor: 22}, dir, filepath.Join(dir, "private"))
		c.Shares = []smbconf.Share{smbconf.Hub("/srv")}
		return testparm(t.Context(), program, c)
	}
	script("smbd", "")
	if err := ask(); !errors.Is(err, errUntried) {
		t.Errorf("without a testparm beside it: %v", err)
	}
	script("testparm", `grep -q '^.lock directory = /' "$2" && echo 'Unknown parameter encountered: "x"' >&2`)
	if err := ask(); err == nil || !strings.Contains(err.Error(), "Unknown parameter") {
		t.Errorf("a refusal: %v", err)
	}
	t.Run("nowhere to write", func(t *testing.T) {
		t.Setenv("TMPDIR", filepath.Join(dir, "none"))
		if err := ask(); !errors.Is(err, errUntried) {
			t.Error(err)
		}
	})
	script("testparm", "sleep 60; :")
	start := time.Now()
	if err := ask(); !errors.Is(err, errUntried) || time.Since(start) > testparmTimeout+5*time.Second {
		t.Errorf("one that hangs: %v after %v", err, time.Since(start))
	}
	if err := os.WriteFile(filepath.Join(dir, "testparm"), []byte("no program"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := ask(); !errors.Is(err, errUntried) {
		t.Errorf("one that cannot be started: %v", err)
	}
}

// doctor says of an smb.conf that nobody tried what it is: not tried.
func TestDoctor_untriedConf(t *testing.T) {
	c := testConfig(t)
	c.SMB.Enabled, c.SMB.Program = true, filepath.Join(t.TempDir(), "smbd")
	if err := os.WriteFile(c.SMB.Program, []byte("#!/bin/sh\necho Version 4.22.1\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	got := checkSMBD(t.Context(), &c)
	if got.Verdict != VerdictOK || strings.Contains(got.Finding, "passes") || !strings.Contains(got.Finding, errUntried.Error()) {
		t.Errorf("%+v", got)
	}
}

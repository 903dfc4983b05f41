package smbd

import (
	"errors"
	"strings"
	"testing"
	"time"

	"sshfs-bridge/e2e/testenv"
	"sshfs-bridge/smbconf"
)

func TestPassword(t *testing.T) {
	testenv.Require(t, "root", "smbd")
	s := newSetup(t)
	s.conf.Auth = smbconf.AuthPassword
	s.writeConf()
	const password, other = `cor rect"$'\ hörse`, "an other one"
	srv := New(s.o)
	if err := srv.SetPassword(t.Context(), fileUser, password); err != nil {
		t.Fatal(err)
	}
	srv.SetCredentials(fileUser, password)
	srv.policy.noList = true
	s.runServer(srv)
	s.ready(srv)
	login := func(user, password string) error {
		c, err := dialFrom("", s.o.Listen[0], user, password, "files")
		if err == nil {
			err = c.share.WriteFile("from-"+user, nil, 0o644)
			c.conn.Close()
		}
		return err
	}
	if err := login(fileUser, password); err != nil {
		t.Errorf("with the password: %v", err)
	}
	for _, user := range []string{"guest", "nobody", fileUser} {
		if err := login(user, ""); err == nil {
			t.Errorf("%s gets in without a password", user)
		}
	}

	// Somebody else sets another one: the probe is told later, and smbd goes on.
	pid := srv.Status().PID
	if err := New(s.o).SetPassword(t.Context(), fileUser, other); err != nil {
		t.Fatal(err)
	}
	testenv.Eventually(t, 20*time.Second, "the probe is refused", func() bool { return errors.Is(srv.Healthy(), errProbeRefused) })
	if err := login(fileUser, password); err == nil {
		t.Error("the old password still works")
	}
	srv.SetCredentials(fileUser, other)
	testenv.Eventually(t, 20*time.Second, "the probe gets in", func() bool {
		return srv.Healthy() == nil && srv.Status().State == StateReady
	})
	// Set here, it is what the probe logs in with from then on.
	if err := srv.SetPassword(t.Context(), fileUser, password); err != nil {
		t.Fatal(err)
	}
	if user, now := srv.credentials(); user != fileUser || now != password {
		t.Errorf("the probe logs in as %q with the password before", user)
	}
	if err := login(fileUser, password); err != nil {
		t.Errorf("with the password set again: %v", err)
	}
	if srv.Status().PID != pid {
		t.Error("smbd was started anew for a refused login")
	}
	if strings.Contains(s.log.text(), password) || strings.Contains(s.log.text(), other) {
		t.Error("a password is in the log")
	}
}

func TestPasswordRefused(t *testing.T) {
	testenv.Require(t, "root", "smbd")
	s := newSetup(t)
	srv := New(s.o)
	for _, tc := range [][2]string{{fileUser, ""}, {fileUser, "a\nb"}, {"", "x"}, {"-x", "x"}, {"a:b", "x"}, {"no-such-account", "secret-x"}} {
		err := srv.SetPassword(t.Context(), tc[0], tc[1])
		if err == nil || strings.Contains(err.Error(), "secret-x") {
			t.Errorf("SetPassword(%q): %v", tc[0], err)
		}
	}
}

package sshdial_test

import (
	"errors"
	"sync/atomic"
	"testing"

	"golang.org/x/crypto/ssh"

	"sshfs-bridge/fusefs/sshdial"
)

// TestPasswordChanged: a remembered password that the server no longer takes is sent
// once more, and then never again: servers count.
func TestPasswordChanged(t *testing.T) {
	for _, method := range []string{"password", "keyboard-interactive"} {
		t.Run(method, func(t *testing.T) {
			var sent atomic.Int64
			var password atomic.Value
			password.Store("old")
			is := func(given string) (*ssh.Permissions, error) {
				sent.Add(1)
				if given != password.Load() {
					return nil, errors.New("wrong password")
				}
				return nil, nil
			}
			config := &ssh.ServerConfig{
				PasswordCallback: func(_ ssh.ConnMetadata, given []byte) (*ssh.Permissions, error) { return is(string(given)) },
			}
			kind := sshdial.KindPassword
			if method == "keyboard-interactive" {
				kind, config.PasswordCallback = sshdial.KindKeyboardInteractive, nil
				config.KeyboardInteractiveCallback = func(_ ssh.ConnMetadata, ask ssh.KeyboardInteractiveChallenge) (*ssh.Permissions, error) {
					given, err := ask("", "", []string{"Password: "}, []bool{false})
					if err != nil {
						return nil, err
					}
					return is(given[0])
				}
			}
			r := fakeRoute(t, fakeServer(t, config, nil))
			mustDial(t, r, says(kind, "old"))
			mustDial(t, r, nil) // remembered
			password.Store("new")
			for redial, want := range []int64{1, 0, 0} {
				sent.Store(0)
				_, err := r.Dial(testContext(t), nil)
				if wantAuthError(t, err); !errors.Is(err, sshdial.ErrNeedsPerson) {
					t.Errorf("redial %d: %v", redial, err)
				}
				if n := sent.Load(); n != want {
					t.Errorf("redial %d sent %d passwords, want %d", redial, n, want)
				}
			}
			sent.Store(0)
			mustDial(t, r, says(kind, "new"))
			mustDial(t, r, nil)
			if n := sent.Load(); n != 2 {
				t.Errorf("two good logins sent %d passwords", n)
			}
		})
	}
}

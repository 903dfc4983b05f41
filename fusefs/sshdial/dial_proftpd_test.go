package sshdial_test

import (
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"golang.org/x/crypto/ssh"

	"sshfs-bridge/fusefs/sshdial"
)

// TestProFTPD gets one session on a connection: it mixes up the requests of two. As
// of any server, nothing but the subsystem is asked of it.
func TestProFTPD(t *testing.T) {
	var mu sync.Mutex
	var asked []string
	addr := sessionServer(t, &ssh.ServerConfig{NoClientAuth: true, ServerVersion: "SSH-2.0-mod_sftp/1.3.8"}, func(what string) {
		mu.Lock()
		defer mu.Unlock()
		asked = append(asked, what)
	})
	c := mustDial(t, fakeRoute(t, addr), nil)
	var opened, refused atomic.Int64
	var all sync.WaitGroup
	for range 10 {
		all.Go(func() {
			switch _, err := c.OpenSFTP(testContext(t)); {
			case err == nil:
				opened.Add(1)
			case errors.Is(err, sshdial.ErrChannelRefused):
				refused.Add(1)
			default:
				t.Error(err)
			}
		})
	}
	all.Wait()
	if opened.Load() != 1 || refused.Load() != 9 {
		t.Errorf("%d sessions, %d refused", opened.Load(), refused.Load())
	}
	mu.Lock()
	defer mu.Unlock()
	if want := []string{"session", "subsystem\x00\x00\x00\x04sftp"}; !slices.Equal(asked, want) {
		t.Errorf("the server was asked for %q, want %q", asked, want)
	}
}

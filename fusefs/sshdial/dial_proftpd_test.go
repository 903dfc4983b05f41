package sshdial_test

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"

	"golang.org/x/crypto/ssh"

	"sshfs-bridge/fusefs/sshdial"
)

// TestProFTPD gets one session on a connection: it mixes up the requests of two.
func TestProFTPD(t *testing.T) {
	var asked atomic.Int64
	addr := sessionServer(t, &ssh.ServerConfig{NoClientAuth: true, ServerVersion: "SSH-2.0-mod_sftp/1.3.8"}, &asked)
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
	if opened.Load() != 1 || refused.Load() != 9 || asked.Load() != 1 {
		t.Errorf("%d sessions, %d refused; the server was asked for %d", opened.Load(), refused.Load(), asked.Load())
	}
}

package remote

import (
	"testing"
	"testing/synctest"
	"time"

	"sshfs-bridge/fusefs/sftp"
)

// TestLosses has the sessions of a server that goes away end one after the other, which
// is one loss, and then a request that ends each session.
func TestLosses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l losses
		for range 30 {
			if l.tooMany(sftp.ErrConnectionLost) {
				t.Fatal("a server that goes away once is too many losses")
			}
			time.Sleep(10 * time.Millisecond)
		}
		l.reset()
		n := 1
		for ; !l.tooMany(sftp.ErrConnectionLost); n++ {
			time.Sleep(oneLoss)
		}
		if n != maxLosses+1 {
			t.Errorf("given up after %d losses", n)
		}
	})
}

//go:build soak

package remote_test

import (
	"testing"
	"time"

	"sshfs-bridge/e2e/testenv"
	"sshfs-bridge/fusefs/remote"
)

// TestSSHD_thirtySecondsOfSilence is TestSSHD_silence with the times that users
// have; without a network TestFault_thirtySecondsOfSilence has them, too.
func TestSSHD_thirtySecondsOfSilence(t *testing.T) {
	x := newReal(t, testenv.SSHDOptions{}, remote.Options{})
	x.disturbed(realBulk, func() { x.silence(30*time.Second, 100*time.Millisecond) })
}

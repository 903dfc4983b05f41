package e2e

import (
	"testing"

	"sshfs-bridge/e2e/testenv"
)

// TestLeases: a Mac may keep what it has open, but of a mount whose files others
// change, by whichever share it comes.
func TestLeases(t *testing.T) {
	testenv.Require(t, "root", "fuse", "smbd")
	t.Parallel()
	sshd := testenv.StartSSHD(t, testenv.SSHDOptions{})
	b := startBridge(t, bridgeOptions{SSHDir: sshd.SSHDir})
	lease := func(share, name string) uint32 {
		t.Helper()
		b.share(share) // is there
		mac := testenv.DialMacSMB(t, b.Port, share)
		defer mac.Close()
		f, err := mac.Open(name, testenv.MacOpen{Create: testenv.CreateNew, Access: copyAccess, Lease: true})
		check(t, err)
		check(t, f.Close())
		return f.Lease
	}
	const all = testenv.LeaseRead | testenv.LeaseWrite | testenv.LeaseHandle
	b.ok("mount", sshd.Remote(sshd.HomeSeen), "own")
	for share, name := range map[string]string{"own": "a", "SSHFS Share": "own/b"} {
		if got := lease(share, name); got != all {
			t.Errorf("%s grants the lease %d, want %d", share, got, all)
		}
	}
	b.ok("mount", "--cache", "strict", sshd.Remote(sshd.HomeSeen), "strict")
	for share, name := range map[string]string{"strict": "c", "SSHFS Share": "strict/d"} {
		if got := lease(share, name); got != 0 {
			t.Errorf("with cache: strict %s grants the lease %d", share, got)
		}
	}
	if got := lease("own", "e"); got != all {
		t.Errorf("beside a strict one, own grants the lease %d", got)
	}
}

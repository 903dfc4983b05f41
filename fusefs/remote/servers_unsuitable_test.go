package remote_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"sshfs-bridge/e2e/testenv"
	"sshfs-bridge/fusefs/remote"
	"sshfs-bridge/fusefs/sftp"
)

// TestServers_rcloneIsUnsuitable: what `rclone serve sftp` says that it has done, and
// has not, is what docs/servers.md warns of.
func TestServers_rcloneIsUnsuitable(t *testing.T) {
	testenv.Require(t, "root", "sshd", "rclone")
	testenv.NoLeaks(t)
	m := newMachine(t)
	s := m.serve("rclone", "serve", "sftp", m.root(), "--config", "", "--addr", m.addr(), "--vfs-cache-mode", "writes",
		"--key", m.hostKey("ed25519"), "--authorized-keys", filepath.Join(m.home, ".ssh/authorized_keys"))
	s.root = "/"
	c := &contract{t: t, served: s}
	c.route()
	t.Cleanup(c.disconnect)
	c.connect(remote.Options{})
	ctx, r := t.Context(), c.remote

	c.write("f", []byte("0123456789"))
	check(t, r.Link(ctx, "f", "second"))
	_, err := r.Lstat(ctx, "second")
	c.is("a hard link that was made", err, fs.ErrNotExist)
	check(t, r.Setstat(ctx, "f", remote.Attrs{Valid: sftp.AttrSize | sftp.AttrMode, Size: 4, Mode: 0o600}))
	if a, err := r.Lstat(ctx, "f"); err != nil || a.Size != 10 || a.Mode&0o777 != 0o644 {
		t.Errorf("size and mode after a change that was acknowledged: %+v, %v", a, err)
	}
	_, _, err = r.Open(ctx, "f", remote.OpenFlags{Write: true, Create: true, Exclusive: true}, 0o644)
	c.is("exclusive create of what is there", err, nil)
	c.stop()
	if _, err := os.Lstat(filepath.Join(c.dir, "f")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file that was closed, on the disk: %v", err)
	}
}

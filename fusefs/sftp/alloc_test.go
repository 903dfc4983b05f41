//go:build !race

package sftp_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"sshfs-bridge/fusefs/sftp"
)

// Requests must stay cheap: a filesystem makes them by the hundred thousand.
func TestAllocations(t *testing.T) {
	c, dir := newClient(t, server{connect: connectOpenSSH})
	ctx := context.Background()
	must(t, os.WriteFile(filepath.Join(dir, "f"), make([]byte, 1<<20), 0o600))
	h, err := c.Open(ctx, "f", sftp.FlagRead|sftp.FlagWrite, sftp.Attrs{})
	must(t, err)
	buf := make([]byte, c.Limits().MaxRead)
	for _, test := range []struct {
		name string
		most float64
		f    func() error
	}{
		{"read", 2, func() error { _, err := c.Read(ctx, h, 0, buf); return err }},
		{"write", 2, func() error { return c.Write(ctx, h, 0, buf) }},
		{"stat", 2, func() error { _, err := c.Stat(ctx, "f"); return err }},
	} {
		if got := testing.AllocsPerRun(200, func() { must(t, test.f()) }); got > test.most {
			t.Errorf("%s: %v allocations a request, want at most %v", test.name, got, test.most)
		}
	}
}

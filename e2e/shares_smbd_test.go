package e2e

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sshfs-bridge/e2e/testenv"
	"sshfs-bridge/fusefs/vfs"
)

// TestThroughSMBD: what clients see and do through smbd, one part after the other
// with one server, one supervisor and one smbd.
func TestThroughSMBD(t *testing.T) {
	testenv.Require(t, "smbclient")
	t.Parallel()
	sshd := testenv.StartSSHD(t, testenv.SSHDOptions{})
	config := "mounts:\n"
	shares := map[string]string{"names": "xsym", "links": "xsym", "resolved": "resolve", "files": "xsym"}
	for _, mode := range vfs.SymlinkModes() {
		shares[string(mode)] = string(mode)
	}
	for share, symlinks := range shares {
		ownedBy(t, filepath.Join(sshd.Home, share), sshd.User)
		config += fmt.Sprintf("  %s: {remote: '%s', symlinks: %s}\n", share, sshd.Remote(filepath.Join(sshd.HomeSeen, share)), symlinks)
	}
	b := startBridge(t, bridgeOptions{SSHDir: sshd.SSHDir, Config: config})
	b.eventually(20*time.Second, "all are up", func() error {
		if list := b.ok("list"); strings.Count(list, " up ") != len(shares) {
			return errors.New(list)
		}
		return nil
	})
	for _, part := range []struct {
		what, share string
		do          func(t *testing.T, b *bridge, home string)
	}{
		{"names", "names", namesBothWays},
		{"names that a Mac takes for equal", "names", equalNames},
		{"links as a Mac sees them", "links", linksForAMac},
		{"metadata on links", "links", metadataOnLinks},
		{"resolved links", "resolved", resolvedLinks},
		{"recursive delete", "", recursiveDelete},
		{"Finder", "files", finderWorks},
	} {
		t.Run(part.what, func(t *testing.T) { part.do(t, b.in(t), filepath.Join(sshd.Home, part.share)) })
	}
	t.Run("Finder's metadata over a restart", func(t *testing.T) {
		in := b.in(t)
		defer func() { b.cmd, b.exited = in.cmd, in.exited }() // the one that the end stops
		finderRestart(t, in, filepath.Join(sshd.Home, "files"))
	})
}

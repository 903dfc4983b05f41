package bridge

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"

	"sshfs-bridge/fusefs/vfs/localmeta"
)

// metadataDir is where the local metadata of a mount lie. What belongs to a name
// and a remote is found again whenever both meet again, and never by another
// remote under the same name.
func (c *Config) metadataDir(m Mount) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s\x00%d", m.Remote, m.Port))
	return filepath.Join(c.StateDir, "metadata", m.Name+"-"+hex.EncodeToString(sum[:6]))
}

// metadataOf opens the files of a mount's local metadata for its worker. Without
// them, which is told, the mount keeps all that in memory: it must come up.
func (s *Supervisor) metadataOf(c *Config, m Mount) *localmeta.Files {
	dir := c.metadataDir(m)
	err := os.MkdirAll(dir, 0o700)
	if err == nil {
		var files *localmeta.Files
		if files, err = localmeta.OpenFiles(dir); err == nil {
			s.setProblem("metadata "+m.Name, "")
			return files
		}
	}
	s.log.Error("local metadata are kept in memory only", "mount", m.Name, "err", err)
	s.setProblem("metadata "+m.Name, fmt.Sprintf("what is kept locally of mount %s (Finder tags, resource forks, .DS_Store) will be lost at its end: %s", m.Name, reason(err)))
	return nil
}

package dropin

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// hostKeysFile is where the supervisor keeps accepted host keys too, as
// known_hosts lines.
func (o Options) hostKeysFile() string { return filepath.Join(o.StateDir, "known_hosts") }

// acceptedHostKeys are the keys that were accepted earlier.
func (o Options) acceptedHostKeys() []string {
	data, err := os.ReadFile(o.hostKeysFile())
	if err != nil {
		return nil // none yet, or not for this user
	}
	var lines []string
	for line := range strings.Lines(string(data)) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			lines = append(lines, line)
		}
	}
	return lines
}

// keepHostKey adds a line, so that a changed key is noticed the next time.
func (o Options) keepHostKey(line string, logger *slog.Logger) {
	line = strings.TrimSpace(line)
	if line == "" || slices.Contains(o.acceptedHostKeys(), line) {
		return
	}
	if err := o.appendHostKey(line); err != nil {
		logger.Warn("accepted host key not kept: the next mount accepts any key again", "err", err)
	}
}

func (o Options) appendHostKey(line string) error {
	if err := os.MkdirAll(o.StateDir, 0o700); err != nil {
		return err
	}
	f, err := os.OpenFile(o.hostKeysFile(), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	// One write: lines of two commands at once do not mix.
	_, err = f.WriteString(line + "\n")
	return errors.Join(err, f.Close())
}

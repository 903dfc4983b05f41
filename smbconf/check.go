package smbconf

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"time"
)

// Check lets Samba's own testparm read file. It returns an error with
// testparm's lines when smbd would refuse the file or pass over a part of it,
// also when a directory in it does not exist. It blocks until testparm has
// ended or ctx is done.
func Check(ctx context.Context, testparm, file string) error {
	cmd := exec.CommandContext(ctx, testparm, "--suppress-prompt", file)
	var said bytes.Buffer
	cmd.Stderr = &said
	cmd.WaitDelay = time.Second // what it started may hold standard error
	err := cmd.Run()
	if errors.Is(err, exec.ErrNotFound) {
		return fmt.Errorf("testparm not found: install Samba's tools (apt-get install samba-common-bin): %w", err)
	}
	var bad []string
	for line := range strings.Lines(said.String()) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "ERROR") || strings.Contains(line, "Unknown parameter") ||
			strings.Contains(line, "Ignoring") || strings.Contains(line, "not found") {
			bad = append(bad, line)
		}
	}
	switch {
	case len(bad) > 0:
		return fmt.Errorf("testparm %s: %s", file, strings.Join(bad, "; "))
	case err != nil:
		return fmt.Errorf("testparm %s: %w: %s", file, err, strings.TrimSpace(said.String()))
	}
	return nil
}

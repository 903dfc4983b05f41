package remote

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"sshfs-bridge/fusefs/sftp"
)

const (
	modeType = 0o170000 // S_IFMT
	modeDir  = 0o040000
	modeReg  = 0o100000
	modeLink = 0o120000
)

func isDir(a Attrs) bool { return a.Valid&sftp.AttrMode != 0 && a.Mode&modeType == modeDir }

// lookAtRoot resolves the root at the first connection, and sees at every one
// that it is a directory.
func (l *link) lookAtRoot(ctx context.Context) error {
	r := l.r
	r.mu.Lock()
	known := r.root
	r.mu.Unlock()
	c := l.control.client
	start := time.Now()
	if known != "" {
		a, err := c.Stat(ctx, known)
		if err == nil {
			r.noteRTT(time.Since(start))
		}
		return rootOutcome(known, a, err)
	}
	given, err := ExpandRoot(ctx, c, r.o.Root)
	if err != nil {
		return err
	}
	start = time.Now()
	homeCall, realCall, statCall := c.StartRealpath("."), c.StartRealpath(given), c.StartStat(given)
	home, homeErr := homeCall.Wait(ctx)
	real, realErr := realCall.Wait(ctx)
	a, err := statCall.Wait(ctx)
	if err == nil {
		r.noteRTT(time.Since(start))
	}
	if err := rootOutcome(given, a, err); err != nil {
		return err
	}
	root := given
	switch {
	case strings.HasPrefix(given, "/"):
	case homeErr == nil && strings.HasPrefix(home, "/"):
		root = strings.TrimRight(home, "/") + "/" + strings.TrimPrefix(given, "./")
		if given == "." {
			root = home
		}
	case realErr == nil:
		root = real
	}
	if trimmed := strings.TrimRight(root, "/"); trimmed != "" {
		root = trimmed
	} else {
		root = "/"
	}
	if realErr != nil || real == "" {
		real = root
	}
	r.mu.Lock()
	r.root, r.realRoot = root, real
	r.mu.Unlock()
	return nil
}

// ExpandRoot turns what the user gave (Options.Root) into what the server understands:
// a path that is absolute or relative to the directory in which sessions begin.
func ExpandRoot(ctx context.Context, c *sftp.Client, given string) (string, error) {
	switch rest, home := strings.CutPrefix(given, "~"); {
	case given == "" || given == "~" || given == "~/":
		return ".", nil
	case home && strings.HasPrefix(rest, "/"):
		return strings.TrimLeft(rest, "/"), nil
	case home && c.Has(sftp.ExtExpandPath):
		expanded, err := c.ExpandPath(ctx, given)
		if err != nil {
			return "", rootOutcome(given, Attrs{}, err)
		}
		return expanded, nil
	}
	return given, nil
}

func rootOutcome(path string, a Attrs, err error) error {
	switch {
	case err != nil && isStatus(err):
		return &rootError{fmt.Errorf("directory %q on the server: %w", path, err)}
	case err != nil:
		if errors.Is(err, context.DeadlineExceeded) {
			err = ErrTimeout
		}
		return fmt.Errorf("look at directory %q: %w", path, err)
	case a.Valid&sftp.AttrMode != 0 && !isDir(a):
		return &rootError{fmt.Errorf("%q on the server: %w", path, ErrNotDirectory)}
	}
	return nil
}

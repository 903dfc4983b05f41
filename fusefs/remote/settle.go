package remote

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"sshfs-bridge/fusefs/sftp"
)

// The functions here find out what became of a request whose answer was lost
// with the connection. Each looks once; an error that is not the server's own
// means that it could not see.

type settler func(ctx context.Context, c *sftp.Client) (outcome, error)

// exists says whether there is something at path.
func exists(ctx context.Context, c *sftp.Client, path string) (Attrs, bool, error) {
	a, err := c.Lstat(ctx, path)
	switch {
	case err == nil:
		return a, true, nil
	case isNotExist(err):
		return Attrs{}, false, nil
	}
	return Attrs{}, false, err
}

// settleMade: a directory that is there was made by us. Had it been there
// before, asking again would say so; that one cannot tell is the price.
func settleMade(path string) settler {
	return func(ctx context.Context, c *sftp.Client) (outcome, error) {
		a, there, err := exists(ctx, c, path)
		if err == nil && there && isDir(a) {
			return done, nil
		}
		return notDone, err
	}
}

// settleGone: what is no longer there was removed by us.
func settleGone(path string) settler {
	return func(ctx context.Context, c *sftp.Client) (outcome, error) {
		_, there, err := exists(ctx, c, path)
		if err == nil && !there {
			return done, nil
		}
		return notDone, err
	}
}

// settleRenamed: the old name is gone and the new one is there. The other way round
// nothing has happened.
func settleRenamed(oldPath, newPath string) settler {
	return func(ctx context.Context, c *sftp.Client) (outcome, error) {
		oldCall, newCall := c.StartLstat(oldPath), c.StartLstat(newPath)
		_, oldErr := oldCall.Wait(ctx)
		_, newErr := newCall.Wait(ctx)
		switch {
		case oldErr != nil && !isStatus(oldErr):
			return notDone, oldErr
		case newErr != nil && !isStatus(newErr):
			return notDone, newErr
		case isNotExist(oldErr) && newErr == nil:
			return done, nil
		case oldErr == nil && isNotExist(newErr):
			return undone, nil
		}
		return notDone, nil
	}
}

// settleSymlink: a link with that target is there.
func settleSymlink(target, path string) settler {
	return func(ctx context.Context, c *sftp.Client) (outcome, error) {
		got, err := c.Readlink(ctx, path)
		switch {
		case err == nil && got == target:
			return done, nil
		case err != nil && !isStatus(err):
			return notDone, err
		}
		return notDone, nil
	}
}

// settleLinked: both names show the same attributes.
func settleLinked(oldPath, newPath string) settler {
	return func(ctx context.Context, c *sftp.Client) (outcome, error) {
		oldCall, newCall := c.StartLstat(oldPath), c.StartLstat(newPath)
		was, oldErr := oldCall.Wait(ctx)
		is, newErr := newCall.Wait(ctx)
		switch {
		case oldErr != nil && !isStatus(oldErr):
			return notDone, oldErr
		case newErr != nil && !isStatus(newErr):
			return notDone, newErr
		case oldErr == nil && newErr == nil && sameFile(was, is):
			return done, nil
		}
		return notDone, nil
	}
}

// existing explains the general failure that a server answers when something is
// there already: SFTP v3 has no code for it.
func existing(ctx context.Context, c *sftp.Client, path string, err error) error {
	var s *sftp.StatusError
	if !errors.As(err, &s) || s.Code != sftp.StatusFailure {
		return err
	}
	if _, there, lookErr := exists(ctx, c, path); lookErr == nil && there {
		return fmt.Errorf("%w: %w", fs.ErrExist, err)
	}
	return err
}

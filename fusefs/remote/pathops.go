package remote

import (
	"context"
	"errors"
	"time"

	"sshfs-bridge/fusefs/sftp"
)

// Lstat gives the attributes of what p names; those of the link if it is one.
func (r *Remote) Lstat(ctx context.Context, p string) (Attrs, error) {
	return run(ctx, r, pathRequest[Attrs]{op: "lstat", path: p, do: func(ctx context.Context, l *link) (Attrs, error) {
		start := time.Now()
		a, err := l.control.client.Lstat(ctx, r.abs(p))
		if err == nil {
			r.noteRTT(time.Since(start))
		}
		return a, err
	}})
}

// Stat gives the attributes of what p names, after the server has followed links.
func (r *Remote) Stat(ctx context.Context, p string) (Attrs, error) {
	return run(ctx, r, pathRequest[Attrs]{op: "stat", path: p, do: func(ctx context.Context, l *link) (Attrs, error) {
		start := time.Now()
		a, err := l.control.client.Stat(ctx, r.abs(p))
		if err == nil {
			r.noteRTT(time.Since(start))
		}
		return a, err
	}})
}

// ReadDir lists a directory, without "." and "..", in the server's order. A large one on a
// slow line takes its time: it ends after PathTimeout without a further name, and after
// ten minutes in all.
func (r *Remote) ReadDir(ctx context.Context, p string) ([]Entry, error) {
	ctx, heard, stop := r.whileHeard(ctx)
	defer stop()
	return run(ctx, r, pathRequest[[]Entry]{op: "readdir", path: p, bounded: true, do: func(ctx context.Context, l *link) ([]Entry, error) {
		return l.control.client.ReadDirHeard(ctx, r.abs(p), heard)
	}})
}

// Readlink gives the target of a symbolic link, as it stands there.
func (r *Remote) Readlink(ctx context.Context, p string) (string, error) {
	return run(ctx, r, pathRequest[string]{op: "readlink", path: p, do: func(ctx context.Context, l *link) (string, error) {
		return l.control.client.Readlink(ctx, r.abs(p))
	}})
}

// StatFS gives the space of the filesystem in which the root is. It is
// ErrUnsupported where the server cannot tell.
func (r *Remote) StatFS(ctx context.Context) (StatFS, error) {
	return run(ctx, r, pathRequest[StatFS]{op: "statfs", do: func(ctx context.Context, l *link) (StatFS, error) {
		if !l.control.client.Has(sftp.ExtStatVFS) {
			return StatFS{}, ErrUnsupported
		}
		return l.control.client.StatVFS(ctx, r.abs(""))
	}})
}

// Mkdir makes a directory with these permission bits, of which the server's
// umask may take some away. fs.ErrExist when something is there.
func (r *Remote) Mkdir(ctx context.Context, p string, mode uint32) error {
	path := r.abs(p)
	return runErr(ctx, r, "mkdir", p, func(ctx context.Context, c *sftp.Client) error {
		err := c.Mkdir(ctx, path, Attrs{Valid: sftp.AttrMode, Mode: mode & 0o7777})
		return existing(ctx, c, path, err)
	}, settleMade(path))
}

// Rmdir removes an empty directory.
func (r *Remote) Rmdir(ctx context.Context, p string) error {
	path := r.abs(p)
	return runErr(ctx, r, "rmdir", p, func(ctx context.Context, c *sftp.Client) error {
		return c.Rmdir(ctx, path)
	}, settleGone(path))
}

// Remove removes anything but a directory. Files that are open under that name
// can still be used, until the connection is lost.
func (r *Remote) Remove(ctx context.Context, p string) error {
	path := r.abs(p)
	m := &move{r: r, op: "remove", from: p, settle: settleGone(path)}
	err := m.run(ctx, func(ctx context.Context, c *sftp.Client) error {
		return c.Remove(ctx, path)
	})
	if err == nil || isStatus(err) {
		m.end(err == nil, true)
	}
	if len(m.objects) > 0 && !r.spawn(func() { m.end(m.find()) }) {
		m.end(false, false)
	}
	return err
}

// Symlink makes p a symbolic link to target. fs.ErrExist when something is there.
func (r *Remote) Symlink(ctx context.Context, target, p string) error {
	path := r.abs(p)
	return runErr(ctx, r, "symlink", p, func(ctx context.Context, c *sftp.Client) error {
		return existing(ctx, c, path, c.Symlink(ctx, target, path))
	}, settleSymlink(target, path))
}

// Link makes newp a further name of the file oldp. ErrUnsupported where the
// server cannot; fs.ErrExist when something is there.
func (r *Remote) Link(ctx context.Context, oldp, newp string) error {
	oldPath, newPath := r.abs(oldp), r.abs(newp)
	return runErr(ctx, r, "link", oldp, func(ctx context.Context, c *sftp.Client) error {
		if !c.Has(sftp.ExtHardlink) {
			return ErrUnsupported
		}
		return existing(ctx, c, newPath, c.Link(ctx, oldPath, newPath))
	}, settleLinked(oldPath, newPath))
}

// Setstat changes the attributes that a.Valid names, after the server has
// followed links. All go in one request.
func (r *Remote) Setstat(ctx context.Context, p string, a Attrs) error {
	err := runErr(ctx, r, "setstat", p, func(ctx context.Context, c *sftp.Client) error {
		return c.Setstat(ctx, r.abs(p), a)
	}, nil)
	if err == nil {
		r.objects.attrsSet(p, a)
	}
	return err
}

// Lsetstat changes attributes of the link itself. ErrUnsupported where the
// server cannot.
func (r *Remote) Lsetstat(ctx context.Context, p string, a Attrs) error {
	return runErr(ctx, r, "lsetstat", p, func(ctx context.Context, c *sftp.Client) error {
		if !c.Has(sftp.ExtLsetstat) {
			return ErrUnsupported
		}
		err := c.Lsetstat(ctx, r.abs(p), a)
		if errors.Is(err, errors.ErrUnsupported) {
			return ErrUnsupported
		}
		return err
	}, nil)
}

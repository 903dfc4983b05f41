package sftp

import (
	"context"
	"fmt"
	"io/fs"
	"strings"
)

// Every request is there twice: StartX queues it and returns at once, X also
// waits. Paths are raw bytes, without NUL, absolute or relative to the server's
// starting directory.

type none = struct{}

func noResult(*decoder) (none, error) { return none{}, nil }

func decodeAttrs(d *decoder) (Attrs, error) {
	a := d.attrs()
	return a, d.err
}

// checkPaths refuses what a server would understand as something else.
func checkPaths(k kind, paths ...string) error {
	for _, p := range paths {
		if strings.IndexByte(p, 0) >= 0 || len(p) > maxPayload/2 {
			return &CallError{Op: k.String(), Path: p[:min(len(p), 256)], Err: fmt.Errorf("path: %w", fs.ErrInvalid)}
		}
	}
	return nil
}

// startPath queues a request that has a path and perhaps attributes.
func startPath[T any](c *Client, k kind, path string, a *Attrs, decode func(*decoder) (T, error)) *Call[T] {
	if ext := kinds[k].extension; ext != "" && !c.Has(ext) {
		return failed[T](c, k, unsupported(k, path))
	}
	if err := checkPaths(k, path); err != nil {
		return failed[T](c, k, err)
	}
	f := c.newFrame(k).str(path)
	if a != nil {
		f.attrs(*a)
	}
	return start(c, k, path, f, decode)
}

// startTwoPaths queues a request that has two paths.
func startTwoPaths(c *Client, k kind, first, second string) *Call[none] {
	if ext := kinds[k].extension; ext != "" && !c.Has(ext) {
		return failed[none](c, k, unsupported(k, first))
	}
	if err := checkPaths(k, first, second); err != nil {
		return failed[none](c, k, err)
	}
	return start(c, k, first, c.newFrame(k).str(first).str(second), noResult)
}

func wait(ctx context.Context, call *Call[none]) error {
	_, err := call.Wait(ctx)
	return err
}

// StartStat asks for a path's attributes; the last symbolic link is followed.
func (c *Client) StartStat(path string) *Call[Attrs] {
	return startPath(c, kindStat, path, nil, decodeAttrs)
}

// Stat is StartStat and Wait.
func (c *Client) Stat(ctx context.Context, path string) (Attrs, error) {
	return c.StartStat(path).Wait(ctx)
}

// StartLstat asks for a path's attributes; the last symbolic link is not followed.
func (c *Client) StartLstat(path string) *Call[Attrs] {
	return startPath(c, kindLstat, path, nil, decodeAttrs)
}

// Lstat is StartLstat and Wait.
func (c *Client) Lstat(ctx context.Context, path string) (Attrs, error) {
	return c.StartLstat(path).Wait(ctx)
}

// StartSetstat changes the attributes that a.Valid names; links are followed.
func (c *Client) StartSetstat(path string, a Attrs) *Call[none] {
	return startPath(c, kindSetstat, path, &a, noResult)
}

// Setstat is StartSetstat and Wait.
func (c *Client) Setstat(ctx context.Context, path string, a Attrs) error {
	return wait(ctx, c.StartSetstat(path, a))
}

// StartLsetstat is StartSetstat for a symbolic link itself. Without ExtLsetstat it
// is errors.ErrUnsupported; Setstat is the same for all that is no link.
func (c *Client) StartLsetstat(path string, a Attrs) *Call[none] {
	return startPath(c, kindLsetstat, path, &a, noResult)
}

// Lsetstat is StartLsetstat and Wait.
func (c *Client) Lsetstat(ctx context.Context, path string, a Attrs) error {
	return wait(ctx, c.StartLsetstat(path, a))
}

// StartMkdir makes a directory with the attributes that a.Valid names (servers
// use the mode, and apply their umask).
func (c *Client) StartMkdir(path string, a Attrs) *Call[none] {
	return startPath(c, kindMkdir, path, &a, noResult)
}

// Mkdir is StartMkdir and Wait.
func (c *Client) Mkdir(ctx context.Context, path string, a Attrs) error {
	return wait(ctx, c.StartMkdir(path, a))
}

// StartRmdir removes an empty directory.
func (c *Client) StartRmdir(path string) *Call[none] {
	return startPath(c, kindRmdir, path, nil, noResult)
}

// Rmdir is StartRmdir and Wait.
func (c *Client) Rmdir(ctx context.Context, path string) error {
	return wait(ctx, c.StartRmdir(path))
}

// StartRemove removes what is not a directory.
func (c *Client) StartRemove(path string) *Call[none] {
	return startPath(c, kindRemove, path, nil, noResult)
}

// Remove is StartRemove and Wait.
func (c *Client) Remove(ctx context.Context, path string) error {
	return wait(ctx, c.StartRemove(path))
}

// StartRename is version 3's rename: it fails (StatusFailure) where newpath exists.
func (c *Client) StartRename(oldpath, newpath string) *Call[none] {
	return startTwoPaths(c, kindRename, oldpath, newpath)
}

// Rename is StartRename and Wait.
func (c *Client) Rename(ctx context.Context, oldpath, newpath string) error {
	return wait(ctx, c.StartRename(oldpath, newpath))
}

// StartPosixRename is rename(2): newpath is replaced. Without ExtPosixRename it is
// errors.ErrUnsupported.
func (c *Client) StartPosixRename(oldpath, newpath string) *Call[none] {
	return startTwoPaths(c, kindPosixRename, oldpath, newpath)
}

// PosixRename is StartPosixRename and Wait.
func (c *Client) PosixRename(ctx context.Context, oldpath, newpath string) error {
	return wait(ctx, c.StartPosixRename(oldpath, newpath))
}

// StartLink makes newpath a hard link to oldpath. Without ExtHardlink it is
// errors.ErrUnsupported.
func (c *Client) StartLink(oldpath, newpath string) *Call[none] {
	return startTwoPaths(c, kindHardlink, oldpath, newpath)
}

// Link is StartLink and Wait.
func (c *Client) Link(ctx context.Context, oldpath, newpath string) error {
	return wait(ctx, c.StartLink(oldpath, newpath))
}

// StartSymlink makes linkpath a symbolic link that says target. The arguments go
// onto the wire in the order that OpenSSH has made the custom, not the draft's.
func (c *Client) StartSymlink(target, linkpath string) *Call[none] {
	return startTwoPaths(c, kindSymlink, target, linkpath)
}

// Symlink is StartSymlink and Wait.
func (c *Client) Symlink(ctx context.Context, target, linkpath string) error {
	return wait(ctx, c.StartSymlink(target, linkpath))
}

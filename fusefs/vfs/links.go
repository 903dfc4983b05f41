package vfs

import (
	"context"
	"slices"
	"strings"
	"syscall"
	"time"
)

// maxTarget is the longest target of a link.
const maxTarget = 4095

// Readlink gives a link's target as Options.Symlinks shows it, in one round trip
// and then from memory while the attributes are fresh. A target that is not
// contained is EPERM where links are.
func (f *FS) Readlink(ctx context.Context, ino uint64) (string, error) {
	target, err := f.readlink(ctx, ino)
	if err != nil {
		return "", err
	}
	mode := f.opts.Symlinks
	if mode == SymlinksTransform || mode == SymlinksTransformContained {
		f.mu.Lock()
		n, err := f.get(ino)
		var at string
		if err == nil {
			at, err = f.path(n)
		}
		f.mu.Unlock()
		if err != nil {
			return "", err
		}
		target = f.relativeTarget(at, target)
	}
	if mode != SymlinksRaw && mode != SymlinksTransform && !contained(target) {
		return "", syscall.EPERM
	}
	return target, nil
}

// contained says that a target leads to nowhere but below the directory that the
// link is in, whatever the server has there: it is not absolute and has no "..".
// What is in between may be a link to anywhere, so that counting directories
// up and down would prove nothing.
func contained(target string) bool {
	return !strings.HasPrefix(target, "/") && !slices.Contains(strings.Split(target, "/"), "..")
}

// readlink gives a link's target as the server has it, in one round trip and then
// from memory while the attributes are fresh.
func (f *FS) readlink(ctx context.Context, ino uint64) (string, error) {
	f.mu.Lock()
	n, err := f.get(ino)
	if err != nil {
		f.mu.Unlock()
		return "", err
	}
	if n.attr.Mode&modeType != modeLink {
		f.mu.Unlock()
		return "", syscall.EINVAL
	}
	if n.link != "" && !f.strict() && time.Since(n.linkAt) < f.opts.AttrTTL {
		defer f.mu.Unlock()
		return n.link, nil
	}
	path, err := f.path(n)
	f.mu.Unlock()
	if err != nil {
		return "", err
	}
	target, err := f.r.Readlink(ctx, path)
	if err != nil {
		if linkTrouble(err) {
			f.mu.Lock()
			defer f.mu.Unlock()
			if n.link != "" {
				return n.link, nil
			}
		}
		return "", err
	}
	if target == "" || len(target) > maxTarget || strings.IndexByte(target, 0) >= 0 {
		// The kernel would take a NUL for the end, and follow what is before it.
		return "", syscall.EIO
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	n.link, n.linkAt = target, time.Now()
	return target, nil
}

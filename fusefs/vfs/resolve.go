package vfs

import (
	"context"
	"path"
	"strings"

	"golang.org/x/sync/errgroup"
)

// maxLinks bounds the links on one way, as the kernel does.
const maxLinks = 40

// resolve finds out where a link leads, in SymlinksResolve and SymlinksFollow, and
// makes the node show what is there. A link that leads to nothing, in a circle
// or (SymlinksResolve) out of the tree stays a link. Nothing is taken from the
// target's text alone: the server follows it, or each step is looked at there.
func (f *FS) resolve(ctx context.Context, n *node) {
	f.mu.Lock()
	p, err := f.path(n)
	since := f.tick
	todo := f.unresolved(n)
	f.mu.Unlock()
	if !todo || err != nil {
		return
	}
	if f.opts.Symlinks == SymlinksFollow {
		f.followOnServer(ctx, n, p, since)
		return
	}
	target, a, ok := f.follow(ctx, p)
	f.mu.Lock()
	defer f.mu.Unlock()
	if n.gone || n.tick > since || !f.unresolved(n) {
		return
	}
	n.tried = ctx.Err() == nil
	if !ok {
		return
	}
	for d := n.parent; d != nil; d = d.parent {
		if dp, err := f.path(d); err == nil && dp == target {
			// It leads to a directory that it is in: shown, a walk would not end.
			return
		}
	}
	n.target, n.own = &target, n.attr
	n.attr = a
	n.setType(a.Mode)
}

// followOnServer makes a link's node show what the server finds behind it.
func (f *FS) followOnServer(ctx context.Context, n *node, p string, since uint64) {
	a, err := f.r.Stat(ctx, p)
	if err == nil {
		err = checkAttrs(&a)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if n.gone || n.tick > since || !f.unresolved(n) {
		return
	}
	n.tried = ctx.Err() == nil
	if err != nil || a.Mode&modeType == modeLink {
		return
	}
	n.followed, n.own = true, n.attr
	n.attr = a
	n.setType(a.Mode)
}

// unresolved says that nobody has looked yet where a link leads. FS.mu is held.
func (f *FS) unresolved(n *node) bool {
	return f.followsLinks() && n.attr.Mode&modeType == modeLink && !n.tried
}

// followsLinks says that links are shown as what they lead to.
func (f *FS) followsLinks() bool {
	return f.opts.Symlinks == SymlinksResolve || f.opts.Symlinks == SymlinksFollow
}

// follow gives the path, free of links, to which a link leads.
func (f *FS) follow(ctx context.Context, link string) (string, Attrs, bool) {
	dir, base := path.Split(link)
	at := strings.TrimSuffix(dir, "/")
	rest := []string{base}
	var a Attrs
	for links := 0; len(rest) > 0; {
		name := rest[0]
		rest = rest[1:]
		switch name {
		case "", ".":
			continue
		case "..":
			if at == "" {
				return "", a, false
			}
			at = strings.TrimSuffix(dirOf(at), "/")
			continue
		}
		p := join(at, name)
		var err error
		if a, err = f.r.Lstat(ctx, p); err != nil || checkAttrs(&a) != nil {
			return "", a, false
		}
		if a.Mode&modeType != modeLink {
			at = p
			continue
		}
		if links++; links > maxLinks {
			return "", a, false
		}
		target, err := f.r.Readlink(ctx, p)
		if err != nil || target == "" {
			return "", a, false
		}
		if strings.HasPrefix(target, "/") {
			rel, ok := f.insideRoot(target)
			if !ok {
				return "", a, false
			}
			at, target = "", rel
		}
		rest = append(strings.Split(target, "/"), rest...)
		if len(rest) > 4096 {
			return "", a, false
		}
	}
	var err error
	if a, err = f.r.Lstat(ctx, at); err != nil || checkAttrs(&a) != nil || a.Mode&modeType == modeLink {
		return "", a, false
	}
	return at, a, true
}

func dirOf(p string) string {
	dir, _ := path.Split(p)
	return dir
}

// insideRoot gives what follows the root in an absolute target.
func (f *FS) insideRoot(target string) (string, bool) {
	rooted, ok := f.r.(Rooted)
	if !ok || !strings.HasPrefix(target, "/") {
		return "", false
	}
	for _, root := range []string{rooted.RealRoot(), rooted.Root()} {
		switch rest, below := strings.CutPrefix(target, strings.TrimSuffix(root, "/")+"/"); {
		case root == "":
		case target == root:
			return ".", true
		case below:
			return rest, true
		}
	}
	return "", false
}

// resolveAll resolves the links that a listing showed, several at a time.
func (f *FS) resolveAll(ctx context.Context, d *node) {
	f.mu.Lock()
	var links []*node
	if d.dir != nil {
		for _, c := range d.dir.children {
			if f.unresolved(c) {
				links = append(links, c)
			}
		}
	}
	f.mu.Unlock()
	var g errgroup.Group
	g.SetLimit(16)
	for _, n := range links {
		g.Go(func() error {
			f.resolve(ctx, n)
			return nil
		})
	}
	_ = g.Wait() // none of them returns an error
}

// belowLink says that a directory is reached through a link, where that keeps
// what is in it from being removed. FS.mu is held.
func (f *FS) belowLink(d *node) bool {
	for ; d != nil; d = d.parent {
		if d.target != nil || d.followed && f.opts.KeepTargets {
			return true
		}
	}
	return false
}

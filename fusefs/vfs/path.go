package vfs

import (
	"strings"
	"syscall"
)

// path is where the remote has the node.
func (f *FS) path(n *node) (string, error) {
	var parts []string
	for m := n; m != f.root; m = m.parent {
		if m == nil || m.gone {
			return "", syscall.ENOENT
		}
		if m.target != nil {
			parts = append(parts, *m.target)
			break
		}
		parts = append(parts, m.name)
	}
	var b strings.Builder
	for i := len(parts) - 1; i >= 0; i-- {
		if b.Len() > 0 && parts[i] != "" {
			b.WriteByte('/')
		}
		b.WriteString(parts[i])
	}
	return b.String(), nil
}

// linkPath is the path of the name itself, also where it is a resolved link.
func (f *FS) linkPath(n *node) (string, error) {
	if n == f.root {
		return "", nil
	}
	if n.gone || n.parent == nil {
		return "", syscall.ENOENT
	}
	p, err := f.path(n.parent)
	if err != nil {
		return "", err
	}
	return join(p, n.name), nil
}

func join(dir, name string) string {
	if dir == "" {
		return name
	}
	return dir + "/" + name
}

// shown is the name under which the node is shown.
func (f *FS) shown(n *node) string {
	if n.alias != "" {
		return n.alias
	}
	return f.names.show(n.name)
}

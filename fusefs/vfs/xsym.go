package vfs

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"path"
	"strconv"
	"strings"
	"syscall"
)

// xsymSize is the size of every file that a Mac reads as a symbolic link:
// "XSym", the target's length in four digits, its MD5 and the target, each on a
// line, padded with spaces.
const xsymSize = 1067

const xsymMagic = "XSym\n"

// maxXSym is the longest target that fits.
const maxXSym = xsymSize - len(xsymMagic) - 5 - 33 - 1

// encodeXSym gives the file that shows a link to target, nil for one that does
// not fit.
func encodeXSym(target string) []byte {
	if len(target) > maxXSym {
		return nil
	}
	sum := md5.Sum([]byte(target))
	b := fmt.Appendf(make([]byte, 0, xsymSize), "%s%04d\n%s\n%s\n", xsymMagic, len(target), hex.EncodeToString(sum[:]), target)
	if len(b) > xsymSize {
		return b[:xsymSize]
	}
	return append(b, bytes.Repeat([]byte{' '}, xsymSize-len(b))...)
}

// decodeXSym reads the target from such a file.
func decodeXSym(b []byte) (string, bool) {
	if len(b) != xsymSize || !bytes.HasPrefix(b, []byte(xsymMagic)) || b[9] != '\n' || b[42] != '\n' {
		return "", false
	}
	n, err := strconv.Atoi(string(b[5:9]))
	if err != nil || n <= 0 || n > maxXSym {
		return "", false
	}
	target := string(b[43 : 43+n])
	sum := md5.Sum([]byte(target))
	if hex.EncodeToString(sum[:]) != string(b[10:42]) || strings.IndexByte(target, 0) >= 0 {
		return "", false
	}
	return target, true
}

// keepHead notes what a handle writes into the first bytes of a file.
func keepHead(head, data []byte, off int64) []byte {
	end := min(off+int64(len(data)), xsymSize)
	for int64(len(head)) < end {
		head = append(head, 0)
	}
	copy(head[off:end], data)
	return head
}

// Rooted is what a Remote may tell besides: the path of its root on the server,
// as it was named and without links, by which absolute targets inside the tree
// are recognised.
type Rooted interface {
	Root() string
	RealRoot() string
}

// linksAreFiles says that what is a link to this filesystem is a file to its users.
func (f *FS) linksAreFiles() bool { return f.opts.Symlinks == SymlinksXSym || f.opts.KeepTargets }

// openLink opens a link that is shown as a file.
func (f *FS) openLink(ctx context.Context, n *node, flags uint32) (Opened, error) {
	if !f.linksAreFiles() {
		return Opened{}, syscall.ELOOP
	}
	if flags&syscall.O_ACCMODE != syscall.O_RDONLY {
		// It is replaced, never written into.
		return Opened{}, syscall.EACCES
	}
	target, err := f.readlink(ctx, n.ino)
	if err != nil {
		return Opened{}, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	linkPath, err := f.path(n)
	if err != nil {
		return Opened{}, err
	}
	content := encodeXSym(f.relativeTarget(linkPath, target))
	if content == nil {
		return Opened{}, syscall.ENAMETOOLONG
	}
	h := f.newHandle(n, flags)
	h.fixed = content
	return Opened{FH: h.fh}, nil
}

// relativeTarget makes an absolute target inside the tree relative: the server's
// root is not the Mac's.
func (f *FS) relativeTarget(linkPath, target string) string {
	rest, inside := f.insideRoot(path.Clean(target))
	if !inside {
		return target
	}
	rest = strings.TrimPrefix(rest, ".")
	up := strings.Repeat("../", strings.Count(linkPath, "/"))
	if rel := up + rest; rel != "" {
		return strings.TrimSuffix(rel, "/")
	}
	return "."
}

// becomeLink makes a file that was written as a link's image a real link: under
// another name first, then in the file's place, so that the name never fails.
func (f *FS) becomeLink(ctx context.Context, h *handle) error {
	n := h.n
	f.mu.Lock()
	target, ok := decodeXSym(h.head)
	f.mu.Unlock()
	if !ok {
		return nil
	}
	done, err := f.changeNames(ctx, n)
	if err != nil {
		return err
	}
	defer done()
	f.mu.Lock()
	ok = n.attr.Size == xsymSize && !n.gone && !n.dirty()
	d, name := n.parent, n.name
	f.mu.Unlock()
	if !ok {
		return nil
	}
	p, used, err := f.usePlace(ctx, d, name)
	if err != nil {
		return err
	}
	defer used()
	tmp := temporaryName(p)
	if err := f.r.Symlink(ctx, target, tmp); err != nil {
		return f.whyCreate(ctx, tmp, err)
	}
	if err := f.r.Rename(ctx, tmp, p); err != nil {
		if rerr := f.r.Remove(ctx, tmp); rerr != nil {
			f.log.Warn("a link's temporary name is left over", "path", tmp, "err", rerr)
		}
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	h.head = nil
	if n.gone {
		return nil
	}
	f.touch(n.parent, n.name)
	n.attr.Mode = modeLink | 0o777
	n.attr.Size = uint64(len(target))
	n.link = ""
	n.attrAt = zeroTime
	f.spans.dropAll(n)
	f.changed(n)
	f.invals.data(n.ino)
	return nil
}

package vfs

import (
	"fmt"
	"math"
	"syscall"
	"time"

	"sshfs-bridge/fusefs/sftp"
)

// Mode bits as on the wire, which are Linux's.
const (
	modeType    = syscall.S_IFMT
	modeDir     = syscall.S_IFDIR
	modeRegular = syscall.S_IFREG
	modeLink    = syscall.S_IFLNK
	modePerm    = 0o7777
)

const attrsAll = sftp.AttrSize | sftp.AttrUIDGID | sftp.AttrMode | sftp.AttrTimes

// Attr is what a node looks like to its users.
type Attr struct {
	Ino          uint64
	Mode         uint32 // type and permissions
	Size         uint64
	UID, GID     uint32
	Nlink        uint32
	Atime, Mtime int64 // seconds since 1970
}

// Node is the answer to a lookup: a node, and how long name and attributes may
// be used without asking again. Ino 0 with a TTL says how long the name may be
// taken for absent.
type Node struct {
	Ino               uint64
	Attr              Attr
	EntryTTL, AttrTTL time.Duration
}

// creds is what we learnt of the account on the server from files we created.
type creds struct {
	known    bool
	uid, gid uint32
	umask    uint32
}

// checkAttrs refuses what cannot be, and fills in what a server left out.
func checkAttrs(a *Attrs) error {
	if a.Size > math.MaxInt64 {
		return fmt.Errorf("%w: size %d", errBadAttrs, a.Size)
	}
	if a.Valid&sftp.AttrMode == 0 {
		a.Mode = modeRegular | 0o644
	}
	if a.Mode&modeType == 0 {
		a.Mode |= modeRegular
	}
	return nil
}

// attrOf is the node as shown.
func (f *FS) attrOf(n *node) Attr {
	a := Attr{
		Ino: n.ino, Mode: n.attr.Mode, Size: n.attr.Size,
		UID: n.attr.UID, GID: n.attr.GID, Nlink: 1,
		Atime: int64(n.attr.Atime), Mtime: int64(n.attr.Mtime),
	}
	if n.shows != 0 {
		a.Ino = n.shows
	}
	if n.gone {
		a.Nlink = 0
	}
	switch {
	case n.dir != nil:
		a.Mode = modeDir | a.Mode&modePerm
		a.Size = 4096
	case n.attr.Mode&modeType == modeLink && f.linksAreFiles():
		a.Mode, a.Size = modeRegular|0o644, xsymSize
	}
	if f.opts.UID != nil {
		a.UID = *f.opts.UID
	}
	if f.opts.GID != nil {
		a.GID = *f.opts.GID
	}
	if f.opts.UID != nil && a.Mode&modeType != modeLink {
		a.Mode |= 0o600
	}
	if f.opts.ReadOnly && a.Mode&modeType != modeLink {
		a.Mode &^= 0o222
	}
	return a
}

// attrFresh says whether a node's attributes may be used without asking. What we
// are writing is ours to know.
func (f *FS) attrFresh(n *node) bool { return f.attrLeft(n) > 0 || n.dirty() || n.loc != nil }

// attrLeft is for how long the kernel may use the attributes.
func (f *FS) attrLeft(n *node) time.Duration {
	ttl := f.opts.AttrTTL
	switch {
	case f.strict():
		return 0
	case n.loc != nil:
		return ttl
	case n.attrAt.IsZero() || n.attrAt.Before(f.forgotAt):
		return 0
	}
	if n.guess {
		ttl = min(ttl, guessTTL)
	}
	return max(0, ttl-time.Since(n.attrAt))
}

// info is the answer that shows n to the kernel, which then knows it.
func (f *FS) info(n *node) Node {
	n.nlookup++
	return f.peek(n)
}

func (f *FS) peek(n *node) Node {
	left := f.attrLeft(n)
	out := Node{Ino: n.ino, Attr: f.attrOf(n), EntryTTL: left, AttrTTL: left}
	if n.parent != nil && !n.gone && (n.file == nil || !n.file.doubt) {
		out.EntryTTL = max(left, f.listLeft(n.parent))
	}
	return out
}

// apply takes over what the remote told of n. since is the tick at which it was
// asked: what we changed later stands, while we change its name nobody knows whether
// that is the file of before or the one of after, and of one that has lost its name
// nothing can be told. Of a file that is open here it only notes that the next look has
// to find out whose attributes they are. It reports whether anything that users see is
// different.
func (f *FS) apply(n *node, a Attrs, since uint64, at time.Time) bool {
	if f.knowsBetter(n, since) {
		return false
	}
	if f.inDoubt(n, a) {
		first := !n.file.doubt
		n.file.doubt, n.attrAt = true, zeroTime
		if first && n.nlookup > 0 {
			f.invals.entry(n.parent.ino, f.shown(n))
		}
		return first
	}
	old := f.attrOf(n)
	f.take(n, a, at)
	return f.attrOf(n) != old
}

// knowsBetter says that what was asked at the tick since tells nothing of n.
func (f *FS) knowsBetter(n *node, since uint64) bool {
	return n.tick > since || n.dirty() || n.gone || f.nameUse.changing[n] > 0
}

// take makes a, as of at, the attributes of n. FS.mu is held.
func (f *FS) take(n *node, a Attrs, at time.Time) {
	if n.attr.Mtime != a.Mtime || n.attr.Size != a.Size {
		n.link, n.tried = "", false
	}
	n.attr, n.attrAt, n.guess = a, at, false
	if n.file == nil {
		return
	}
	n.file.doubt = false
	v, was := f.stamp(a), n.file.ver
	other := was.size != v.size || was.mtime != v.mtime
	if !was.set || !other && (!was.racy || v.racy) {
		return
	}
	if other {
		n.file.foreign++
	}
	f.dropData(n)
	if n.file.readers > 0 {
		n.file.ver = v // what is read from now on
	}
}

// dropData forgets a file's data here and in the kernel.
func (f *FS) dropData(n *node) {
	f.spans.dropAll(n)
	n.file.ver = version{}
	if n.nlookup > 0 {
		n.file.told = f.invals.data(n.ino)
	}
}

// sameType says that attributes can belong to the node.
func (n *node) sameType(mode uint32) bool { return n.attr.Mode&modeType == mode&modeType }

// adopt takes over what the remote told of a name in dir and gives its node,
// which is a new one when the name is new or of another type.
func (f *FS) adopt(dir *node, name string, a Attrs, since uint64, at time.Time) (n *node, changed bool) {
	c := dir.dir.children[name]
	if c != nil && c.loc != nil {
		return c, false // it is behind ours
	}
	if c != nil && c.behindLink() && a.Mode&modeType == modeLink {
		if a.Mtime == c.own.Mtime && a.Size == c.own.Size || c.tick > since {
			// It shows where it leads; what that looks like, its own path tells.
			return c, false
		}
		// It leads elsewhere now.
	}
	if c != nil && (c.behindLink() || !c.sameType(a.Mode)) {
		if c.tick > since || f.nameUse.changing[c] > 0 {
			return c, false
		}
		f.lose(c)
		c = nil
	}
	if c == nil {
		c = f.newNode(dir, name, a)
		c.attr, c.attrAt = a, at
		return c, true
	}
	return c, f.apply(c, a, since, at)
}

package vfs

import (
	"fmt"
	"log/slog"
	"slices"
	"time"

	"sshfs-bridge/fusefs/vfs/localmeta"
)

// CacheMode says how long what is known may be used.
type CacheMode string

// The cache modes. The zero value is CacheDefault.
const (
	// CacheDefault trusts attributes and listings for AttrTTL.
	CacheDefault CacheMode = "default"
	// CacheStrict asks the server at every lookup, stat, list and open; data
	// stay cached while size and time hold.
	CacheStrict CacheMode = "strict"
	// CacheOff is strict and keeps no data beyond the last close.
	CacheOff CacheMode = "off"
)

// ParseCacheMode reads a cache mode; empty is CacheDefault.
func ParseCacheMode(s string) (CacheMode, error) {
	switch m := CacheMode(s); m {
	case "":
		return CacheDefault, nil
	case CacheDefault, CacheStrict, CacheOff:
		return m, nil
	}
	return "", fmt.Errorf("cache mode %q: want default, strict or off", s)
}

// SymlinkMode says how a remote symbolic link is shown.
type SymlinkMode string

// The symlink modes. The zero value is SymlinksContained. In SymlinksRaw and
// SymlinksTransform a hostile server decides where on this machine a link leads;
// in all others no link of its leads out of the mount.
const (
	// SymlinksContained shows links as links; one whose target is absolute or has
	// a ".." in it cannot be read or followed (EPERM), as with sshfs's
	// contain_symlinks.
	SymlinksContained SymlinkMode = "contained"
	// SymlinksRaw shows links as links, with their targets as they are.
	SymlinksRaw SymlinkMode = "raw"
	// SymlinksTransform is SymlinksRaw, but absolute targets inside the tree are
	// made relative.
	SymlinksTransform SymlinkMode = "transform"
	// SymlinksTransformContained makes absolute targets inside the tree relative,
	// and then contains them.
	SymlinksTransformContained SymlinkMode = "transform-contained"
	// SymlinksFollow has the server follow every link, also out of the tree there;
	// one that leads to nothing is shown as a link, contained.
	SymlinksFollow SymlinkMode = "follow"
	// SymlinksXSym shows links as the small files that a Mac reads as links,
	// and turns such a file into a link when it is closed.
	SymlinksXSym SymlinkMode = "xsym"
	// SymlinksResolve shows the target where it is inside the tree, and the
	// link itself, contained, elsewhere.
	SymlinksResolve SymlinkMode = "resolve"
)

// SymlinkModes are all symlink modes.
func SymlinkModes() []SymlinkMode {
	return []SymlinkMode{
		SymlinksXSym, SymlinksResolve, SymlinksContained, SymlinksRaw, SymlinksFollow, SymlinksTransform, SymlinksTransformContained,
	}
}

// ParseSymlinkMode reads a symlink mode; empty is SymlinksContained.
func ParseSymlinkMode(s string) (SymlinkMode, error) {
	if s == "" {
		return SymlinksContained, nil
	}
	if m := SymlinkMode(s); slices.Contains(SymlinkModes(), m) {
		return m, nil
	}
	return "", fmt.Errorf("symlink mode %q: want one of %q", s, SymlinkModes())
}

// Options is what a filesystem is made of. Every zero value means the default
// that its comment names.
type Options struct {
	// UID and GID own every file; nil shows and sets the remote's own ids
	// (POSIX mode, to be mounted with default_permissions).
	UID, GID *uint32
	// ReadOnly refuses every change without asking the server, and shows no
	// write permission.
	ReadOnly bool
	// Cache is CacheDefault when empty.
	Cache CacheMode
	// AttrTTL is how long attributes and listings are trusted (20 s).
	AttrTTL time.Duration
	// Symlinks is SymlinksContained when empty.
	Symlinks SymlinkMode
	// SMBNames shows names that SMB cannot carry, or that a Mac would take for
	// one another, in a form that it can; it follows from SymlinksXSym.
	SMBNames bool
	// KeepTargets is for a user such as smbd, who follows links by himself and
	// deletes folders with all that is in them: nobody gets to see a link, so that
	// no delete reaches what one leads to. What SymlinksResolve and SymlinksFollow
	// do not show as something else is the file of SymlinksXSym, as every link is in
	// the other modes, and below a link that SymlinksFollow shows as a directory
	// nothing can be removed or renamed, as is always so with SymlinksResolve.
	KeepTargets bool
	// CacheBytes bounds the file data in memory (128 MiB).
	CacheBytes int64
	// MaxNodes bounds the files and directories that are remembered without
	// being in use (100,000).
	MaxNodes int
	// MaxOpen bounds the files and directories that are open at once (16,384); one
	// more is refused with ENFILE.
	MaxOpen int
	// MaxReadAhead bounds what is fetched ahead of one reader (64 MiB, which is
	// two round trips of 100 ms at 300 MB/s); all of them together have half of
	// CacheBytes, and a Remote that is an Advisor bounds it too.
	MaxReadAhead int64
	// Local keeps extended attributes, and what LocalNames keeps from the server;
	// FS.Close closes it. Nil keeps them in memory, bounded by MaxXattrBytes (64
	// MiB).
	Local         *localmeta.Store
	MaxXattrBytes int64
	// LocalNames keeps a Mac's own files (.DS_Store, .Spotlight-V100, .fseventsd,
	// .apdisk, and "._x" that is AppleDouble) in Local and not on the server, and
	// refuses .Trashes.
	LocalNames bool
	// NoPrefetch turns listing ahead and reading ahead of siblings off.
	NoPrefetch bool
	// NoBackgroundCheck leaves listings alone until they are used again.
	NoBackgroundCheck bool
	// OnRemoteChange is told that others changed a directory that somebody holds
	// open: its path as it is shown ("" is the root), and the names, as shown, of
	// some of what is new or changed in it; none where something is only gone. It
	// is called after the kernel was told to forget, by one goroutine, and must
	// not block. Without a Kernel nobody is told.
	OnRemoteChange func(dir string, names []string) `json:"-"`
	// ForgetUnused is called where the kernel still remembers too many directories
	// that it was told to forget (Kernel.Prune): whoever mounted can have it forget
	// all that nobody uses (fusefs.ForgetUnused). It comes once a second at most,
	// from one goroutine, and must not block. Nil leaves them to the kernel.
	ForgetUnused func() `json:"-"`
	// Logger gets what happens; nil discards it.
	Logger *slog.Logger
}

const (
	// openTTL is the age below which an open does not ask for attributes.
	openTTL = 2 * time.Second
	// racyTime is how near to its modification a file's data are not trusted.
	racyTime = 2
	// guessTTL is how long attributes are trusted that we made up for what we
	// created without an answer that tells them.
	guessTTL = 2 * time.Second
	// statFSTTL is the age at which free space is asked for again.
	statFSTTL = 10 * time.Second
)

func (o Options) withDefaults() Options {
	if o.Cache == "" {
		o.Cache = CacheDefault
	}
	if o.AttrTTL <= 0 {
		o.AttrTTL = 20 * time.Second
	}
	if o.Symlinks == "" {
		o.Symlinks = SymlinksContained
	}
	if o.KeepTargets && o.Symlinks != SymlinksResolve && o.Symlinks != SymlinksFollow {
		o.Symlinks = SymlinksXSym
	}
	if o.Symlinks == SymlinksXSym {
		o.SMBNames = true
	}
	if o.CacheBytes <= 0 {
		o.CacheBytes = 128 << 20
	}
	if o.MaxOpen <= 0 {
		o.MaxOpen = 16 << 10
	}
	if o.MaxNodes <= 0 {
		o.MaxNodes = 100_000
	}
	if o.MaxReadAhead <= 0 {
		o.MaxReadAhead = 64 << 20
	}
	if o.MaxXattrBytes <= 0 {
		o.MaxXattrBytes = 64 << 20
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Local == nil {
		o.Local = localmeta.Memory(localmeta.Options{MaxBytes: o.MaxXattrBytes, Logger: o.Logger})
	}
	return o
}

package vfs

import (
	"fmt"
	"log/slog"
	"time"
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

// The symlink modes. The zero value is SymlinksRaw.
const (
	// SymlinksRaw shows links as links, with their targets as they are.
	SymlinksRaw SymlinkMode = "raw"
	// SymlinksXSym shows links as the small files that a Mac reads as links,
	// and turns such a file into a link when it is closed.
	SymlinksXSym SymlinkMode = "xsym"
	// SymlinksResolve shows the target where it is inside the tree, and the
	// link itself elsewhere.
	SymlinksResolve SymlinkMode = "resolve"
)

// ParseSymlinkMode reads a symlink mode; empty is SymlinksRaw.
func ParseSymlinkMode(s string) (SymlinkMode, error) {
	switch m := SymlinkMode(s); m {
	case "":
		return SymlinksRaw, nil
	case SymlinksRaw, SymlinksXSym, SymlinksResolve:
		return m, nil
	}
	return "", fmt.Errorf("symlink mode %q: want raw, xsym or resolve", s)
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
	// Symlinks is SymlinksRaw when empty.
	Symlinks SymlinkMode
	// SMBNames shows names that SMB cannot carry, or that a Mac would take for
	// one another, in a form that it can; it follows from SymlinksXSym.
	SMBNames bool
	// CacheBytes bounds the file data in memory (128 MiB).
	CacheBytes int64
	// MaxNodes bounds the files and directories that are remembered without
	// being in use (100,000).
	MaxNodes int
	// MaxReadAhead bounds what is fetched ahead of one reader (32 MiB, and a
	// quarter of CacheBytes).
	MaxReadAhead int64
	// MaxXattrBytes bounds names and values of all extended attributes
	// (64 MiB).
	MaxXattrBytes int64
	// NoPrefetch turns listing ahead and reading ahead of siblings off.
	NoPrefetch bool
	// NoBackgroundCheck leaves listings alone until they are used again.
	NoBackgroundCheck bool
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
		o.Symlinks = SymlinksRaw
	}
	if o.Symlinks == SymlinksXSym {
		o.SMBNames = true
	}
	if o.CacheBytes <= 0 {
		o.CacheBytes = 128 << 20
	}
	if o.MaxNodes <= 0 {
		o.MaxNodes = 100_000
	}
	if o.MaxReadAhead <= 0 {
		o.MaxReadAhead = 32 << 20
	}
	o.MaxReadAhead = min(o.MaxReadAhead, o.CacheBytes/4)
	if o.MaxXattrBytes <= 0 {
		o.MaxXattrBytes = 64 << 20
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

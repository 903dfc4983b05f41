package vfs

import (
	"errors"
	"strings"
	"syscall"
	"time"
)

const (
	// listedLately is how old a listing may be that says of a name that it is
	// gone for good.
	listedLately = time.Minute
	// roomPause is the time between two searches for what can be dropped.
	roomPause = 10 * time.Second
)

// withRoom does what needs room in the store; where there is none, it drops what
// is kept of files that the server has no longer, and tries once more.
func (f *FS) withRoom(do func() error) error {
	err := do()
	if errors.Is(err, syscall.ENOSPC) && f.makeRoom() {
		return do()
	}
	return err
}

// makeRoom drops what is kept of names that a listing did not have lately: others
// removed or renamed them on the server. As long as there is room it stays, since
// a directory may be empty for a while only (a disk of the server that was not
// mounted).
func (f *FS) makeRoom() bool {
	f.mu.Lock()
	if time.Since(f.roomAt) < roomPause {
		f.mu.Unlock()
		return false
	}
	f.roomAt = time.Now()
	f.mu.Unlock()
	paths := f.local.Paths()
	var gone []string
	f.mu.Lock()
	for _, p := range paths {
		if f.vanished(p) {
			gone = append(gone, p)
		}
	}
	f.mu.Unlock()
	for _, p := range gone {
		f.forgetLocal(p)
	}
	if len(gone) > 0 {
		f.log.Info("local metadata of files that are gone dropped", "path", gone[0], "files", len(gone))
	}
	return len(gone) > 0
}

// vanished says that a path, or what is above it, was not in a listing that was
// made lately. FS.mu is held.
func (f *FS) vanished(path string) bool {
	d := f.root
	for name := range strings.SplitSeq(path, "/") {
		if d.dir == nil {
			return true
		}
		c := d.dir.children[name]
		if c == nil {
			return d.loc == nil && d.dir.complete && time.Since(d.dir.listedAt) < listedLately
		}
		d = c
	}
	return false
}

package vfs

import (
	"context"
	"syscall"
	"time"
)

// dirHandle is an open directory: the listing as it was when it was opened or
// rewound, so that offsets stay what they are.
type dirHandle struct {
	entries []*node
	read    bool
}

// DirEntry is one entry of an open directory.
type DirEntry struct {
	Name string
	Ino  uint64
	Mode uint32 // the type bits
	// Off is where the directory goes on behind it.
	Off uint64
	// Node is set for ReadDirPlus, except for "." and "..".
	Node Node
}

// OpenDir opens a directory. It waits for no round trip while the listing is
// fresh, and for at most three otherwise.
func (f *FS) OpenDir(ctx context.Context, ino uint64) (uint64, error) {
	f.mu.Lock()
	d, err := f.getDir(ino)
	if err != nil {
		f.mu.Unlock()
		return 0, err
	}
	if len(f.handles)+f.opening >= f.opts.MaxOpen {
		f.mu.Unlock()
		return 0, syscall.ENFILE
	}
	h := f.newHandle(d, 0)
	h.dir = &dirHandle{}
	f.mu.Unlock()
	if err := f.snapshot(ctx, h); err != nil {
		f.Release(h.fh)
		return 0, err
	}
	return h.fh, nil
}

// snapshot makes the handle show the directory as it is now.
func (f *FS) snapshot(ctx context.Context, h *handle) error {
	d := h.n
	f.mu.Lock()
	d.dir.usedAt = time.Now()
	fresh := f.listLeft(d) > 0
	since := f.tick
	began := time.Now()
	here, coming := d.loc != nil, d.dir.fetch
	f.mu.Unlock()
	if here {
		if err := f.loadLocal(d); err != nil && !d.gone {
			return err
		}
	} else if !fresh && !d.gone {
		err := f.listAfter(ctx, d, coming, func(l *listFetch) bool {
			// A strict listing must not have begun before it was asked for.
			return !f.strict() || l.since >= since && !l.began.Before(began)
		})
		if err != nil {
			f.mu.Lock()
			stale := d.dir.complete && linkTrouble(err)
			if notExist(err) {
				f.lose(d)
			}
			f.mu.Unlock()
			if !stale {
				return err
			}
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.sort(d)
	h.dir.entries = d.dir.order
	h.dir.read = false
	f.noteWalk(d)
	return nil
}

// ReadDir hands entries from off on to add until that returns false. With plus
// each comes with its attributes and counts as looked up, from the listing and so
// without a round trip.
func (f *FS) ReadDir(ctx context.Context, fh uint64, off uint64, plus bool, add func(DirEntry) bool) error {
	h, err := f.handle(fh)
	if err != nil {
		return err
	}
	if h.dir == nil {
		return syscall.ENOTDIR
	}
	if off == 0 && h.dir.read {
		if err := f.snapshot(ctx, h); err != nil {
			return err
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	h.dir.read = true
	d := h.n
	d.dir.negative = true
	if off == 0 {
		if !add(DirEntry{Name: ".", Ino: d.ino, Mode: modeDir, Off: 1}) {
			return nil
		}
		off = 1
	}
	if off == 1 {
		up := d
		if d.parent != nil {
			up = d.parent
		}
		if !add(DirEntry{Name: "..", Ino: up.ino, Mode: modeDir, Off: 2}) {
			return nil
		}
		off = 2
	}
	for i := int64(off) - 2; i >= 0 && i < int64(len(h.dir.entries)); i++ {
		c := h.dir.entries[i]
		if c.gone || c.parent != d || f.nodes[c.ino] != c || f.companion(d, c) {
			continue
		}
		a := f.attrOf(c)
		e := DirEntry{Name: f.shown(c), Ino: a.Ino, Mode: a.Mode & modeType, Off: uint64(i) + 3}
		if plus {
			e.Node = f.peek(c)
		}
		if !add(e) {
			return nil
		}
		if plus {
			c.nlookup++
		}
	}
	return nil
}

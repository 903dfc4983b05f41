package vfs

import (
	"context"
	"errors"
	"sync"
	"time"
)

// statFSCache keeps the answer about free space: every look at a folder in
// Finder asks for it.
type statFSCache struct {
	mu      sync.Mutex
	st      StatFS
	at      time.Time
	running bool
}

// StatFS tells the free space. Only the first call waits for the server; later
// ones give what is known, and have it asked for anew when it is old.
func (f *FS) StatFS(ctx context.Context) (StatFS, error) {
	c := &f.statfs
	c.mu.Lock()
	if c.at.IsZero() {
		c.mu.Unlock()
		st, err := f.askStatFS(ctx)
		if err != nil {
			return StatFS{}, err
		}
		c.mu.Lock()
		c.st, c.at = st, time.Now()
	} else if time.Since(c.at) > statFSTTL && !c.running {
		c.running = true
		f.spawn(func(ctx context.Context) {
			st, err := f.askStatFS(ctx)
			c.mu.Lock()
			defer c.mu.Unlock()
			c.running = false
			if err == nil {
				c.st = st
			}
			c.at = time.Now()
		})
	}
	defer c.mu.Unlock()
	return c.st, nil
}

// askStatFS asks the server. One that cannot tell has a large disk: Finder
// refuses to copy to one without room.
func (f *FS) askStatFS(ctx context.Context) (StatFS, error) {
	st, err := f.r.StatFS(ctx)
	if err != nil && !errors.Is(err, errors.ErrUnsupported) {
		return StatFS{}, err
	}
	if err != nil || st.Blocks == 0 {
		const unknown = 1 << 40 / 4096
		st = StatFS{
			BlockSize: 4096, FragmentSize: 4096,
			Blocks: unknown, BlocksFree: unknown, BlocksAvailable: unknown,
		}
	}
	if st.FragmentSize == 0 {
		st.FragmentSize = max(st.BlockSize, 512)
	}
	if st.BlockSize == 0 {
		st.BlockSize = st.FragmentSize
	}
	if st.NameMax == 0 || st.NameMax > 255 {
		st.NameMax = 255
	}
	return st, nil
}

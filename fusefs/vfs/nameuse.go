package vfs

import (
	"context"
	"slices"
	"syscall"
	"time"
)

// nameUse keeps apart, for each file, what asks the server by a name and what
// changes that name: an OPEN that overtakes a RENAME, or is overtaken, would give
// the content of one file to the node of another. All fields are guarded by FS.mu.
type nameUse struct {
	using    map[*node]int // by how many requests that go by the node's path
	changing map[*node]int // by how many renames and removals
	ended    chan struct{} // closed when one of them ends; nil while nobody waits
}

// nameWait bounds the wait for requests that are bounded themselves.
const nameWait = 30 * time.Second

func newNameUse() nameUse {
	return nameUse{using: map[*node]int{}, changing: map[*node]int{}}
}

func (u *nameUse) add(m map[*node]int, n *node, k int) {
	if m[n] += k; m[n] == 0 {
		delete(m, n)
	}
	if k < 0 && u.ended != nil {
		close(u.ended)
		u.ended = nil
	}
}

// pathChanges says that the path of n is being changed by ourselves.
func (u *nameUse) pathChanges(n *node) bool {
	if len(u.changing) == 0 {
		return false
	}
	for ; n != nil; n = n.parent {
		if u.changing[n] > 0 {
			return true
		}
	}
	return false
}

// usedBelow says that something goes by the path of n, or of what is below it.
func (u *nameUse) usedBelow(n *node) bool {
	for m := range u.using {
		for ; m != nil; m = m.parent {
			if m == n {
				return true
			}
		}
	}
	return false
}

// awaitNames waits while busy says so. FS.mu is held, and not during the wait.
func (f *FS) awaitNames(ctx context.Context, busy func() bool) error {
	if !busy() {
		return nil
	}
	limit := time.NewTimer(nameWait)
	defer limit.Stop()
	for busy() {
		if f.nameUse.ended == nil {
			f.nameUse.ended = make(chan struct{})
		}
		ended := f.nameUse.ended
		f.mu.Unlock()
		var err error
		select {
		case <-ended:
		case <-ctx.Done():
			err = ctx.Err()
		case <-f.life.Done():
			err = context.Canceled
		case <-limit.C:
			err = context.DeadlineExceeded
		}
		f.mu.Lock()
		if err != nil {
			return err
		}
	}
	return nil
}

// useName gives the path of n and keeps our own changes of it waiting until done is
// called. Who uses one waits for no other.
func (f *FS) useName(ctx context.Context, n *node) (path string, done func(), err error) {
	paths, done, err := f.useNames(ctx, n)
	return paths[0], done, err
}

// useNames is useName for one node or two, at once.
func (f *FS) useNames(ctx context.Context, nodes ...*node) (paths [2]string, done func(), err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.awaitNames(ctx, func() bool { return slices.ContainsFunc(nodes, f.nameUse.pathChanges) }); err != nil {
		return paths, nil, err
	}
	for i, n := range nodes {
		if paths[i], err = f.path(n); err != nil {
			return paths, nil, err
		}
	}
	use := func(k int) {
		for _, n := range nodes {
			f.nameUse.add(f.nameUse.using, n, k)
		}
	}
	use(1)
	return paths, func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		use(-1)
	}, nil
}

// usePlace is useName for a name in d: nothing changes the path of d until done is
// called.
func (f *FS) usePlace(ctx context.Context, d *node, name string) (path string, done func(), err error) {
	path, done, err = f.useName(ctx, d)
	return join(path, name), done, err
}

// holdName is useName for what may have lost its name.
func (f *FS) holdName(ctx context.Context, n *node) (done func(), err error) {
	_, done, err = f.useName(ctx, n)
	if err == syscall.ENOENT {
		return func() {}, nil
	}
	return done, err
}

// changeNames waits for what goes by the names of nodes, and keeps others from
// doing so until done is called. What was opened from memory is opened on the server
// first, as long as it has a name. Nodes may be nil.
func (f *FS) changeNames(ctx context.Context, nodes ...*node) (done func(), err error) {
	for _, n := range nodes {
		f.keepOpen(ctx, n)
	}
	end := func() {
		for _, n := range nodes {
			f.nameUse.add(f.nameUse.changing, n, -1)
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, n := range nodes {
		f.nameUse.add(f.nameUse.changing, n, 1)
	}
	for _, n := range nodes {
		if err := f.awaitNames(ctx, func() bool { return n != nil && f.nameUse.usedBelow(n) }); err != nil {
			end()
			return nil, err
		}
	}
	return func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		end()
	}, nil
}

// keepOpen has the remote file opened for each reader of n that has none: it was
// opened from memory, and would lose the rest when the name goes. One that cannot
// be opened reads what there is.
func (f *FS) keepOpen(ctx context.Context, n *node) {
	f.mu.Lock()
	var readers []*handle
	if n != nil && n.file != nil && n.file.readers > 0 && !n.gone {
		for _, h := range f.handles {
			if h.n == n && h.canRead() && h.rf == nil && h.w == nil && h.fixed == nil {
				readers = append(readers, h)
			}
		}
	}
	f.mu.Unlock()
	for _, h := range readers {
		rf, err := f.readable(ctx, h)
		if err != nil {
			return
		}
		f.mu.Lock()
		f.putFile(rf)
		f.mu.Unlock()
	}
}

// openedFile is a remote file that was opened by its name.
type openedFile struct {
	file  File
	path  string
	attrs Attrs
	// since and at say when the attributes were asked for.
	since uint64
	at    time.Time
}

// openByName opens the remote file of n for reading or writing; nothing changes its
// name meanwhile, so that what was opened is n's.
func (f *FS) openByName(ctx context.Context, n *node, flags OpenFlags) (openedFile, error) {
	path, done, err := f.useName(ctx, n)
	if err == syscall.ENOENT {
		err = syscall.ESTALE // the kernel looks the name up again
	}
	if err != nil {
		return openedFile{}, err
	}
	defer done()
	o := openedFile{path: path}
	f.mu.Lock()
	o.since, o.at = f.tick, time.Now()
	n.handles++ // keeps the node while we ask
	f.mu.Unlock()
	o.file, o.attrs, err = f.r.Open(ctx, path, flags, 0)
	if err == nil {
		if err = checkAttrs(&o.attrs); err != nil {
			f.closeFile(o.file)
		}
	}
	f.mu.Lock()
	n.handles--
	f.mu.Unlock()
	return o, err
}

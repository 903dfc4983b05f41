package remote

import (
	"cmp"
	"context"
	"slices"
)

// mostHandles is how many open files a channel is given of the limit that its server
// has told, 0 for none: the rest is for directories, and for copies, which need both
// files on one channel.
func mostHandles(limit uint64) int64 {
	if limit > 1<<30 {
		limit = 0
	}
	n := int64(limit)
	return max(n-max(n/8, 16), n/2)
}

// home picks the channel on which a file is opened, and counts the handle as the
// channel's already, or many who look at the same time would all take the same one. It
// waits for a further channel where those that are open have as many handles as the
// server allows, or answer nothing, and where there can be none it lets go of what was not used for
// longest. ErrTooManyOpen says that all of it is in use.
func (l *link) home(ctx context.Context) (*channel, error) {
	if ch := l.idlest(); ch != nil {
		return ch, nil
	}
	if err := l.widen(ctx); err != nil {
		return nil, err
	}
	for {
		if ch := l.idlest(); ch != nil {
			return ch, nil
		}
		if l.answers() && l.rest() {
			continue
		}
		if l.control.takeHandle() {
			return l.control, nil
		}
		return nil, ErrTooManyOpen
	}
}

// idlest gives the data channel with the least to do, or the control channel while all
// those are busy, so that a small file need not wait behind a large one; nil when they
// have no room for a handle, or answer nothing. Of equals it is the first: two files of
// which one is copied into the other are on one channel then.
func (l *link) idlest() *channel {
	l.mu.Lock()
	defer l.mu.Unlock()
	var best *channel
	for _, ch := range l.dataLocked() {
		if ch.hasRoom() && !ch.stalled() && (best == nil || ch.load.Load() < best.load.Load()) {
			best = ch
		}
	}
	if best != nil && best.load.Load() > busyLoad && l.control.load.Load() <= busyLoad && l.control.hasRoom() {
		best = l.control
	}
	if best != nil {
		best.handles.Add(1)
	}
	return best
}

// answers says that a data channel is not stalled.
func (l *link) answers() bool {
	return slices.ContainsFunc(l.data(), func(ch *channel) bool { return !ch.stalled() })
}

// hasRoom says that the server lets another file be open on ch.
func (ch *channel) hasRoom() bool {
	most := ch.conn.link.mostHandles
	return most == 0 || ch.handles.Load() < most
}

// takeHandle counts a handle as ch's, if there is room for it.
func (ch *channel) takeHandle() bool {
	ch.conn.link.mu.Lock()
	defer ch.conn.link.mu.Unlock()
	room := ch.hasRoom()
	if room {
		ch.handles.Add(1)
	}
	return room
}

// widen opens a further data channel, one for all who ask at the same time, and
// waits for it. It does nothing where the server or the options allow no more.
func (l *link) widen(ctx context.Context) error {
	if have, room := l.room(); have >= room {
		return nil
	}
	l.mu.Lock()
	opened := l.widening
	if opened == nil {
		opened = make(chan struct{})
		l.widening = opened
		task := func() {
			l.openChannels(1)
			l.mu.Lock()
			l.widening = nil
			l.mu.Unlock()
			close(opened)
			l.r.tune()
		}
		if !l.r.spawn(task) {
			l.widening = nil
			l.mu.Unlock()
			return ErrClosed
		}
	}
	l.mu.Unlock()
	return waitFor(ctx, opened, -1)
}

// restPart is the part of a channel's handles that is let go of at a time: looking
// for them costs something for each open file.
const restPart = 16

// rest closes the handles of files that were not used for longest and that nothing is
// under way to: each is opened again at its next use, as after a loss. It says whether
// there were any.
func (l *link) rest() bool {
	type candidate struct {
		f    *File
		used int64
	}
	var all []candidate
	for _, f := range l.r.objects.files() {
		if used, idle := f.idleSince(); idle {
			all = append(all, candidate{f, used})
		}
	}
	slices.SortFunc(all, func(a, b candidate) int { return cmp.Compare(a.used, b.used) })
	rested := int64(0)
	for _, c := range all {
		if c.f.rest() {
			if rested++; rested > l.mostHandles/restPart {
				break
			}
		}
	}
	return rested > 0
}

// idleSince says when the file was last used (as nanos gives it), and whether it can
// rest.
func (f *File) idleSince() (used int64, idle bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, n := range f.lanes {
		used = max(used, n.lastUse.Load())
	}
	return used, f.idleLocked()
}

// idleLocked says that the file has handles, that nobody uses them and that it can be
// opened again. f.mu is held.
func (f *File) idleLocked() bool {
	if len(f.liveLocked()) == 0 || f.holds > 0 || f.queue.Len() > 0 || f.flight.len() > 0 || f.closing {
		return false
	}
	return f.r.objects.named(f.object)
}

// rest closes the file's handles, if it is idle.
func (f *File) rest() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.idleLocked() {
		return false
	}
	for _, n := range f.lanes {
		n.release()
	}
	f.setLanesLocked(nil)
	return true
}

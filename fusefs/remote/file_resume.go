package remote

import (
	"context"
	"errors"
	"fmt"
	"time"

	"sshfs-bridge/fusefs/sftp"
)

// openAgain opens the file after its channels were lost: by path, without any
// of the flags that change something, and only if what is there can be the same
// file. It waits for the connection as fileLink does, and as long for a server that
// will not open a file which is there unchanged. An error that is ErrChanged is for
// good.
func (f *File) openAgain(ctx context.Context) error {
	start := time.Now()
	var refused time.Time // since when
	for hostile := 0; ; {
		l, err := f.r.fileLink(ctx)
		if err != nil {
			return err
		}
		var n *lane
		ch, err := l.home(ctx)
		if err == nil {
			n, err = f.openLane(ctx, ch, false)
		}
		switch {
		case err == nil:
			f.r.counters.resumed.Add(1)
			f.r.log.Debug("file opened again")
			f.mu.Lock()
			if f.closed {
				f.mu.Unlock()
				n.release()
				return ErrClosed
			}
			f.addLaneLocked(n) // laneOn may have been first
			f.mu.Unlock()
			return nil
		case errors.Is(err, ErrChanged):
			return f.breakWith(err)
		case isNotExist(err):
			return f.breakWith(fmt.Errorf("%w: %s", ErrChanged, err.Error()))
		case isStatus(err), errors.Is(err, ErrTooManyOpen):
			if refused.IsZero() {
				refused = time.Now()
			}
			if time.Since(refused) >= f.r.o.DataTimeout {
				return fmt.Errorf("%w: %s", ErrTimeout, err.Error())
			}
			l.rest() // too many may be open, on a server that tells no limit
			if err := sleep(ctx, reopenPause); err != nil {
				return err
			}
			continue
		case errors.Is(err, sftp.ErrProtocol) && !errors.Is(err, sftp.ErrNotSent):
			if hostile++; hostile > maxHostile {
				return linkDown(err)
			}
		case !isLost(err):
			return err
		case time.Since(start) > f.r.o.DataTimeout:
			return linkDown(err) // it may be this OPEN that ends each session
		}
		if !ch.alive() && ch == l.control {
			l.fail(err)
		}
	}
}

// reopenPause is the time between two attempts to open a file that the server
// refuses to open again.
const reopenPause = time.Second

// breakWith makes err the end of the file.
func (f *File) breakWith(err error) error {
	f.r.log.Warn("an open file cannot go on", "err", err)
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.broken == nil {
		f.broken = err
	}
	return f.broken
}

// openLane opens the file on ch, which counts the handle already, and checks that it is
// the same. A further lane beside others is looked at by path, right behind the OPEN:
// that costs no round trip of its own where the server keeps the order.
func (f *File) openLane(ctx context.Context, ch *channel, further bool) (n *lane, err error) {
	defer func() {
		if err != nil {
			ch.handles.Add(-1)
		}
	}()
	ctx, cancel := context.WithTimeoutCause(ctx, f.r.o.DataTimeout, ErrTimeout)
	defer cancel()
	for {
		path, moves, err := f.r.objects.locate(ctx, f.object)
		if err != nil {
			return nil, err
		}
		h, err := f.openAt(ctx, ch, f.r.abs(path), further)
		if err != nil && (isLost(err) || ctx.Err() != nil) {
			return nil, err
		}
		if !f.r.objects.movedSince(f.object, moves) {
			if err != nil {
				return nil, err
			}
			return newLane(ch, h), nil
		}
		// It may be what was renamed to that path meanwhile.
		if err == nil {
			ch.client.StartCloseHandle(h).Abandon()
		}
	}
}

// openAt opens path on ch for openLane, and checks what is there.
func (f *File) openAt(ctx context.Context, ch *channel, path string, further bool) (h sftp.Handle, err error) {
	start := time.Now()
	defer func() {
		if err != nil {
			ch.noteTimeout(ctx, start)
		}
	}()
	flags := OpenFlags{Read: f.flags.Read, Write: f.flags.Write}
	further = further && ch.serial()
	then := f.r.objects.seenNow(f.object)
	openCall := ch.client.StartOpen(path, sftpFlags(flags), Attrs{})
	var statCall *sftp.Call[Attrs]
	if further {
		statCall = ch.client.StartStat(path)
	}
	if h, err = openCall.Wait(ctx); err != nil {
		if further {
			statCall.Abandon()
		} else if isStatus(err) {
			err = f.refused(ctx, ch, path, then, err)
		}
		return "", causeOf(ctx, err)
	}
	var a Attrs
	if further {
		a, err = statCall.Wait(ctx)
	} else {
		a, err = ch.client.Fstat(ctx, h)
	}
	if err == nil && !f.r.objects.matches(f.object, a, then) {
		err = fmt.Errorf("%w: %q", ErrChanged, path)
	}
	if err != nil {
		ch.client.StartCloseHandle(h).Abandon()
		return "", causeOf(ctx, err)
	}
	return h, nil
}

// refused looks for the reason why the server did not open the file again, which
// it told with err: ErrChanged where it has another file now, or none.
func (f *File) refused(ctx context.Context, ch *channel, path string, then seen, err error) error {
	a, lookErr := ch.client.Stat(ctx, path)
	switch {
	case lookErr == nil && !f.r.objects.matches(f.object, a, then):
		return fmt.Errorf("%w: %q", ErrChanged, path)
	case lookErr != nil && (!isStatus(lookErr) || isNotExist(lookErr)):
		return lookErr
	}
	return err
}

// causeOf gives the reason for which ctx ended in the place of err, where that is
// why err came.
func causeOf(ctx context.Context, err error) error {
	if ctx.Err() != nil && !isStatus(err) && !errors.Is(err, ErrChanged) {
		return contextCause(ctx)
	}
	return err
}

const (
	// stripeAfter is what must have been moved through a file, or be asked for or
	// queued, before it is opened on further channels (unless its channel is full
	// earlier), and stripeSize the size it must have, or what must have been
	// written: below, the round trips for that are better spent on data.
	stripeAfter = 1 << 20
	stripeSize  = 8 << 20
	stripeWrite = 4 << 20
	// stripePause is how long a file that could not be opened on all
	// channels is left alone.
	stripePause = time.Second
)

// stripe opens the file on further data channels, in the background, once it has
// proved to be a large stream and there are such channels.
func (f *File) stripe() {
	moved, pending := f.moved.Load(), f.pending.Load()
	if f.striping.Load() || moved+max(pending, f.room.inUse()) < stripeAfter && !f.room.crowded() {
		return
	}
	f.mu.Lock()
	have := len(f.lanes)
	large := moved+pending >= stripeWrite || pending == 0 && int64(f.attrs.Size) >= stripeSize
	if have == 0 || !large || f.closing || f.broken != nil {
		f.mu.Unlock()
		return
	}
	l := f.lanes[0].ch.conn.link
	if int(l.dataCount.Load()) <= have {
		f.mu.Unlock()
		return
	}
	used := make(map[*channel]bool, have)
	for _, n := range f.lanes {
		used[n.ch] = true
	}
	f.mu.Unlock()
	var free []*channel
	for _, ch := range l.data() {
		if !used[ch] && ch != l.control {
			free = append(free, ch)
		}
	}
	if len(free) == 0 || !f.striping.CompareAndSwap(false, true) {
		return
	}
	if !f.r.spawn(func() {
		failed := f.stripeOn(l.ctx, free)
		if failed {
			_ = sleep(l.ctx, stripePause)
		}
		f.striping.Store(false)
	}) {
		f.striping.Store(false)
	}
}

// stripeOn opens the file on all of channels at the same time.
func (f *File) stripeOn(ctx context.Context, channels []*channel) (failed bool) {
	results := make(chan bool, len(channels))
	for _, ch := range channels {
		if !f.r.spawn(func() {
			n, err := (*lane)(nil), ErrTooManyOpen
			if ch.takeHandle() {
				n, err = f.openLane(ctx, ch, true)
			}
			if err != nil {
				f.r.log.Debug("file not opened on a further channel", "err", err)
				results <- false
				return
			}
			f.mu.Lock()
			ok := !f.closing && f.broken == nil && len(f.liveLocked()) > 0
			if ok {
				f.addLaneLocked(n)
			}
			f.mu.Unlock()
			if !ok {
				n.release()
			}
			results <- ok
		}) {
			results <- false
		}
	}
	for range channels {
		if !<-results {
			failed = true
		}
	}
	return failed
}

package remote

import (
	"context"
	"errors"
	"fmt"
	"time"

	"sshfs-bridge/fusefs/sftp"
)

// opened is what an OPEN gives.
type opened struct {
	lane  *lane
	attrs Attrs
}

// Open opens a file, and gives its attributes: STAT travels with OPEN, so that
// both cost one round trip. mode are the permission bits of a file that is
// made. Errors are as for any operation on a path; fs.ErrExist for Exclusive.
// The caller closes the File.
func (r *Remote) Open(ctx context.Context, p string, flags OpenFlags, mode uint32) (*File, Attrs, error) {
	path := r.abs(p)
	var then asked
	q := pathRequest[opened]{op: "open", path: p, opens: true}
	q.prepare = func(ctx context.Context) error { return r.objects.settled(ctx, p) }
	q.do = func(ctx context.Context, l *link) (opened, error) {
		then = r.objects.ask(p)
		return l.open(ctx, path, flags, mode)
	}
	if flags.Create && flags.Exclusive {
		// Made by us when it is empty: nobody can have written to it. It is
		// opened as it is.
		q.settle = func(ctx context.Context, l *link) (opened, outcome, error) {
			a, there, err := exists(ctx, l.control.client, path)
			if err != nil || !there || a.Mode&modeType != modeReg || a.Size != 0 {
				return opened{}, notDone, err
			}
			then = r.objects.ask(p)
			plain := flags
			plain.Create, plain.Exclusive, plain.Truncate = false, false, false
			o, err := l.open(ctx, path, plain, 0)
			return o, done, err
		}
	}
	o, err := run(ctx, r, q)
	if err != nil {
		return nil, Attrs{}, err
	}
	f := r.newFile(flags)
	f.lanes = []*lane{o.lane}
	f.attrs = o.attrs
	r.objects.add(f, p, o.attrs, then)
	return f, o.attrs, nil
}

// open opens path on the channel that is best for a new file, which may end without
// the link.
func (l *link) open(ctx context.Context, path string, flags OpenFlags, mode uint32) (opened, error) {
	for {
		ch, err := l.home(ctx)
		if err != nil {
			return opened{}, fmt.Errorf("open %q: %w", path, err)
		}
		o, err := openOn(ctx, ch, path, flags, mode)
		if err == nil {
			return o, nil
		}
		if !isLost(err) || ch == l.control || errors.Is(err, sftp.ErrProtocol) {
			return opened{}, err
		}
		if flags.Exclusive && !errors.Is(err, sftp.ErrNotSent) {
			return opened{}, err // run settles it
		}
	}
}

func sftpFlags(flags OpenFlags) uint32 {
	var bits uint32
	for _, b := range []struct {
		set bool
		bit uint32
	}{
		{flags.Read, sftp.FlagRead},
		{flags.Write, sftp.FlagWrite},
		{flags.Create, sftp.FlagCreate},
		{flags.Create && flags.Exclusive, sftp.FlagExclusive},
		{flags.Truncate, sftp.FlagTruncate},
	} {
		if b.set {
			bits |= b.bit
		}
	}
	return bits
}

// openOn opens path on ch, which counts the handle already.
func openOn(ctx context.Context, ch *channel, path string, flags OpenFlags, mode uint32) (_ opened, err error) {
	start := time.Now()
	defer func() {
		if err != nil {
			ch.handles.Add(-1)
			ch.noteTimeout(ctx, start)
		}
	}()
	var create Attrs
	if flags.Create {
		create = Attrs{Valid: sftp.AttrMode, Mode: mode & 0o7777}
	}
	ch.touch() // not idle while it opens
	openCall := ch.client.StartOpen(path, sftpFlags(flags), create)
	statCall := ch.client.StartStat(path)
	h, err := openCall.Wait(ctx)
	if err != nil {
		statCall.Abandon()
		if flags.Create && flags.Exclusive {
			err = existing(ctx, ch.client, path, err)
		}
		return opened{}, err
	}
	a, statErr := statCall.Wait(ctx)
	if statErr != nil && !isStatus(statErr) {
		ch.client.StartCloseHandle(h).Abandon()
		return opened{}, statErr
	}
	if statErr == nil && ch.load.Load() == 0 {
		ch.conn.link.r.noteRTT(time.Since(start))
	}
	// A server that does several requests at a time may have looked before
	// it opened: that shows where the file was made or emptied.
	if statErr != nil || flags.Truncate && a.Size != 0 {
		if a, err = ch.client.Fstat(ctx, h); err != nil {
			ch.client.StartCloseHandle(h).Abandon()
			return opened{}, err
		}
	}
	return opened{newLane(ch, h), a}, nil
}

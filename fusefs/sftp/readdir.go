package sftp

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"time"
)

const (
	// maxListing bounds the memory of a listing, in bytes: a server may never end
	// one. A million names of twenty letters fit.
	maxListing = 80 << 20
	// nameSize is what a Name takes besides its text.
	nameSize = 56
	// maxEmpty is how many READDIR replies without a name are borne in a row.
	maxEmpty = 64
	// firstReadDirs are sent before the first reply.
	firstReadDirs = 4
	// nearby is a round trip that is too short to be worth many requests.
	nearby = 2 * time.Millisecond
)

// readDirWindow is how many READDIRs are sent so that they are in flight together
// after n replies with names; 0: none for now. The first few, which come back in one
// round trip, are all that most directories need; when none of them was the end, what
// 10,000 entries need goes out together, and again when half of it has come.
func readDirWindow(replies, inFlight int, roundTrip time.Duration) int {
	window := 208
	if roundTrip < nearby {
		// Requests beyond the end cost the server more than waiting costs us.
		window = 16
	}
	switch {
	case replies == 0:
		return firstReadDirs
	case replies < firstReadDirs || inFlight >= window/2:
		return 0
	}
	return window
}

// decodeNamesReply takes a READDIR reply. "." and ".." are left out; what cannot
// be an element of a path is an error.
func decodeNamesReply(d *decoder) ([]Name, error) {
	count := d.u32()
	if d.err != nil {
		return nil, d.err
	}
	if uint64(count)*minNameLen > uint64(len(d.b)) {
		return nil, fmt.Errorf("%d names in %d bytes", count, len(d.b))
	}
	// Two passes, so that all names of a reply share one allocation.
	scan, size := *d, 0
	for range count {
		name := scan.bytes()
		scan.bytes()
		scan.attrs()
		if scan.err != nil {
			return nil, scan.err
		}
		if len(name) == 0 || bytes.IndexByte(name, '/') >= 0 || bytes.IndexByte(name, 0) >= 0 {
			return nil, fmt.Errorf("bad name %q", name[:min(len(name), 256)])
		}
		size += len(name)
	}
	slab := make([]byte, 0, size)
	for pass := *d; len(slab) < size; {
		slab = append(slab, pass.bytes()...)
		pass.bytes()
		pass.attrs()
	}
	text := string(slab)
	names := make([]Name, 0, count)
	for range count {
		n := len(d.bytes())
		d.bytes()
		a := d.attrs()
		if name := text[:n]; name != "." && name != ".." {
			names = append(names, Name{Name: name, Attrs: a})
		}
		text = text[n:]
	}
	return names, nil
}

// StartOpenDir opens a directory for StartReadDirPacket. When the call is abandoned,
// the handle is closed again.
func (c *Client) StartOpenDir(path string) *Call[Handle] {
	return startPath(c, kindOpenDir, path, nil, decodeHandle)
}

// StartReadDirPacket asks for the next names of an open directory, as many as the
// server likes to give, without "." and "..": perhaps none before the end, which
// is io.EOF. Names are single path elements.
func (c *Client) StartReadDirPacket(h Handle) *Call[[]Name] {
	return start(c, kindReadDir, "", c.newFrame(kindReadDir).str(string(h)), decodeNamesReply)
}

// ReadDir lists a directory, without "." and "..", in the server's order. It waits
// for two or three round trips up to 10,000 entries, as OpenSSH packs them: one for
// OPENDIR, and one or two for READDIRs that are in flight together; CLOSE is not
// waited for.
func (c *Client) ReadDir(ctx context.Context, path string) ([]Name, error) {
	return c.ReadDirHeard(ctx, path, func() {})
}

// ReadDirHeard is ReadDir that calls heard at each reply with names.
func (c *Client) ReadDirHeard(ctx context.Context, path string, heard func()) ([]Name, error) {
	began := time.Now()
	h, err := c.StartOpenDir(path).Wait(ctx)
	if err != nil {
		return nil, err
	}
	roundTrip := time.Since(began)
	var flight []*Call[[]Name]
	defer func() {
		for _, call := range flight {
			call.Abandon()
		}
		c.StartCloseHandle(h).Abandon()
	}()
	var all []Name
	size, empty := 0, 0
	for replies := 0; ; replies++ {
		for window := readDirWindow(replies, len(flight), roundTrip); len(flight) < window; {
			flight = append(flight, c.StartReadDirPacket(h))
		}
		names, err := flight[0].Wait(ctx)
		flight[0] = nil
		flight = flight[1:]
		if errors.Is(err, io.EOF) && !errors.Is(err, ErrConnectionLost) { // a session may have ended with EOF
			return all, nil
		}
		if err != nil {
			return nil, withPath(err, path)
		}
		for i := range names {
			size += nameSize + len(names[i].Name)
		}
		if empty++; len(names) > 0 {
			empty = 0
			heard()
		}
		if size > maxListing || empty > maxEmpty {
			return nil, &CallError{Op: kindReadDir.String(), Path: path, Sent: true, Err: ErrTooManyEntries}
		}
		if all == nil {
			all = names
		} else {
			all = append(all, names...)
		}
	}
}

// withPath gives the error of a request by handle the path it was about.
func withPath(err error, path string) error {
	switch e := err.(type) { //nolint:errorlint // the call's own error, never wrapped here
	case *StatusError:
		e.Path = path
	case *CallError:
		e.Path = path
	}
	return err
}

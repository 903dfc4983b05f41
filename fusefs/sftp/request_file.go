package sftp

import (
	"context"
	"fmt"
	"io/fs"
)

func decodeHandle(d *decoder) (Handle, error) {
	h := d.bytes()
	if d.err == nil && (len(h) == 0 || len(h) > maxHandle) {
		return "", fmt.Errorf("handle of %d bytes", len(h))
	}
	return Handle(h), d.err
}

// StartOpen opens a file (Flag constants). a gives the mode of a file that is
// created, and may give more; Attrs{} leaves it to the server. When the call is
// abandoned, the handle is closed again.
func (c *Client) StartOpen(path string, flags uint32, a Attrs) *Call[Handle] {
	if err := checkPaths(kindOpen, path); err != nil {
		return failed[Handle](c, kindOpen, err)
	}
	f := c.newFrame(kindOpen).str(path).u32(flags).attrs(a)
	return start(c, kindOpen, path, f, decodeHandle)
}

// Open is StartOpen and Wait.
func (c *Client) Open(ctx context.Context, path string, flags uint32, a Attrs) (Handle, error) {
	return c.StartOpen(path, flags, a).Wait(ctx)
}

// StartCloseHandle closes a file or directory. It is sent even when abandoned:
// Abandon it where the result does not matter.
func (c *Client) StartCloseHandle(h Handle) *Call[none] {
	r := &Call[none]{call: call{c: c, kind: kindClose, mustSend: true, done: make(chan struct{})}, decode: noResult}
	r.frame = c.newFrame(kindClose).str(string(h))
	c.submit(r)
	return r
}

// CloseHandle is StartCloseHandle and Wait.
func (c *Client) CloseHandle(ctx context.Context, h Handle) error {
	return wait(ctx, c.StartCloseHandle(h))
}

// StartRead reads into buf, at most Limits().MaxRead bytes. The result is the
// number of bytes, which may be fewer than asked before the end of the file, or
// io.EOF with none. buf is not touched after Wait has returned.
func (c *Client) StartRead(h Handle, off uint64, buf []byte) *Call[int] {
	buf = buf[:min(len(buf), int(c.limits.MaxRead))]
	r := &Call[int]{call: call{c: c, kind: kindRead, buf: buf, want: len(buf), done: make(chan struct{})}}
	r.frame = c.newFrame(kindRead).str(string(h)).u64(off).u32(uint32(len(buf)))
	c.submit(r)
	return r
}

// Read is StartRead and Wait.
func (c *Client) Read(ctx context.Context, h Handle, off uint64, buf []byte) (int, error) {
	return c.StartRead(h, off, buf).Wait(ctx)
}

// StartWrite writes data, at most Limits().MaxWrite bytes (else fs.ErrInvalid).
// data is borrowed until Wait has returned.
func (c *Client) StartWrite(h Handle, off uint64, data []byte) *Call[none] {
	return c.startWrite(h, off, data, false)
}

// StartWriteDirect is StartWrite without the copy that lets Wait be given up at
// any time: data must not change until the call is answered, and after a Wait
// that was given up, or an Abandon, it must be left to the garbage collector.
func (c *Client) StartWriteDirect(h Handle, off uint64, data []byte) *Call[none] {
	return c.startWrite(h, off, data, true)
}

func (c *Client) startWrite(h Handle, off uint64, data []byte, direct bool) *Call[none] {
	if len(data) > int(c.limits.MaxWrite) {
		err := fmt.Errorf("%d bytes, the session takes %d: %w", len(data), c.limits.MaxWrite, fs.ErrInvalid)
		return failed[none](c, kindWrite, &CallError{Op: kindWrite.String(), Err: err})
	}
	r := &Call[none]{call: call{c: c, kind: kindWrite, data: data, direct: direct, done: make(chan struct{})}, decode: noResult}
	r.frame = c.newFrame(kindWrite).str(string(h)).u64(off).u32(uint32(len(data)))
	c.submit(r)
	return r
}

// Write is StartWrite and Wait.
func (c *Client) Write(ctx context.Context, h Handle, off uint64, data []byte) error {
	return wait(ctx, c.StartWrite(h, off, data))
}

// StartFstat asks for an open file's attributes.
func (c *Client) StartFstat(h Handle) *Call[Attrs] {
	return start(c, kindFstat, "", c.newFrame(kindFstat).str(string(h)), decodeAttrs)
}

// Fstat is StartFstat and Wait.
func (c *Client) Fstat(ctx context.Context, h Handle) (Attrs, error) {
	return c.StartFstat(h).Wait(ctx)
}

// StartFsetstat changes the attributes of an open file that a.Valid names.
func (c *Client) StartFsetstat(h Handle, a Attrs) *Call[none] {
	return start(c, kindFsetstat, "", c.newFrame(kindFsetstat).str(string(h)).attrs(a), noResult)
}

// Fsetstat is StartFsetstat and Wait.
func (c *Client) Fsetstat(ctx context.Context, h Handle, a Attrs) error {
	return wait(ctx, c.StartFsetstat(h, a))
}

// StartFsync makes the server put an open file on its disk. Without ExtFsync it is
// errors.ErrUnsupported.
func (c *Client) StartFsync(h Handle) *Call[none] {
	if !c.Has(ExtFsync) {
		return failed[none](c, kindFsync, unsupported(kindFsync, ""))
	}
	return start(c, kindFsync, "", c.newFrame(kindFsync).str(string(h)), noResult)
}

// Fsync is StartFsync and Wait.
func (c *Client) Fsync(ctx context.Context, h Handle) error {
	return wait(ctx, c.StartFsync(h))
}

// StartCopyData copies n bytes (0: up to the end) from one open file to another on
// the server. Without ExtCopyData it is errors.ErrUnsupported. Servers answer
// nothing else meanwhile, so n should be bounded.
func (c *Client) StartCopyData(from Handle, fromOff, n uint64, to Handle, toOff uint64) *Call[none] {
	if !c.Has(ExtCopyData) {
		return failed[none](c, kindCopyData, unsupported(kindCopyData, ""))
	}
	f := c.newFrame(kindCopyData).str(string(from)).u64(fromOff).u64(n).str(string(to)).u64(toOff)
	return start(c, kindCopyData, "", f, noResult)
}

// CopyData is StartCopyData and Wait.
func (c *Client) CopyData(ctx context.Context, from Handle, fromOff, n uint64, to Handle, toOff uint64) error {
	return wait(ctx, c.StartCopyData(from, fromOff, n, to, toOff))
}

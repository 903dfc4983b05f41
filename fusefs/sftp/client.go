package sftp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"
)

// Options of a Client. The zero value is good.
type Options struct {
	// MaxPacket is the payload of a READ or WRITE in bytes; 0 asks the server
	// (limits@openssh.com: one more round trip in New) and takes 32 KiB where it
	// does not say. At most 255 KiB is used.
	MaxPacket uint32
	// MaxReadPacket is the same for READ only; 0 is MaxPacket.
	MaxReadPacket uint32
	// Logger gets what ends a session through the server's fault; nil: nothing.
	Logger *slog.Logger
}

const (
	// maxOrphans is how many abandoned calls may lack a reply before the session
	// counts as dead: it bounds what a server that never answers can hold.
	maxOrphans = 16384
	// closeGrace is how long Close waits for the stream to let go.
	closeGrace = time.Second
	// maxExtensions bounds what VERSION can make us keep.
	maxExtensions = 256
)

// ErrStuck is Close's error when the stream's own Close has not ended a blocked
// Read or Write in time. The goroutines end when the stream does.
var ErrStuck = errors.New("sftp: stream does not let go")

// Client is one SFTP session. All methods are safe for concurrent use.
type Client struct {
	conn   io.ReadWriteCloser
	log    *slog.Logger
	limits Limits            // set before New returns
	exts   map[string]string // extensions of VERSION; set before greeted is closed
	frames sync.Pool         // *frame
	count  counters

	greeted  chan struct{} // closed when VERSION has come
	done     chan struct{} // closed when the session has ended
	routines sync.WaitGroup

	mu      sync.Mutex         // guards what follows
	work    sync.Cond          // queue has grown, or the session has ended
	calls   map[uint32]request // without reply so far, abandoned ones included
	orphans int                // abandoned ones in calls
	nextID  uint32
	queue   []*call // not yet taken by the writer
	err     error   // why the session has ended
}

// New starts a session on conn: INIT and VERSION, then limits@openssh.com unless
// o says them. The Client owns conn from now on and closes it at its end, also
// when New fails. ctx bounds New only. conn's Close must end blocked Reads and
// Writes.
func New(ctx context.Context, conn io.ReadWriteCloser, o Options) (*Client, error) {
	c := newClient(conn, o)
	c.routines.Go(c.read)
	c.routines.Go(c.write)
	if err := c.greet(ctx, o); err != nil {
		c.end(err)
		return nil, fmt.Errorf("start sftp session: %w", err)
	}
	return c, nil
}

func newClient(conn io.ReadWriteCloser, o Options) *Client {
	c := &Client{
		conn:    conn,
		log:     o.Logger,
		greeted: make(chan struct{}),
		done:    make(chan struct{}),
		calls:   make(map[uint32]request),
		exts:    make(map[string]string),
	}
	if c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	c.work.L = &c.mu
	c.frames.New = func() any { return &frame{b: make([]byte, 0, 256)} }
	return c
}

// greet waits for VERSION (the writer sends INIT first) and learns the limits.
func (c *Client) greet(ctx context.Context, o Options) error {
	select {
	case <-c.greeted:
	case <-c.done:
		return c.Err()
	case <-ctx.Done():
		return ctx.Err()
	}
	c.limits = Limits{MaxRead: defaultPayload, MaxWrite: defaultPayload}
	if o.MaxPacket != 0 {
		c.limits.MaxRead, c.limits.MaxWrite = o.MaxPacket, o.MaxPacket
	} else if c.Has(ExtLimits) {
		l, err := c.startLimits().Wait(ctx)
		var refused *StatusError
		switch {
		case err == nil:
			c.limits = l
		case !errors.As(err, &refused):
			return err
		}
	}
	if o.MaxReadPacket != 0 {
		c.limits.MaxRead = o.MaxReadPacket
	}
	c.limits.MaxRead = min(c.limits.MaxRead, maxPayload)
	c.limits.MaxWrite = min(c.limits.MaxWrite, maxPayload)
	return nil
}

// Close ends the session: calls without reply fail with ErrClosed, requests not
// sent yet are not sent any more. It waits for the session's goroutines, but at
// most a second (ErrStuck). It may be called again, with the same effect.
func (c *Client) Close() error {
	c.end(ErrClosed)
	ended := make(chan struct{})
	go func() {
		c.routines.Wait()
		close(ended)
	}()
	grace := time.NewTimer(closeGrace)
	defer grace.Stop()
	select {
	case <-ended:
		return nil
	case <-grace.C:
		return ErrStuck
	}
}

// Done is closed when the session has ended.
func (c *Client) Done() <-chan struct{} { return c.done }

// Err is nil while the session lasts, then why it has ended.
func (c *Client) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// Limits are the payloads and open handles that this session can have.
func (c *Client) Limits() Limits { return c.limits }

// Has reports whether the server offers an extension (the Ext constants).
func (c *Client) Has(extension string) bool {
	_, ok := c.exts[extension]
	return ok
}

// end ends the session, once: it fails every call with cause and closes the
// stream. It does not block.
func (c *Client) end(cause error) {
	err := &sessionError{cause}
	c.mu.Lock()
	if c.err != nil {
		c.mu.Unlock()
		return
	}
	c.err = err
	calls := c.calls
	c.calls, c.queue, c.orphans = nil, nil, 0
	// Under mu, because after err is set Close may be waiting for the routines.
	// Close can block while the link is stalled, and nobody here must.
	c.routines.Go(func() { c.conn.Close() })
	c.mu.Unlock()
	if errors.Is(cause, ErrProtocol) {
		c.log.Warn("sftp session ended by the server's fault", "err", cause)
	}
	close(c.done)
	c.work.Broadcast()
	for _, r := range calls {
		r.base().fail(err)
	}
}

// gaveUp notes that a call was abandoned: it leaves the table when its request
// will never be sent.
func (c *Client) gaveUp(k *call, unsent bool) {
	c.mu.Lock()
	over := false
	if r, ok := c.calls[k.id]; ok && r.base() == k {
		if unsent {
			delete(c.calls, k.id)
		} else {
			k.orphan = true
			c.orphans++
			over = c.orphans > maxOrphans
		}
	}
	c.mu.Unlock()
	if over {
		c.end(protocolError("%d abandoned requests were never answered", maxOrphans))
	}
}

// answered takes a call out of the table after its reply has been delivered.
func (c *Client) answered(k *call) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.calls[k.id]; ok {
		delete(c.calls, k.id)
		if k.orphan {
			c.orphans--
		}
	}
}

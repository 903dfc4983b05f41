package client

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"sync"
	"syscall"
	"time"

	"sshfs-bridge/bridge/api"
)

// ErrUnreachable says that no supervisor answers at the socket.
var ErrUnreachable = errors.New("no supervisor answers")

// ErrDenied says that this user may not use the socket.
var ErrDenied = errors.New("permission denied")

// Client is a client of one supervisor. The zero value is ready to use.
type Client struct {
	// Socket is the control socket's path; empty means SSHFS_BRIDGE_SOCKET or
	// api.DefaultSocket.
	Socket string
	// Version is sent with every request, for the supervisor's log.
	Version string
	// OnVersion is called with the supervisor's version at each answer, so
	// that a caller can warn about a difference; nil ignores it.
	OnVersion func(string)
	// AnswerWithin is how long a question may go without the beginning of an
	// answer, as a supervisor that is frozen takes a connection and says
	// nothing; 0 is ten seconds. What changes something takes as long as it takes.
	AnswerWithin time.Duration

	once    sync.Once
	reading *http.Client // gives up on a supervisor that is silent
	other   *http.Client // waits until what was asked for is done
}

// SocketPath is the path that the client connects to.
func (c *Client) SocketPath() string {
	if c.Socket != "" {
		return c.Socket
	}
	if s := os.Getenv(api.SocketEnv); s != "" {
		return s
	}
	return api.DefaultSocket
}

// client gives the client for a method: reading never takes long.
func (c *Client) client(method string) *http.Client {
	c.once.Do(func() {
		dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "unix", c.SocketPath())
		}
		// A command makes one or two requests; no idle connection outlives it.
		c.reading = &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: dial, ResponseHeaderTimeout: c.answerWithin()}}
		c.other = &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: dial}}
	})
	if method == http.MethodGet {
		return c.reading
	}
	return c.other
}

func (c *Client) answerWithin() time.Duration { return cmp.Or(c.AnswerWithin, 10*time.Second) }

// do sends a request and returns the answer, whose body the caller closes.
// An answer that is not 2xx is returned as an *api.Error.
func (c *Client) do(ctx context.Context, method, path string, query url.Values, body any) (*http.Response, error) {
	var r io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return nil, fmt.Errorf("encode request: %w", err)
		}
		r = bytes.NewReader(b)
	}
	u := url.URL{Scheme: "http", Host: api.Host, Path: path, RawQuery: query.Encode()}
	req, err := http.NewRequestWithContext(ctx, method, u.String(), r)
	if err != nil {
		return nil, fmt.Errorf("build request: %w", err)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	req.Header.Set(api.VersionHeader, c.Version)
	resp, err := c.client(method).Do(req)
	if err != nil {
		return nil, c.explain(ctx, err)
	}
	if v := resp.Header.Get(api.VersionHeader); v != "" && c.OnVersion != nil {
		c.OnVersion(v)
	}
	if resp.StatusCode/100 == 2 {
		return resp, nil
	}
	defer resp.Body.Close()
	return nil, decodeError(resp)
}

// explain turns what a failed connect says into what a person can do.
func (c *Client) explain(ctx context.Context, err error) error {
	switch {
	case ctx.Err() != nil:
		return err
	case errors.Is(err, syscall.ENOENT), errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, syscall.ENOTDIR):
		return fmt.Errorf("%w at %s: is it running? (sshfs-bridge serve, or docker start sshfs-bridge)", ErrUnreachable, c.SocketPath())
	case errors.Is(err, syscall.EACCES), errors.Is(err, syscall.EPERM):
		return fmt.Errorf("%w: %s belongs to the supervisor's user: run this as root or as that user", ErrDenied, c.SocketPath())
	}
	var ue *url.Error
	if errors.As(err, &ue) {
		if ue.Timeout() {
			return fmt.Errorf("%w at %s: it took the question and said nothing for %v; it may be frozen", ErrUnreachable, c.SocketPath(), c.answerWithin())
		}
		err = ue.Err
	}
	return fmt.Errorf("%w at %s: %w", ErrUnreachable, c.SocketPath(), err)
}

func decodeError(resp *http.Response) error {
	b, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return fmt.Errorf("read the supervisor's answer: %w", err)
	}
	var e api.Error
	if json.Unmarshal(b, &e) == nil && e.Message != "" {
		return &e
	}
	return &api.Error{Code: api.CodeInternal, Message: "the supervisor answered " + resp.Status}
}

// call sends a request and decodes the answer.
func call[T any](ctx context.Context, c *Client, method, path string, query url.Values, body any) (T, error) {
	var out T
	resp, err := c.do(ctx, method, path, query, body)
	if err != nil {
		return out, err
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(&out); err != nil {
		return out, fmt.Errorf("decode the supervisor's answer: %w", err)
	}
	return out, nil
}

// tell sends a request whose answer holds nothing.
func (c *Client) tell(ctx context.Context, method, path string, query url.Values, body any) error {
	resp, err := c.do(ctx, method, path, query, body)
	if err != nil {
		return err
	}
	return resp.Body.Close()
}

package client

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"sshfs-bridge/bridge/api"
)

// Asker answers a question of a remote, on behalf of a person. An error, or a
// cancelled answer, gives the question up.
type Asker func(ctx context.Context, q api.Question) (api.Answer, error)

// Mount asks for a mount and waits as the request says. onEvent, if not nil,
// sees every event as it comes; ask, if not nil, answers the questions (and
// req.Interactive is set). An ended ctx takes the request back.
func (c *Client) Mount(ctx context.Context, req api.MountRequest, onEvent func(api.Event), ask Asker) (api.MountStatus, error) {
	req.Interactive = ask != nil
	return c.await(ctx, api.Prefix+"/mounts", req, onEvent, ask)
}

// Login lets a mount that needs a person try again, and waits for the outcome.
func (c *Client) Login(ctx context.Context, name string, onEvent func(api.Event), ask Asker) (api.MountStatus, error) {
	return c.await(ctx, mountPath(name)+"/login", api.MountRequest{Interactive: ask != nil}, onEvent, ask)
}

// await reads a stream of events until its last one.
func (c *Client) await(ctx context.Context, path string, body any, onEvent func(api.Event), ask Asker) (api.MountStatus, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	resp, err := c.do(ctx, http.MethodPost, path, nil, body)
	if err != nil {
		return api.MountStatus{}, err
	}
	defer resp.Body.Close()
	var last *api.Event
	err = readLines(resp.Body, func(e api.Event) error {
		if onEvent != nil {
			onEvent(e)
		}
		switch e.Kind {
		case api.EventDone, api.EventFailed:
			last = &e
			return io.EOF
		case api.EventQuestion:
			if ask == nil || e.Question == nil {
				return nil
			}
			a, err := ask(ctx, *e.Question)
			if err != nil {
				a = api.Answer{Cancel: true}
			}
			a.ID = e.Question.ID
			err = c.Answer(ctx, e.Mount, a)
			var gone *api.Error
			if errors.As(err, &gone) && gone.Code == api.CodeNotFound {
				return nil // the remote did not wait; the stream tells what came of it
			}
			return err
		default:
			return nil
		}
	})
	switch {
	case last != nil && last.Error != nil:
		return api.MountStatus{}, last.Error
	case last != nil && last.Status != nil:
		return *last.Status, nil
	case err != nil:
		return api.MountStatus{}, err
	default:
		return api.MountStatus{}, fmt.Errorf("%w any more: the supervisor stopped", ErrUnreachable)
	}
}

// Events calls fn for every event from now on, of all mounts or of one, until
// ctx ends, the supervisor stops or fn returns an error. A fn that wants to
// stop without an error returns io.EOF.
func (c *Client) Events(ctx context.Context, mount string, fn func(api.Event) error) error {
	q := url.Values{}
	if mount != "" {
		q.Set("mount", mount)
	}
	resp, err := c.do(ctx, http.MethodGet, api.Prefix+"/events", q, nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	return readLines(resp.Body, fn)
}

// LogOptions chooses log records.
type LogOptions struct {
	Follow bool   // go on with new records until ctx ends
	Mount  string // of this mount only; empty is all
	Level  string // this level and above; empty is all
	Lines  int    // at most so many of the past ones; 0 is all that are kept
}

// Logs calls fn for the log records that the supervisor keeps.
func (c *Client) Logs(ctx context.Context, o LogOptions, fn func(api.LogRecord) error) error {
	q := url.Values{}
	if o.Follow {
		q.Set("follow", "1")
	}
	if o.Mount != "" {
		q.Set("mount", o.Mount)
	}
	if o.Level != "" {
		q.Set("level", o.Level)
	}
	if o.Lines > 0 {
		q.Set("lines", fmt.Sprint(o.Lines))
	}
	resp, err := c.do(ctx, http.MethodGet, api.Prefix+"/logs", q, nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	return readLines(resp.Body, fn)
}

// readLines decodes JSON lines; io.EOF from fn ends it without an error.
func readLines[T any](r io.Reader, fn func(T) error) error {
	s := bufio.NewScanner(r)
	s.Buffer(make([]byte, 0, 64<<10), 4<<20)
	for s.Scan() {
		if len(s.Bytes()) == 0 {
			continue // a blank line keeps the stream alive
		}
		var v T
		if err := json.Unmarshal(s.Bytes(), &v); err != nil {
			return fmt.Errorf("decode a line of the supervisor's answer: %w", err)
		}
		if err := fn(v); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
	}
	if err := s.Err(); err != nil {
		return fmt.Errorf("read the supervisor's answer: %w", err)
	}
	return nil
}

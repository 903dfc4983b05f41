package client

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"sshfs-bridge/bridge/api"
)

// ServerVersion asks what program answers.
func (c *Client) ServerVersion(ctx context.Context) (api.Version, error) {
	var v api.Version
	return v, c.getJSON(ctx, api.Prefix+"/version", &v)
}

// Status returns the whole observed state.
func (c *Client) Status(ctx context.Context) (api.Status, error) {
	var s api.Status
	return s, c.getJSON(ctx, api.Prefix+"/status", &s)
}

// Mounts lists the mounts.
func (c *Client) Mounts(ctx context.Context) ([]api.MountStatus, error) {
	var l api.MountList
	return l.Mounts, c.getJSON(ctx, api.Prefix+"/mounts", &l)
}

// MountStatus returns one mount, with its traffic.
func (c *Client) MountStatus(ctx context.Context, name string) (api.MountStatus, error) {
	var m api.MountStatus
	return m, c.getJSON(ctx, mountPath(name), &m)
}

// Unmount takes a mount out of the desired state and waits until it is gone.
// What was written lands first, within drain; 0 leaves that time to the supervisor.
func (c *Client) Unmount(ctx context.Context, name string, drain time.Duration) error {
	q := url.Values{}
	if drain > 0 {
		q.Set("drain_seconds", strconv.FormatFloat(drain.Seconds(), 'f', -1, 64))
	}
	return c.callJSON(ctx, http.MethodDelete, mountPath(name), q, nil, nil)
}

// Answer answers a question of a mount.
func (c *Client) Answer(ctx context.Context, name string, a api.Answer) error {
	return c.callJSON(ctx, http.MethodPost, mountPath(name)+"/answers", nil, a, nil)
}

// Refresh drops what is cached of a mount, so that the server is looked at now.
func (c *Client) Refresh(ctx context.Context, name string) error {
	return c.callJSON(ctx, http.MethodPost, mountPath(name)+"/refresh", nil, nil, nil)
}

// HostKey accepts or forgets the host key of a mount's remote.
func (c *Client) HostKey(ctx context.Context, name, action string) (api.HostKeyResult, error) {
	var r api.HostKeyResult
	return r, c.callJSON(ctx, http.MethodPost, mountPath(name)+"/hostkey", nil, api.HostKeyRequest{Action: action}, &r)
}

// Reload makes the supervisor read its configuration again, as SIGHUP does.
func (c *Client) Reload(ctx context.Context) error {
	return c.callJSON(ctx, http.MethodPost, api.Prefix+"/reload", nil, nil, nil)
}

// Health asks whether the supervisor is healthy. An unhealthy one is no error.
func (c *Client) Health(ctx context.Context) (api.Health, error) {
	var h api.Health
	return h, c.callJSON(ctx, http.MethodGet, "/healthz", url.Values{"verbose": {"1"}}, nil, &h)
}

// Metrics copies the metrics, in Prometheus's text format, to w.
func (c *Client) Metrics(ctx context.Context, w io.Writer) error {
	resp, err := c.do(ctx, http.MethodGet, "/metrics", nil, nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, err = io.Copy(w, resp.Body)
	return err
}

func mountPath(name string) string {
	return api.Prefix + "/mounts/" + name
}

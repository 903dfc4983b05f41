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
	return call[api.Version](ctx, c, http.MethodGet, api.Prefix+"/version", nil, nil)
}

// Status returns the whole observed state.
func (c *Client) Status(ctx context.Context) (api.Status, error) {
	return call[api.Status](ctx, c, http.MethodGet, api.Prefix+"/status", nil, nil)
}

// Mounts lists the mounts.
func (c *Client) Mounts(ctx context.Context) ([]api.MountStatus, error) {
	l, err := call[api.MountList](ctx, c, http.MethodGet, api.Prefix+"/mounts", nil, nil)
	return l.Mounts, err
}

// MountStatus returns one mount, with its traffic.
func (c *Client) MountStatus(ctx context.Context, name string) (api.MountStatus, error) {
	return call[api.MountStatus](ctx, c, http.MethodGet, mountPath(name), nil, nil)
}

// Unmount takes a mount out of the desired state and waits until it is gone.
// What was written lands first, within drain; 0 leaves that time to the supervisor,
// and a negative one is no time at all: what has not landed is lost. While one call
// waits, another with less time makes both end sooner.
func (c *Client) Unmount(ctx context.Context, name string, drain time.Duration) error {
	q := url.Values{}
	if drain != 0 {
		q.Set("drain_seconds", strconv.FormatFloat(max(drain, 0).Seconds(), 'f', -1, 64))
	}
	return c.tell(ctx, http.MethodDelete, mountPath(name), q, nil)
}

// Answer answers a question of a mount.
func (c *Client) Answer(ctx context.Context, name string, a api.Answer) error {
	return c.tell(ctx, http.MethodPost, mountPath(name)+"/answers", nil, a)
}

// Refresh drops what is cached of a mount, so that the server is looked at now.
func (c *Client) Refresh(ctx context.Context, name string) error {
	return c.tell(ctx, http.MethodPost, mountPath(name)+"/refresh", nil, nil)
}

// HostKey accepts or forgets the host key of a mount's remote.
func (c *Client) HostKey(ctx context.Context, name, action string) (api.HostKeyResult, error) {
	return call[api.HostKeyResult](ctx, c, http.MethodPost, mountPath(name)+"/hostkey", nil, api.HostKeyRequest{Action: action})
}

// ChangePassword gives the shares another password; empty has one made.
func (c *Client) ChangePassword(ctx context.Context, password string) (api.Password, error) {
	return call[api.Password](ctx, c, http.MethodPost, api.Prefix+"/smb/password", nil, api.PasswordRequest{Password: password})
}

// Reload makes the supervisor read its configuration again, as SIGHUP does.
func (c *Client) Reload(ctx context.Context) (api.ReloadResult, error) {
	return call[api.ReloadResult](ctx, c, http.MethodPost, api.Prefix+"/reload", nil, nil)
}

// Health asks whether the supervisor is healthy. An unhealthy one is no error.
func (c *Client) Health(ctx context.Context) (api.Health, error) {
	return call[api.Health](ctx, c, http.MethodGet, "/healthz", url.Values{"verbose": {"1"}}, nil)
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

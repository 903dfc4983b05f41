package bridge

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"sshfs-bridge/e2e/testenv"
)

// get asks until the port is there.
func get(t *testing.T, url string, change func(*http.Request)) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(r)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	var resp *http.Response
	if !testenv.Poll(10*time.Second, func() bool { resp, err = client.Do(r); return err == nil }) { //nolint:bodyclose // closed below
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, string(body)
}

func TestMetricsListen(t *testing.T) {
	c := testConfig(t, configured("media", "nas:/media"))
	c.MetricsListen = fmt.Sprintf("127.0.0.1:%d", testenv.FreePort(t))
	ct := newControlled(t, c)
	if _, err := ct.s.WaitMount(t.Context(), "media"); err != nil {
		t.Fatal(err)
	}
	url := "http://" + c.MetricsListen
	if code, body := get(t, url+"/metrics", nil); code != 200 || !strings.Contains(body, `sshfs_bridge_mount_up{mount="media"} 1`) {
		t.Errorf("/metrics: %d\n%s", code, body)
	}
	if code, body := get(t, url+"/healthz", nil); code != 200 || !strings.Contains(body, `"ok":true`) {
		t.Errorf("/healthz: %d %s", code, body)
	}
	// Nothing else is there, and nothing for a browser.
	if code, _ := get(t, url+"/v1/status", nil); code != http.StatusNotFound {
		t.Errorf("/v1/status: %d", code)
	}
	for name, change := range map[string]func(*http.Request){
		"another host": func(r *http.Request) { r.Host = "evil.example.com" },
		"an origin":    func(r *http.Request) { r.Header.Set("Origin", "http://evil.example.com") },
		"a referer":    func(r *http.Request) { r.Header.Set("Referer", "http://evil.example.com/") },
	} {
		if code, _ := get(t, url+"/metrics", change); code != http.StatusForbidden {
			t.Errorf("%s: %d", name, code)
		}
	}
	ct.stop()
	if conn, err := net.Dial("tcp", c.MetricsListen); err == nil {
		conn.Close()
		t.Error("the port is still open after the end")
	}
}

func TestMetricsListen_aTakenPortIsAProblemAndNoMore(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c := testConfig(t, configured("media", "nas:/media"))
	c.MetricsListen = l.Addr().String()
	ct := newControlled(t, c)
	if _, err := ct.s.WaitMount(t.Context(), "media"); err != nil {
		t.Fatal(err)
	}
	testenv.Eventually(t, 5*time.Second, "the status tells of metrics_listen", func() bool {
		return strings.Contains(fmt.Sprint(ct.s.Status().Problems), "metrics_listen")
	})
}

func TestMetricsListen_onlyLoopback(t *testing.T) {
	for v, ok := range map[string]bool{
		"127.0.0.1:9464": true, "[::1]:9464": true, "127.1.2.3:1": true, "": true,
		"0.0.0.0:9464": false, ":9464": false, "192.0.2.1:9464": false, "[::]:9464": false, "127.0.0.1": false, "127.0.0.1:0": false, "localhost:80": false,
	} {
		var c Config
		if err := c.Set("metrics_listen", v); (err == nil) != ok {
			t.Errorf("%q: %v", v, err)
		}
	}
}

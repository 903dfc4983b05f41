package bridge

import (
	"context"
	"net/http"
	"slices"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"sshfs-bridge/bridge/api"
)

// metricsHandler serves /metrics from a registry of our own.
func (s *Supervisor) metricsHandler() http.Handler {
	reg := prometheus.NewRegistry()
	reg.MustRegister(&metrics{s: s}, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return promhttp.HandlerFor(reg, promhttp.HandlerOpts{})
}

// metrics reads the numbers when they are asked for.
type metrics struct{ s *Supervisor }

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("sshfs_bridge_"+name, help, labels, nil)
}

var (
	descInfo        = desc("info", "The program that runs.", "version")
	descMounts      = desc("mounts", "Mounts by state.", "state")
	descUp          = desc("mount_up", "Whether the mount is up or idle by wish.", "mount")
	descRestarts    = desc("worker_restarts_total", "Workers that were started again.", "mount")
	descSMBUp       = desc("smbd_up", "Whether smbd answers.")
	descSMBRestarts = desc("smbd_restarts_total", "How often smbd was started again.")
	descSMBSessions = desc("smbd_sessions", "Clients of smbd.")
	descRTT         = desc("remote_rtt_seconds", "Round-trip time to the remote.", "mount")
	descConnections = desc("remote_connections", "SSH connections.", "mount")
	descRequests    = desc("sftp_requests_total", "SFTP requests by kind.", "mount", "kind")
	descInFlight    = desc("sftp_requests_in_flight", "SFTP requests without an answer yet.", "mount")
	descBytes       = desc("remote_bytes_total", "File data on the link, by direction.", "mount", "direction")
	descReconnects  = desc("remote_reconnects_total", "Connections made again after a loss.", "mount")
	descCacheHits   = desc("cache_lookups_total", "Lookups in the caches, by result.", "mount", "result")
	descCacheBytes  = desc("cache_bytes", "Data kept in memory.", "mount")
	descPending     = desc("pending_write_bytes", "Data written that the server has not acknowledged.", "mount")
	descHandles     = desc("open_handles", "Open files and directories.", "mount")
)

// Describe implements prometheus.Collector; the set follows from Collect.
func (m *metrics) Describe(ch chan<- *prometheus.Desc) { prometheus.DescribeByCollect(m, ch) }

// Collect implements prometheus.Collector.
func (m *metrics) Collect(ch chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	counter := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, v, labels...)
	}
	ctx, cancel := context.WithTimeout(context.Background(), trafficWait)
	defer cancel()
	st := m.s.Status()
	m.s.addTraffic(ctx, st.Mounts)
	gauge(descInfo, 1, st.Version)
	gauge(descSMBUp, number(st.SMB.State == "up"))
	counter(descSMBRestarts, float64(st.SMB.Restarts))
	if srv := m.s.smb.server(); srv != nil {
		if n, err := srv.Sessions(ctx); err == nil {
			gauge(descSMBSessions, float64(n))
		}
	}
	states := map[api.State]int{}
	for _, state := range slices.Concat(workerStates, []api.State{api.StateMounting, api.StateUnmounting, api.StateFailed}) {
		states[state] = 0
	}
	for _, u := range st.Mounts {
		states[u.State]++
		gauge(descUp, number(u.State.Good()), u.Name)
		counter(descRestarts, float64(u.Restarts), u.Name)
		t := u.Traffic
		if t == nil {
			continue
		}
		gauge(descRTT, t.RTTSeconds, u.Name)
		gauge(descConnections, float64(t.Connections), u.Name)
		for kind, n := range t.Requests {
			counter(descRequests, float64(n), u.Name, kind)
		}
		gauge(descInFlight, float64(t.InFlight), u.Name)
		counter(descBytes, float64(t.ReadBytes), u.Name, "read")
		counter(descBytes, float64(t.WriteBytes), u.Name, "write")
		counter(descReconnects, float64(t.Reconnects), u.Name)
		counter(descCacheHits, float64(t.CacheHits), u.Name, "hit")
		counter(descCacheHits, float64(t.CacheMisses), u.Name, "miss")
		gauge(descCacheBytes, float64(t.CacheBytes), u.Name)
		gauge(descPending, float64(t.PendingBytes), u.Name)
		gauge(descHandles, float64(t.OpenHandles), u.Name)
	}
	for state, n := range states {
		gauge(descMounts, float64(n), string(state))
	}
}

func number(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

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
	descAhead       = desc("read_ahead_bytes_total", "File data asked for before anybody read them.", "mount")
	descWasted      = desc("read_ahead_wasted_bytes_total", "Those of them that were dropped unread.", "mount")
	descListedAhead = desc("listed_ahead_total", "Directories listed before anybody looked into them.", "mount")
	descListedUsed  = desc("listed_ahead_used_total", "Those of them that somebody looked into then.", "mount")
	descPending     = desc("pending_write_bytes", "Data written that the server has not acknowledged.", "mount")
	descHandles     = desc("open_handles", "Open files and directories.", "mount")
	descNames       = desc("names", "Files and directories remembered.", "mount")
	descOperations  = desc("operation_duration_seconds", "Answered operations of the file system, by kind.", "mount", "kind")
	descWaiting     = desc("operations_waiting", "Operations of the file system without an answer yet.", "mount")
	descOldest      = desc("operation_oldest_wait_seconds", "How long the first of the waiting operations has been waiting.", "mount")
	descRounds      = desc("round_trips_total", "How often somebody waited for the server's answer.", "mount")
	descRoundTime   = desc("round_trip_seconds_total", "How long in all somebody waited for the server's answer.", "mount")
	descDials       = desc("remote_dials_total", "Connections that were tried.", "mount")
)

// Describe implements prometheus.Collector; the set follows from Collect.
func (m *metrics) Describe(ch chan<- *prometheus.Desc) { prometheus.DescribeByCollect(m, ch) }

// Collect implements prometheus.Collector.
func (m *metrics) Collect(ch chan<- prometheus.Metric) {
	gauge, counter := into(ch)
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
		if u.Traffic != nil {
			collectTraffic(ch, u.Name, u.Traffic)
		}
	}
	for state, n := range states {
		gauge(descMounts, float64(n), string(state))
	}
}

// into are the ways to send a number to ch.
func into(ch chan<- prometheus.Metric) (gauge, counter func(d *prometheus.Desc, v float64, labels ...string)) {
	send := func(t prometheus.ValueType) func(*prometheus.Desc, float64, ...string) {
		return func(d *prometheus.Desc, v float64, labels ...string) {
			ch <- prometheus.MustNewConstMetric(d, t, v, labels...)
		}
	}
	return send(prometheus.GaugeValue), send(prometheus.CounterValue)
}

// collectTraffic sends what a worker counted. A worker that is started again counts
// from 0 again, as Prometheus expects of a counter.
func collectTraffic(ch chan<- prometheus.Metric, name string, t *api.TrafficStats) {
	gauge, counter := into(ch)
	gauge(descRTT, t.RTTSeconds, name)
	gauge(descConnections, float64(t.Connections), name)
	for kind, n := range t.Requests {
		counter(descRequests, float64(n), name, kind)
	}
	gauge(descInFlight, float64(t.InFlight), name)
	counter(descRounds, float64(t.RoundTrips), name)
	counter(descRoundTime, t.RoundTripSeconds, name)
	counter(descBytes, float64(t.ReadBytes), name, "read")
	counter(descBytes, float64(t.WriteBytes), name, "write")
	counter(descDials, float64(t.Dials), name)
	counter(descReconnects, float64(t.Reconnects), name)
	counter(descCacheHits, float64(t.CacheHits), name, "hit")
	counter(descCacheHits, float64(t.CacheMisses), name, "miss")
	gauge(descCacheBytes, float64(t.CacheBytes), name)
	counter(descAhead, float64(t.AheadBytes), name)
	counter(descWasted, float64(t.WastedBytes), name)
	counter(descListedAhead, float64(t.ListedAhead), name)
	counter(descListedUsed, float64(t.ListedUsed), name)
	gauge(descPending, float64(t.PendingBytes), name)
	gauge(descHandles, float64(t.OpenHandles), name)
	gauge(descNames, float64(t.Names), name)
	gauge(descWaiting, float64(t.Waiting), name)
	gauge(descOldest, t.OldestWaitSeconds, name)
	for kind, o := range t.Operations {
		ch <- prometheus.MustNewConstHistogram(descOperations, o.Count, o.Seconds, cumulative(t.LatencyBounds, o.Buckets), name, kind)
	}
}

// cumulative are buckets as Prometheus has them: each holds those before it.
func cumulative(bounds []float64, buckets []uint64) map[float64]uint64 {
	m := make(map[float64]uint64, len(bounds))
	sum := uint64(0)
	for i, n := range buckets[:min(len(bounds), len(buckets))] {
		sum += n
		m[bounds[i]] = sum
	}
	return m
}

func number(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

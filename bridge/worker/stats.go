package worker

import (
	"sshfs-bridge/bridge/api"
	"sshfs-bridge/fusefs"
	"sshfs-bridge/fusefs/remote"
	"sshfs-bridge/fusefs/vfs"
)

// stats puts the counters of all layers together.
func stats(r remote.Status, f vfs.Stats, o fusefs.Operations) *api.TrafficStats {
	c := r.Counters
	t := &api.TrafficStats{
		RTTSeconds:        r.RTT.Seconds(),
		Connections:       r.Connections,
		Channels:          r.Channels,
		Requests:          c.Requests,
		InFlight:          c.InFlight,
		RoundTrips:        c.RoundTrips,
		RoundTripSeconds:  c.RoundTripTime.Seconds(),
		ReadBytes:         c.ReadBytes,
		WriteBytes:        c.WriteBytes,
		Dials:             c.Dials,
		Reconnects:        c.Reconnects,
		CacheHits:         f.CacheHits,
		CacheMisses:       f.CacheMisses,
		CacheBytes:        uint64(max(f.CacheBytes, 0)),
		AheadBytes:        f.AheadBytes,
		WastedBytes:       f.WastedBytes,
		ListedAhead:       f.ListedAhead,
		ListedUsed:        f.ListedUsed,
		PendingBytes:      uint64(max(r.PendingBytes, 0)),
		OpenHandles:       f.OpenHandles,
		Names:             f.Nodes,
		Operations:        map[string]api.OperationStats{},
		Waiting:           o.Waiting,
		OldestWaitSeconds: o.Oldest.Seconds(),
		ReadRate:          o.ReadRate,
		WriteRate:         o.WriteRate,
	}
	for _, bound := range fusefs.LatencyBounds() {
		t.LatencyBounds = append(t.LatencyBounds, bound.Seconds())
	}
	for kind, k := range o.Kinds {
		t.Operations[kind] = api.OperationStats{Count: k.Count, Seconds: k.Time.Seconds(), Buckets: k.Buckets}
	}
	return t
}

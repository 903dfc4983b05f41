package worker

import (
	"sshfs-bridge/bridge/api"
	"sshfs-bridge/fusefs/remote"
	"sshfs-bridge/fusefs/vfs"
)

// stats puts both layers' counters together.
func stats(r remote.Status, f vfs.Stats) *api.TrafficStats {
	c := r.Counters
	return &api.TrafficStats{
		RTTSeconds:   r.RTT.Seconds(),
		Connections:  r.Connections,
		Channels:     r.Channels,
		Requests:     c.Requests,
		InFlight:     c.InFlight,
		ReadBytes:    c.ReadBytes,
		WriteBytes:   c.WriteBytes,
		Reconnects:   c.Reconnects,
		CacheHits:    f.CacheHits,
		CacheMisses:  f.CacheMisses,
		CacheBytes:   uint64(max(f.CacheBytes, 0)),
		PendingBytes: uint64(max(r.PendingBytes, 0)),
		OpenHandles:  f.OpenHandles,
	}
}
